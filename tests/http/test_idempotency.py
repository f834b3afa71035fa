"""The Idempotency-Key header, on every POST route of the API."""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from uuid import uuid4

import httpx
import pytest
import sqlalchemy as sa

from application.commands import CreateKeyCommand
from application.errors import DependencyUnavailable
from application.idempotent_requests import IdempotentRequests
from application.ports.execution_engine import EngineReport, ExecutionObserver, ExecutionRequest
from domain.caller import Scope
from entrypoints.cli.client import ServiceClient
from entrypoints.http.idempotency import IDEMPOTENCY_KEY_HEADER, REPLAYED_HEADER, SECRET_ANSWER
from tests.http.support import Service, assert_problem, poll, serving
from tests.http.test_callers import handlers
from tests.support.callers import a_caller
from tests.support.receiver import Receiver, receiver
from tests.support.scripted_engine import echo

ADMINISTRATOR = a_caller("default")
UPLOAD = {"project": "idempotent", "code": "print(1)", "language": "python"}
Request = tuple[str, dict[str, object]]


@dataclass
class GuardedService(Service):
    """A service that asks for keys, with a client that has one with every scope."""

    receiver: Receiver


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedService]:
    directory = tmp_path_factory.mktemp("guarded")
    with receiver() as target, serving(directory, auth="keys", webhook_allow_private=True) as service:
        service.http.headers["Authorization"] = f"Bearer {new_api_key(service)}"
        yield GuardedService(**vars(service), receiver=target)


@pytest.fixture
def service(guarded: GuardedService) -> Iterator[GuardedService]:
    guarded.engine.program = echo
    yield guarded
    poll(lambda: not guarded.running())


def new_api_key(service: Service, project: str | None = None, scopes: frozenset[Scope] | None = None) -> str:
    scopes = scopes or (frozenset(Scope) if project is None else frozenset({Scope.JOBS_WRITE}))
    command = CreateKeyCommand(name="test", scopes=scopes, project=project)
    return service.container.services().create_key(ADMINISTRATOR, command).text.value


def upload(_service: Service) -> Request:
    return "/api/upload", {"json": {**UPLOAD, "unknown": 1}}


def execute(service: Service) -> Request:
    return f"/api/execute/{service.upload()['job_id']}", {"params": {"wait": 20}, "json": {"stdin": "in"}}


def cancel(service: Service) -> Request:
    return f"/api/cancel/{service.upload()['job_id']}", {}


def rerun(service: Service) -> Request:
    return f"/api/jobs/{service.upload()['job_id']}/rerun", {"params": {"wait": 20}, "json": {"stdin": "in"}}


def act_on_jobs(service: Service) -> Request:
    return "/api/jobs/actions", {"json": {"action": "rerun", "ids": [service.upload()["job_id"]]}}


def submit_batch(_service: Service) -> Request:
    return "/api/batches", {"json": {"jobs": [{**UPLOAD, "execute": False}]}}


def cancel_batch(service: Service) -> Request:
    path, options = submit_batch(service)
    return f"{path}/{service.http.post(path, **options).json()['batch_id']}/cancel", {}


def create_project(_service: Service) -> Request:
    return "/api/project", {"params": {"project_name": f"p-{uuid4()}"}}


def archive(service: Service) -> Request:
    name = f"p-{uuid4()}"
    service.http.post("/api/project", params={"project_name": name})
    return f"/api/projects/{name}/archive", {}


def restore(service: Service) -> Request:
    path, _ = archive(service)
    service.http.post(path)
    return path.replace("archive", "restore"), {}


def create_key(_service: Service) -> Request:
    return "/api/keys", {"json": {"name": "made", "scopes": ["jobs:read"]}}


def rotate_key(service: Service) -> Request:
    path, options = create_key(service)
    key_id = service.http.post(path, **options).json()["key_id"]
    return f"/api/keys/{key_id}/rotate", {"json": {"overlap_s": 1}}


def create_tenant(_service: Service) -> Request:
    return "/api/tenants", {"json": {"tenant": f"t-{uuid4()}"}}


