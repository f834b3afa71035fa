"""Acts on many jobs at once."""

from uuid import uuid4

import httpx
import pytest

from tests.http.support import UNKNOWN_ID, Service, assert_problem


def act(service: Service, action: str, **body: object) -> dict:
    answer = service.http.post("/api/jobs/actions", json={"action": action, **body})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
def tag() -> str:
    """A tag of this test's jobs alone."""
    return f"actions:{uuid4()}"


def upload(service: Service, tag: str, number: int, **fields: object) -> list[str]:
    name, _colon, value = tag.partition(":")
    return [service.upload(tags={name: value}, **fields)["job_id"] for _ in range(number)]


def statuses(service: Service, ids: list[str]) -> list[str]:
    return [service.http.get(f"/api/jobs/{job_id}/status").json()["status"] for job_id in ids]


def test_each_job_has_a_result_and_a_refused_one_holds_up_no_other(service: Service, tag: str):
    first, second = upload(service, tag, 2)
    service.http.post(f"/api/cancel/{first}").raise_for_status()

    answer = act(service, "cancel", ids=[first, UNKNOWN_ID, second, second])

    results = {result["job_id"]: result for result in answer["results"]}
    assert [result["job_id"] for result in answer["results"]] == [first, UNKNOWN_ID, second]
    assert results[second] == {"job_id": second, "done": True, "status": "CANCELLED"}
    assert answer["next"] is None
    alone = service.http.post(f"/api/cancel/{first}").json()
    for name in ("type", "title", "status", "detail", "code"):
        assert results[first]["problem"].get(name) == alone.get(name)
    assert results[first]["done"] is False
    assert results[UNKNOWN_ID]["problem"]["status"] == 404
    assert statuses(service, [first, second]) == ["CANCELLED", "CANCELLED"]


def test_more_tags_than_a_job_may_have_are_refused_before_a_job_is_read(service: Service):
    many = {f"name-{number}": "x" for number in range(1_000)}

    (result,) = act(service, "tag", ids=[UNKNOWN_ID], tags={"set": many})["results"]

    assert (result["done"], result["problem"]["status"]) == (False, 422)


def test_all_that_match_are_acted_on_page_by_page(service: Service, tag: str):
    ids = upload(service, tag, 5)
    others = [service.upload()["job_id"]]
    body = {"filter": {"tag": [tag], "status": ["PENDING"], "limit": 2}}
    pages = [act(service, "cancel", **body)]
    while (cursor := pages[-1]["next"]) is not None:
        pages.append(act(service, "cancel", **body, cursor=cursor))

    found = [result["job_id"] for page in pages for result in page["results"]]

    assert found == ids[::-1]
    assert max(len(page["results"]) for page in pages) == 2
    assert statuses(service, ids + others) == ["CANCELLED"] * 5 + ["PENDING"]


def test_jobs_are_run_again_and_the_new_ones_are_not_found_by_the_filter(service: Service, tag: str):
    ids = upload(service, tag, 2, stdin="x")

    answer = act(service, "rerun", filter={"tag": [tag]})

    assert [result["job_id"] for result in answer["results"]] == ids[::-1]
    for result in answer["results"]:
        again = service.http.get(f"/api/jobs/{result['rerun']}").json()
        assert again["rerun_of"] == result["job_id"]
    assert len(service.http.get("/api/jobs", params={"tag": tag}).json()) == 4


def test_jobs_are_named_by_beginnings_of_their_ids_and_run_again_with_changes(service: Service, tag: str):
    (job_id,) = upload(service, tag, 1, stdin="x")

    answer = act(service, "rerun", ids=[job_id[:35], job_id, "ffffffff"], changes={"stdin": "changed"})

    done, unknown = answer["results"]
    assert (done["job_id"], done["done"]) == (job_id, True)
    assert (unknown["job_id"], unknown["problem"]["status"]) == ("ffffffff", 404)
    again = service.http.get(f"/api/jobs/{done['rerun']}/status?wait=20").json()
    assert again["status"] == "SUCCESS"
    assert service.http.get(f"/api/jobs/{done['rerun']}").json()["data"]["result"]["stdout"] == "changed"


def test_jobs_that_have_ended_are_deleted(service: Service, tag: str):
    ended, pending = upload(service, tag, 2)
    service.http.post(f"/api/cancel/{ended}").raise_for_status()

    answer = act(service, "delete", ids=[ended, pending])

    assert answer["results"][0] == {"job_id": ended, "done": True}
    assert (answer["results"][1]["done"], answer["results"][1]["problem"]["status"]) == (False, 409)
    assert [service.http.get(f"/api/jobs/{job}").status_code for job in (ended, pending)] == [404, 200]


