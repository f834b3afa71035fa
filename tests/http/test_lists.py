import base64
from collections.abc import Iterator

import httpx
import pytest

from tests.http.support import Service, assert_problem


@pytest.fixture(scope="module")
def listed(whole_service: Service) -> dict[str, str]:
    """Five jobs in a project of their own: their names and ids."""
    programs: dict[str, dict] = {
        "old": {"tags": {"team": "blue"}},
        "node": {"language": "node", "description": "The second one", "tags": {"team": "red", "run": "7:1"}},
        "both": {"tags": {"team": "blue", "run": "7:1"}},
        "cancelled": {},
        "new": {},
    }
    ids = {
        name: whole_service.upload(project="lists", **fields)["job_id"] for name, fields in programs.items()
    }
    whole_service.http.post(f"/api/cancel/{ids['cancelled']}").raise_for_status()
    return ids


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, ["new", "cancelled", "both", "node", "old"]),
        ({"limit": 2}, ["new", "cancelled"]),
        ({"status": "CANCELLED"}, ["cancelled"]),
        ({"status": ["CANCELLED", "SUCCESS"]}, ["cancelled"]),
        ({"status": ["PENDING", "CANCELLED"], "limit": 2}, ["new", "cancelled"]),
        ({"phase": "ended"}, ["cancelled"]),
        ({"phase": ["ended", "waiting"], "limit": 2}, ["new", "cancelled"]),
        ({"phase": "waiting", "status": "CANCELLED"}, []),
        ({"phase": "waiting", "tag": "team:blue"}, ["both", "old"]),
        ({"phase": ["building", "running"]}, []),
        ({"language": "node"}, ["node"]),
        ({"tag": "team:blue"}, ["both", "old"]),
        ({"tag": ["team:blue", "run:7:1"]}, ["both"]),
        ({"tag": "team:green"}, []),
        ({"created_before": "2020-01-01T00:00:00Z"}, []),
        ({"created_after": "2020-01-01T09:00:00+09:00", "language": "node"}, ["node"]),
        ({"created_after": "2999-01-01T00:00:00Z"}, []),
        ({"search": "TEAM:b"}, ["both", "old"]),
        ({"search": "second"}, ["node"]),
        ({"search": "nothing like it"}, []),
        ({"id": "ffffffff-ffff"}, []),
    ],
)
def test_filters_narrow(service: Service, listed: dict[str, str], params: dict, expected: list[str]):
    response = service.http.get("/api/projects/lists/jobs", params=params)

    assert [job["job_id"] for job in response.json()] == [listed[name] for name in expected]


def test_a_job_is_found_by_the_beginning_of_its_id(service: Service, listed: dict[str, str]):
    whole = listed["both"]
    for given in (whole, whole.upper(), whole.replace("-", ""), whole[:30]):
        found = service.http.get("/api/jobs", params={"id": given}).json()

        assert whole in [job["job_id"] for job in found]
        assert all(job["job_id"].startswith(given.lower()[:8]) for job in found)


@pytest.mark.parametrize(
    "params",
    [
        {"id": ""},
        {"id": "-"},
        {"id": "xyz"},
        {"id": "0190-b6f2"},
        {"id": "0" * 33},
        {"search": ""},
        {"search": "x" * 201},
    ],
)
def test_what_no_job_can_be_found_by_is_refused(service: Service, params: dict):
    problem = assert_problem(service.http.get("/api/jobs", params=params), 422)

    assert [fault["parameter"] for fault in problem["errors"]] == list(params)


def test_times_exclude_the_moment_itself(service: Service, listed: dict[str, str]):
    created_at = service.http.get(f"/api/jobs/{listed['both']}").json()["data"]["created_at"]

    after = service.http.get("/api/projects/lists/jobs", params={"created_after": created_at}).json()
    before = service.http.get("/api/projects/lists/jobs", params={"created_before": created_at}).json()

    assert [job["job_id"] for job in after] == [listed["new"], listed["cancelled"]]
    assert [job["job_id"] for job in before] == [listed["node"], listed["old"]]


def test_pages_follow_each_other_and_keep_the_filters(service: Service, listed: dict[str, str]):
    params = {"limit": 1, "status": ["PENDING", "CANCELLED"], "language": "python", "tag": "team:blue"}

    pages = list(_pages(service.http, "/api/projects/lists/jobs", params))

    assert [[job["job_id"] for job in page.json()] for page in pages] == [[listed["both"]], [listed["old"]]]
    assert "status=PENDING&status=CANCELLED" in pages[0].headers["link"]
    assert "link" not in pages[-1].headers


def test_pages_of_a_project_with_another_script_follow_each_other(service: Service):
    ids = [service.upload(project="페이지 목록")["job_id"] for _ in range(3)]

    pages = list(_pages(service.http, "/api/projects/페이지 목록/jobs", {"limit": 2}))

    assert [job["job_id"] for page in pages for job in page.json()] == ids[::-1]


@pytest.mark.usefixtures("listed")
def test_a_page_of_none_is_empty_and_leads_nowhere(service: Service):
    for path in ("/api/jobs", "/api/projects/lists/jobs"):
        response = service.http.get(path, params={"limit": 0})

        assert (response.status_code, response.json()) == (200, [])
        assert "link" not in response.headers


@pytest.mark.parametrize("name", ["js", "JavaScript", "NODE"])
def test_a_language_may_be_named_otherwise(service: Service, listed: dict[str, str], name: str):
    response = service.http.get("/api/projects/lists/jobs", params={"language": name})

    assert [job["job_id"] for job in response.json()] == [listed["node"]]


def test_a_page_that_is_just_full_is_the_last(service: Service, listed: dict[str, str]):
    response = service.http.get("/api/projects/lists/jobs", params={"limit": len(listed)})

    assert len(response.json()) == len(listed)
    assert "link" not in response.headers


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "AAAA", "한글", "A" * 33, base64.urlsafe_b64encode(b"\x7f" + b"\xff" * 23).decode()],
)
def test_a_cursor_that_is_none_is_refused(service: Service, cursor: str):
    problem = assert_problem(service.http.get("/api/jobs", params={"cursor": cursor}), 422)

    assert problem["errors"][0]["parameter"] == "cursor"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", "-1"),
        ("limit", "-0.5"),
        ("limit", "1001"),
        ("limit", "many"),
        ("limit", "1" * 400),
        ("status", "DONE"),
        ("status", "running"),
        ("phase", "RUNNING"),
        ("language", "cobol"),
        ("tag", "team"),
        ("created_after", "yesterday"),
        ("created_after", "2025-01-31T12:00:00"),
        ("created_before", "2025-01-31T12:00:00 09:00"),
        ("created_before", "1738324800"),
        ("created_after", "0001-01-01T00:00:00+14:00"),
        ("created_before", "9999-12-31T23:59:59-14:00"),
    ],
)
def test_a_filter_that_cannot_be_read_is_refused(service: Service, name: str, value: str):
    problem = assert_problem(service.http.get("/api/jobs", params={name: value}), 422)

    assert [error["parameter"] for error in problem["errors"]] == [name]
    assert problem["detail"].startswith(f"{name}: ")


def test_one_name_with_two_values_is_refused(service: Service):
    response = service.http.get("/api/jobs", params={"tag": ["team:blue", "team:red"]})

    assert assert_problem(response, 422)["errors"][0]["parameter"] == "tag"


def _pages(http: httpx.Client, path: str, params: dict) -> Iterator[httpx.Response]:
    response = http.get(path, params=params)
    yield response
    while "next" in response.links:
        response = http.get(response.links["next"]["url"])
        yield response