def create_webhook(service: GuardedService) -> Request:
    return "/api/webhooks", {"json": {"url": service.receiver.url, "events": ["job.completed"]}}


def a_webhook(service: GuardedService) -> str:
    path, options = create_webhook(service)
    return f"{path}/{service.http.post(path, **options).json()['webhook_id']}"


def rotate_webhook(service: GuardedService) -> Request:
    return f"{a_webhook(service)}/rotate", {"json": {"overlap_s": 1}}


def send_test_event(service: GuardedService) -> Request:
    return f"{a_webhook(service)}/test", {}


def redeliver_event(service: GuardedService) -> Request:
    webhook = a_webhook(service)
    service.http.post(f"{webhook}/test")
    delivery = delivered(service, f"{webhook}/deliveries", webhook.rpartition("/")[2])
    return f"{webhook}/deliveries/{delivery}/redeliver", {}


def redeliver_callback(service: GuardedService) -> Request:
    job = service.run(callback_url=service.receiver.url)
    path = f"/api/jobs/{job['job_id']}/deliveries"
    return f"{path}/{delivered(service, path)}/redeliver", {}


def delivered(service: Service, path: str, webhook_id: str | None = None) -> str:
    """Wait until an event of a webhook, or of no webhook's, has arrived, and return its delivery's id."""

    def arrived() -> list[str]:
        found = service.http.get(path).json()
        return [
            one["delivery_id"]
            for one in found
            if one["status"] == "DELIVERED" and one["webhook_id"] == webhook_id
        ]

    return poll(arrived)[0]


# A request of each route that takes the header. A new route needs one.
REQUESTS: dict[str, Callable[[GuardedService], Request]] = {
    "/api/upload": upload,
    "/api/execute/{jobId:str}": execute,
    "/api/cancel/{jobId:str}": cancel,
    "/api/jobs/{jobId:str}/rerun": rerun,
    "/api/jobs/actions": act_on_jobs,
    "/api/batches": submit_batch,
    "/api/batches/{batchId:str}/cancel": cancel_batch,
    "/api/project": create_project,
    "/api/projects/{project:str}/archive": archive,
    "/api/projects/{project:str}/restore": restore,
    "/api/keys": create_key,
    "/api/keys/{key_id:str}/rotate": rotate_key,
    "/api/tenants": create_tenant,
    "/api/webhooks": create_webhook,
    "/api/webhooks/{webhook_id:str}/rotate": rotate_webhook,
    "/api/webhooks/{webhook_id:str}/test": send_test_event,
    "/api/webhooks/{webhook_id:str}/deliveries/{delivery_id:str}/redeliver": redeliver_event,
    "/api/jobs/{jobId:str}/deliveries/{delivery_id:str}/redeliver": redeliver_callback,
}
# Reports have an id of their own, by which one that is delivered twice counts once.
IDEMPOTENT_ALREADY = {"/api/executions/{execution_id:str}/completion"}


def send(service: Service, request: Request, key: str) -> httpx.Response:
    path, options = request
    return service.http.post(path, headers={IDEMPOTENCY_KEY_HEADER: key}, **options)


def new_key() -> str:
    return str(uuid4())


def is_replay(answer: httpx.Response) -> bool:
    return answer.headers.get(REPLAYED_HEADER) == "true"


def test_every_post_route_of_the_api_has_a_request_here(guarded: Service):
    app = guarded.server.config.app
    posts = {name.partition(" ")[2] for name, _ in handlers(app) if name.startswith("POST /api/")}
    assert posts == REQUESTS.keys() | IDEMPOTENT_ALREADY


def test_every_answer_with_the_text_of_a_key_is_stored_sealed(guarded: Service):
    answers = {
        name: handler
        for name, handler in handlers(guarded.server.config.app)
        if "key" in getattr(handler.parsed_fn_signature.return_type.annotation, "__struct_fields__", ())
    }
    assert answers
    assert all(handler.opt.get(SECRET_ANSWER) for handler in answers.values())