def test_a_repeated_call_under_a_key_is_answered_as_the_first_time(service: Service, tag: str):
    upload(service, tag, 2)
    body = {"action": "rerun", "filter": {"tag": [tag]}}
    headers = {"Idempotency-Key": str(uuid4())}

    answers = [service.http.post("/api/jobs/actions", json=body, headers=headers) for _ in range(2)]

    assert answers[0].json() == answers[1].json()
    assert answers[1].headers["Idempotent-Replayed"] == "true"
    assert len(service.http.get("/api/jobs", params={"tag": tag}).json()) == 4


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"action": "explode", "ids": [UNKNOWN_ID]}, "/action"),
        ({"action": "cancel"}, "/ids"),
        ({"action": "cancel", "ids": []}, "/ids"),
        ({"action": "cancel", "ids": [UNKNOWN_ID, "no id"]}, "/ids/1"),
        ({"action": "cancel", "ids": [UNKNOWN_ID] * 101}, "/ids"),
        ({"action": "cancel", "ids": [UNKNOWN_ID], "filter": {}}, "/ids"),
        ({"action": "cancel", "ids": ["0190b6f"]}, "/ids/0"),
        ({"action": "cancel", "ids": [UNKNOWN_ID], "changes": {"stdin": "x"}}, "/changes"),
        ({"action": "rerun", "ids": [UNKNOWN_ID], "changes": {"code": "x"}}, "/changes/code"),
        ({"action": "cancel", "ids": [UNKNOWN_ID], "cursor": "x"}, "/cursor"),
        ({"action": "cancel", "filter": {}, "cursor": "x"}, "/cursor"),
        ({"action": "cancel", "filter": {"status": ["LOST"]}}, "/filter/status"),
        ({"action": "cancel", "filter": {"limit": 0}}, "/filter/limit"),
        ({"action": "cancel", "filter": {"limit": 101}}, "/filter/limit"),
        ({"action": "cancel", "filter": {"state": "x"}}, "/filter/state"),
    ],
)
def test_a_call_that_cannot_be_read_does_nothing(service: Service, body: object, pointer: str):
    answer: httpx.Response = service.http.post("/api/jobs/actions", json=body)

    problem = assert_problem(answer, 422)

    assert [fault.get("pointer") for fault in problem["errors"]] == [pointer]


def test_tags_are_set_and_removed_and_found_by_at_once(service: Service, tag: str):
    first, second = upload(service, tag, 2)
    name, _colon, value = tag.partition(":")

    answer = act(service, "tag", filter={"tag": [tag]}, tags={"set": {"reviewed": "yes"}, "remove": [name]})

    assert answer["results"] == [
        {"job_id": job, "done": True, "status": "PENDING"} for job in (second, first)
    ]
    assert service.http.get("/api/jobs", params={"tag": tag}).json() == []
    params = {"tag": "reviewed:yes", "id": first}
    assert [job["job_id"] for job in service.http.get("/api/jobs", params=params).json()] == [first]
    assert service.http.get(f"/api/jobs/{first}").json()["spec"]["tags"] == {"reviewed": "yes"}
    assert value


def test_a_job_has_only_so_many_tags(service: Service, tag: str):
    [job_id] = upload(service, tag, 1)

    answer = act(service, "tag", ids=[job_id], tags={"set": {f"t{n}": "x" for n in range(16)}})

    assert answer["results"][0]["problem"]["status"] == 422
    assert "at most 16 tags" in answer["results"][0]["problem"]["detail"]


@pytest.mark.parametrize(
    "tags",
    [
        None,
        {},
        {"set": {"a": "1"}, "remove": ["a"]},
        {"set": {"no name": "1"}},
        {"remove": [""]},
        {"set": {"a": "\n"}},
    ],
)
def test_a_change_of_tags_that_cannot_be_does_nothing(service: Service, tag: str, tags: object):
    [job_id] = upload(service, tag, 1)
    body = {"action": "tag", "ids": [job_id]} | ({} if tags is None else {"tags": tags})

    problem = assert_problem(service.http.post("/api/jobs/actions", json=body), 422)

    assert problem["errors"][0]["pointer"] == "/tags"


def test_tags_belong_to_the_action_of_tags_alone(service: Service):
    body = {"action": "delete", "ids": [UNKNOWN_ID], "tags": {"remove": ["a"]}}

    assert_problem(service.http.post("/api/jobs/actions", json=body), 422)