@pytest.mark.parametrize("route", REQUESTS)
def test_a_request_that_is_sent_again_gets_the_first_answer(service: Service, route: str):
    # Given a request that was answered
    request, key = REQUESTS[route](service), new_key()
    first = send(service, request, key)
    assert first.status_code == 200, first.text
    assert not is_replay(first)
    stored = service.stored()
    # When it is sent again
    for name in (key, f'"{key}"'):
        again = send(service, request, name)
        # Then the answer is the first, byte for byte, and nothing was done
        assert is_replay(again)
        assert (again.status_code, again.content) == (first.status_code, first.content)
        for header in ("content-type", "x-ignored-fields", "etag", "link"):
            assert again.headers.get(header) == first.headers.get(header)
    assert service.stored() == stored


@pytest.mark.parametrize("route", REQUESTS)
def test_another_request_under_the_same_key_is_refused(service: Service, route: str):
    # Given a request that was answered
    path, options = REQUESTS[route](service)
    key = new_key()
    assert send(service, (path, options), key).status_code == 200
    stored = service.stored()
    # When another body, query or path comes under its key
    others = [
        (path, {**options, "json": {**UPLOAD, "code": "print(2)"}}),
        (path, {**options, "params": {"more": "1"}}),
        ("/api/project", {"params": {"project_name": f"p-{uuid4()}"}}),
    ]
    # Then it is refused, and nothing is done
    for other in others:
        assert_problem(send(service, other, key), 422)
    assert service.stored() == stored


def test_large_bodies_are_told_apart_by_their_last_byte(service: Service):
    code, key = "#" * 900_000, new_key()
    request = ("/api/upload", {"json": {**UPLOAD, "code": f"{code}1"}})
    first = send(service, request, key)
    assert first.status_code == 200
    assert send(service, request, key).content == first.content
    assert_problem(send(service, ("/api/upload", {"json": {**UPLOAD, "code": f"{code}2"}}), key), 422)


def test_the_refusal_of_a_reused_key_names_the_key(service: Service):
    key = new_key()
    send(service, upload(service), key)
    problem = assert_problem(send(service, ("/api/upload", {"json": {**UPLOAD, "code": "2"}}), key), 422)
    assert problem["type"].endswith("idempotency-key-reused")
    assert IDEMPOTENCY_KEY_HEADER in problem["detail"]


def test_a_request_that_fails_leaves_no_record_and_may_be_sent_again(service: Service):
    # Given requests that failed: one that is invalid, one whose job does not exist
    key = new_key()
    assert_problem(send(service, ("/api/upload", {"json": {**UPLOAD, "language": "cobol"}}), key), 422)
    assert_problem(send(service, (f"/api/cancel/{uuid4()}", {}), key), 404)
    # When a request under their key succeeds
    answer = send(service, ("/api/upload", {"json": UPLOAD}), key)
    # Then it is the first of the key
    assert answer.status_code == 200
    assert not is_replay(answer)


def test_an_answer_is_given_again_where_the_request_would_fail_now(service: Service):
    # Given a job of a project that was archived afterwards
    name, key = f"p-{uuid4()}", new_key()
    request = ("/api/upload", {"json": {**UPLOAD, "project": name}})
    first = send(service, request, key)
    assert service.http.post(f"/api/projects/{name}/archive").status_code == 200
    # When the upload is sent again, Then it is answered as it was
    again = send(service, request, key)
    assert is_replay(again)
    assert again.content == first.content


def test_of_many_at_once_one_is_done_and_the_others_wait_or_get_its_answer(service: Service):
    # When a request is sent many times at once
    request, key = ("/api/upload", {"json": {**UPLOAD, "project": f"p-{uuid4()}"}}), new_key()
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: send(service, request, key), range(60)))
    # Then there is one job, and no answer names another
    done = [answer for answer in answers if answer.status_code == 200]
    assert len({answer.json()["job_id"] for answer in done}) == 1
    assert sum(not is_replay(answer) for answer in done) == 1
    for answer in answers:
        if answer.status_code != 200:
            assert assert_problem(answer, 409)["type"].endswith("request-in-work")
            assert answer.headers["retry-after"] == "1"
    jobs = service.http.get(f"/api/projects/{request[1]['json']['project']}/jobs").json()
    assert len(jobs) == 1


def test_a_request_whose_first_one_waits_for_a_job_is_in_work(service: Service):
    # Given a request that waits for a program's end
    may_end = Event()

    def program(request: ExecutionRequest, observer: ExecutionObserver) -> EngineReport:
        may_end.wait(90)
        return echo(request, observer)

    service.engine.program = program
    job_id, key = service.upload()["job_id"], new_key()
    request = (f"/api/execute/{job_id}", {"params": {"wait": 20}})
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(send, service, request, key)
        poll(lambda: service.is_waited_for(job_id))
        # When it is sent again, or another under its key
        problem = assert_problem(send(service, request, key), 409)
        reused = assert_problem(send(service, (f"/api/execute/{job_id}", {"params": {"wait": 19}}), key), 422)
        # Then the same is in work, and the other refused
        assert problem["type"].endswith("request-in-work")
        assert reused["type"].endswith("idempotency-key-reused")
        # And when the first is answered, so is the next
        may_end.set()
        assert first.result().json()["status"] == "SUCCESS"
    assert send(service, request, key).content == first.result().content


@pytest.mark.parametrize(
    ("bare", "quoted"),
    [
        ("x", '"x"'),
        ("x" * 255, '"' + "x" * 255 + '"'),
        ("a b", '"a b"'),
        ('say "hi"', r'"say \"hi\""'),
        ("back\\slash", r'"back\\slash"'),
        ("~!#$%&'()*+,-./:;<=>?@[]^_`{|}", '"~!#$%&\'()*+,-./:;<=>?@[]^_`{|}"'),
    ],
)
def test_a_key_is_any_printable_text_with_quotes_or_without(service: Service, bare: str, quoted: str):
    request = ("/api/project", {"params": {"project_name": "of printable keys"}})
    assert send(service, request, bare).status_code == 200
    assert is_replay(send(service, request, quoted))


@pytest.mark.parametrize(
    "keys",
    [
        [b""],
        [b'""'],
        [b"x" * 256],
        [b'"' + b"x" * 256 + b'"'],
        [b'"open'],
        [b'"a" "b"'],
        [b'"a\\b"'],
        [b'"a";p=1'],
        [b"a\tb"],
        ["é".encode()],
        [b"one", b"two"],
        [b"same", b"same"],
    ],
)
@pytest.mark.parametrize("route", ["/api/project", "/api/executions/x/completion"])
def test_a_header_that_is_not_one_key_is_malformed(service: Service, route: str, keys: list[bytes]):
    headers = [(IDEMPOTENCY_KEY_HEADER.encode(), key) for key in keys]
    answer = service.http.post(route, params={"project_name": "never-made"}, headers=headers)
    assert IDEMPOTENCY_KEY_HEADER in assert_problem(answer, 400)["detail"]
    assert "never-made" not in [project["project"] for project in service.http.get("/api/projects").json()]


def test_other_methods_ignore_the_header(service: Service):
    headers = [(IDEMPOTENCY_KEY_HEADER, ""), (IDEMPOTENCY_KEY_HEADER, "x")]
    assert service.http.get("/api/projects", headers=headers).status_code == 200


def test_pages_of_other_origins_may_send_the_key_and_read_the_answers(service: Service):
    origin = {"Origin": "http://localhost:5173"}
    asked = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": IDEMPOTENCY_KEY_HEADER,
    }
    allowed = service.http.options("/api/upload", headers={**origin, **asked})
    assert IDEMPOTENCY_KEY_HEADER.lower() in allowed.headers["access-control-allow-headers"].lower()
    key = new_key()
    for _ in range(2):
        answer = service.http.post(
            "/api/upload", json=UPLOAD, headers={**origin, IDEMPOTENCY_KEY_HEADER: key}
        )
    assert is_replay(answer)
    assert answer.headers["access-control-allow-origin"] == origin["Origin"]
    assert REPLAYED_HEADER.lower() in answer.headers["access-control-expose-headers"].lower()


@pytest.mark.parametrize(
    ("route", "name"),
    [
        ("/api/upload", "job_id"),
        ("/api/execute/{jobId:str}", "job_id"),
        ("/api/cancel/{jobId:str}", "job_id"),
        ("/api/project", "project_id"),
        ("/api/projects/{project:str}/archive", "project_id"),
        ("/api/tenants", "tenant"),
    ],
)
def test_an_answer_that_was_lost_with_its_process_is_made_again_of_what_was_made(
    service: Service, route: str, name: str
):
    # Given a request whose process was lost between its effect and its answer
    request, key = REQUESTS[route](service), new_key()
    first = send(service, request, key)
    stored = service.stored()
    lose_answers(service, overdue=False)
    # When it is sent again while an answer may still come, Then it is in work
    assert assert_problem(send(service, request, key), 409)["type"].endswith("request-in-work")
    # And when none has come in time, it is answered from what there is, from then on alike
    lose_answers(service, overdue=True)
    again = [send(service, request, key) for _ in range(2)]
    assert all(is_replay(answer) and answer.status_code == 200 for answer in again)
    assert again[0].json()[name] == first.json()[name]
    assert again[0].json().keys() == first.json().keys()
    assert again[1].content == again[0].content
    assert service.stored() == stored


def test_a_response_that_is_too_large_to_be_stored_is_made_again(tmp_path: Path):
    with serving(tmp_path, idempotency_max_response_bytes=100) as service:
        # Given a response that is larger than what is stored
        request, key = upload(service), new_key()
        first = send(service, request, key)
        stored = service.stored()
        assert len(first.content) > 100
        # Then it is sent whole, and none of it is in the database
        assert first.status_code == 200
        with service.container.database().begin() as connection:
            bodies = connection.execute(sa.text("SELECT body FROM idempotency_keys")).scalars()
            assert first.content not in list(bodies)
        # And a repetition is answered from the job, once the first response is overdue
        assert assert_problem(send(service, request, key), 409)["type"].endswith("request-in-work")
        lose_answers(service, overdue=True)
        again = send(service, request, key)
        assert again.json()["job_id"] == first.json()["job_id"]
        assert service.stored() == stored


def test_responses_that_an_outage_leaves_without_a_record_are_counted_in_the_log(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def keep(*_: object) -> None:
        raise DependencyUnavailable("database", "it is shutting down")

    monkeypatch.setattr(IdempotentRequests, "keep", keep)
    with caplog.at_level(logging.WARNING, "service_server.http"):
        assert send(service, upload(service), new_key()).status_code == 200
    (record,) = [line for line in caplog.records if "idempotency record" in line.getMessage()]
    assert record.__dict__["outage"] == ("database", "it is shutting down")


def lose_answers(service: Service, *, overdue: bool) -> None:
    """Make every record that of a request whose answer was not stored."""
    due = "2020-01-01T00:00:00.000000Z" if overdue else "2999-01-01T00:00:00.000000Z"
    with service.container.database().begin() as connection:
        connection.execute(
            sa.text(
                "UPDATE idempotency_keys SET status = NULL, headers = NULL, body = NULL, answer_due = :due"
            ),
            {"due": due},
        )


def test_the_table_tells_neither_keys_nor_bodies(service: Service):
    key, secret = new_key(), "hunter2-hunter2"
    send(service, ("/api/upload", {"json": {**UPLOAD, "stdin": secret}}), key)
    with service.container.database().begin() as connection:
        rows = connection.execute(sa.text("SELECT * FROM idempotency_keys")).all()
    assert rows
    assert key not in str(rows)
    assert secret not in str(rows)


@pytest.mark.parametrize("route", ["/api/keys", "/api/keys/{key_id:str}/rotate"])
def test_the_text_of_a_new_key_is_given_again_to_the_key_that_asked_for_it(service: Service, route: str):
    # Given the answer to a request that made a key
    request, key = REQUESTS[route](service), new_key()
    first = send(service, request, key)
    made = first.json()["key"]
    # Then the table does not have its text
    with service.container.database().begin() as connection:
        bodies = connection.execute(sa.text("SELECT body FROM idempotency_keys")).scalars().all()
    assert bodies
    assert not any(made.encode() in (body or b"") for body in bodies)
    # And another key of the tenant does not get it, while the same one does
    path, options = request
    other = {"Authorization": f"Bearer {new_api_key(service)}", IDEMPOTENCY_KEY_HEADER: key}
    problem = assert_problem(service.http.post(path, headers=other, **options), 409)
    assert problem["type"].endswith("request-repeated")
    token = {"Authorization": "", "X-Auth-Token": service.http.headers["Authorization"].partition(" ")[2]}
    again = service.http.post(path, headers={**token, IDEMPOTENCY_KEY_HEADER: key}, **options)
    assert again.json()["key"] == made


def test_a_key_whose_text_was_lost_is_not_made_again(service: Service):
    # Given a request whose process was lost when it had made a key
    request, key = create_key(service), new_key()
    send(service, request, key)
    lose_answers(service, overdue=True)
    keys = service.http.get("/api/keys").json()
    # When it is sent again, Then the answer says that it took effect, and nothing is made
    problem = assert_problem(send(service, request, key), 409)
    assert "took effect" in problem["detail"]
    assert len(service.http.get("/api/keys").json()) == len(keys)


def test_keys_of_a_tenant_share_its_requests_and_one_of_a_project_does_not(service: Service):
    # Given a request by a key that reaches all of its tenant
    service.http.post("/api/project", params={"project_name": "reached"})
    request, key = ("/api/upload", {"json": {**UPLOAD, "project": "reached"}}), new_key()
    first = send(service, request, key)

    def send_as(api_key: str) -> httpx.Response:
        path, options = request
        headers = {"Authorization": f"Bearer {api_key}", IDEMPOTENCY_KEY_HEADER: key}
        return service.http.post(path, headers=headers, **options)

    # When other keys of the tenant make the same one, Then those that reach as much get its answer
    assert send_as(new_api_key(service)).content == first.content
    of_project = send_as(new_api_key(service, project="reached"))
    assert of_project.status_code == 200
    assert not is_replay(of_project)


def test_an_answer_is_given_again_without_links_to_logs_to_a_key_that_reads_none(service: Service):
    body = {**UPLOAD, "execute": True}
    key, writes_alone = new_key(), new_api_key(service, scopes=frozenset({Scope.JOBS_WRITE}))

    def post(api_key: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {api_key}", IDEMPOTENCY_KEY_HEADER: key}
        return service.http.post("/api/upload?wait=20", json=body, headers=headers).raise_for_status()

    first, replayed, again = post(new_api_key(service)), post(writes_alone), post(new_api_key(service))

    assert first.json()["logs_url"]
    assert is_replay(replayed)
    assert replayed.json()["job_id"] == first.json()["job_id"]
    assert (replayed.json()["logs_url"], replayed.json()["data"]["result"]["logs_url"]) == (None, None)
    assert again.content == first.content


def test_tags_that_are_named_as_links_and_secrets_are_in_the_answer_that_is_given_again(service: Service):
    tags = {"a": '"}', "callback_secret": "red", "logs_url": "blue", "z": "\\"}
    request, key = ("/api/upload", {"json": {**UPLOAD, "tags": tags}}), new_key()
    first = send(service, request, key)
    path, options = request
    writer = new_api_key(service, scopes=frozenset({Scope.JOBS_WRITE}))
    headers = {"Authorization": f"Bearer {writer}", IDEMPOTENCY_KEY_HEADER: key}

    for again in (send(service, request, key), service.http.post(path, headers=headers, **options)):
        assert is_replay(again)
        assert again.json() == first.json()
    assert first.json()["data"]["tags"] == tags


def test_an_answer_is_not_given_again_without_a_good_key(service: Service):
    request, key = ("/api/upload", {"json": UPLOAD}), new_key()
    assert send(service, request, key).status_code == 200
    path, options = request
    bad = {"Authorization": "Bearer ssk_bad", IDEMPOTENCY_KEY_HEADER: key}
    assert_problem(service.http.post(path, headers=bad, **options), 401)


def test_an_upload_whose_job_is_deleted_is_neither_made_anew_nor_shown(service: Service):
    # Given an upload whose answer has the output of its program, and whose job is deleted
    request, key = ("/api/upload", {"params": {"wait": 20}, "json": {**UPLOAD, "execute": True}}), new_key()
    job_id = send(service, request, key).json()["job_id"]
    assert service.http.delete(f"/api/jobs/{job_id}").is_success
    with service.container.database().begin() as connection:
        connection.execute(sa.text("UPDATE idempotency_keys SET answer_due = received_at"))
    # When it is sent again, Then there is no such job
    assert job_id in assert_problem(send(service, request, key), 404)["detail"]


def test_a_request_whose_job_was_just_deleted_does_not_seem_to_be_in_progress(service: Service):
    request, key = ("/api/upload", {"params": {"wait": 20}, "json": {**UPLOAD, "execute": True}}), new_key()
    job_id = send(service, request, key).json()["job_id"]
    assert service.http.delete(f"/api/jobs/{job_id}").is_success

    assert job_id in assert_problem(send(service, request, key), 404)["detail"]


def test_a_batch_of_which_a_job_was_just_deleted_is_shown_as_it_is_now(service: Service):
    request, key = ("/api/batches", {"json": {"jobs": [{**UPLOAD, "execute": False}] * 2}}), new_key()
    batch = send(service, request, key).json()
    first, second = batch["jobs"]
    assert service.http.post(f"/api/cancel/{first}").is_success
    assert service.http.delete(f"/api/jobs/{first}").is_success

    again = send(service, request, key)

    assert (again.status_code, again.json()["batch_id"]) == (200, batch["batch_id"])
    assert again.json()["jobs"] == [second]


def test_a_key_costs_one_statement_in_the_transaction_and_one_after_it(service: Service):
    send(service, ("/api/upload", {"json": UPLOAD}), new_key())
    without = statements(service, lambda: service.http.post("/api/upload", json=UPLOAD))
    with_key = statements(service, lambda: send(service, ("/api/upload", {"json": UPLOAD}), new_key()))
    added = [statement for statement in with_key if "idempotency_keys" in statement]
    assert [statement.split()[0] for statement in added] == ["INSERT", "UPDATE"]
    assert not any("idempotency_keys" in statement for statement in without)


def statements(service: Service, act: Callable[[], httpx.Response]) -> list[str]:
    """Return the statements that are made while a request is answered."""
    seen: list[str] = []

    def see(_connection, _cursor, statement: str, *_: object) -> None:
        seen.append(statement)

    engine = service.container.database()
    sa.event.listen(engine, "before_cursor_execute", see)
    try:
        assert act().status_code == 200
    finally:
        sa.event.remove(engine, "before_cursor_execute", see)
    return seen


class LosesAnswers(httpx.HTTPTransport):
    """Sends every request, and loses each first answer."""

    answers = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; lose every other answer."""
        response = super().handle_request(request)
        self.answers += 1
        if self.answers % 2:
            response.close()
            raise httpx.ReadError("the connection is lost")
        return response


def test_the_command_line_does_nothing_twice_when_it_loses_answers(service: Service):
    # Given a client that loses its answers, and a project of one job
    http = httpx.Client(
        base_url=service.http.base_url, transport=LosesAnswers(), headers=service.http.headers, timeout=30
    )
    body = {**UPLOAD, "project": f"p-{uuid4()}"}
    with closing(ServiceClient(http, "the service")) as client:
        # When it uploads and executes a program
        job_id = client.post("/api/upload", body)["job_id"]
        status = client.post(f"/api/execute/{job_id}")["status"]
    # Then it has the answers, and there is one job of one execution
    assert status == "RUNNING"
    jobs = service.http.get(f"/api/projects/{body['project']}/jobs").json()
    assert [job["job_id"] for job in jobs] == [job_id]
    assert len(service.http.get(f"/api/jobs/{job_id}").json()["executions"]) == 1
