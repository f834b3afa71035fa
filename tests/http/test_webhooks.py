"""Webhooks of a running service, which posts to a receiver on this machine."""

import logging
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from standardwebhooks.webhooks import WebhookVerificationError

from domain.caller import Scope
from domain.webhook_signing import WebhookSecret
from tests.http.support import UNKNOWN_ID, Service, assert_problem, poll, serving
from tests.http.visitor import PAGE, Visitor
from tests.support.keys import Keys, bearer
from tests.support.processes import PATIENCE_S
from tests.support.receiver import Event, Receiver, receiver

QUICK = {"webhook_allow_private": True, "webhook_retry_first_s": 0.05, "webhook_retry_max_s": 0.2}


@pytest.fixture(scope="module")
def hooked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(tmp_path_factory.mktemp("hooked"), **QUICK) as service:
        yield service


@pytest.fixture
def service(hooked: Service) -> Iterator[Service]:
    yield hooked
    for webhook in hooked.http.get("/api/webhooks").json():
        hooked.http.delete(f"/api/webhooks/{webhook['webhook_id']}").raise_for_status()


def subscribe(service: Service, target: Receiver, **changed: object) -> dict:
    body = {"url": target.url, "events": ["job.started", "job.completed", "job.cancelled"], **changed}
    response = service.http.post("/api/webhooks", json=body)
    assert response.status_code == 200, response.text
    return response.json()


def deliveries(service: Service, webhook: dict, **query: object) -> list[dict]:
    response = service.http.get(f"/api/webhooks/{webhook['webhook_id']}/deliveries", params=query)
    return response.raise_for_status().json()


def settled(service: Service, webhook: dict) -> list[dict]:
    """Wait until no delivery to a webhook is pending, and return them, newest first."""

    def look() -> list[dict]:
        found = deliveries(service, webhook)
        return [] if any(one["status"] == "PENDING" for one in found) else found

    return poll(look)


def test_a_subscription_gets_the_start_and_the_end_of_each_job_signed(service: Service):
    with receiver() as target:
        webhook = subscribe(service, target)
        assert webhook["secret"].startswith("whsec_")

        job = service.run()
        started, completed = poll(lambda: len(e := target.of_job(job["job_id"])) == 2 and e)

        for event in (started, completed):
            event.verify(webhook["secret"])
        assert (started.type, completed.type) == ("job.started", "job.completed")
        assert (started.data["status"], started.data["phase"]) == ("RUNNING", "waiting")
        assert "result" not in started.data["data"]
        shown = service.http.get(f"/api/jobs/{job['job_id']}").json()
        expected = {name: shown[name] for name in completed.data} | {"logs_url": None}
        expected["data"]["result"]["logs_url"] = None
        assert completed.data == expected
        assert completed.content["timestamp"] == shown["data"]["completed_at"]
        with pytest.raises(WebhookVerificationError):
            completed.verify(WebhookSecret.generate().value)
        (end, start) = settled(service, webhook)
        assert (end["delivery_id"], end["status"], end["attempt_count"]) == (completed.id, "DELIVERED", 1)
        assert start["delivery_id"] == started.id


def test_a_secret_is_in_no_other_answer(service: Service):
    with receiver() as target:
        webhook = subscribe(service, target)
        path = f"/api/webhooks/{webhook['webhook_id']}"
        rest = [
            service.http.get("/api/webhooks").text,
            service.http.patch(path, json={"status": "DISABLED"}).text,
            service.http.patch(path, json={"status": "ACTIVE"}).text,
            service.http.post(f"{path}/test").text,
            service.http.get(f"{path}/deliveries").text,
        ]
        assert not any("whsec_" in text or webhook["secret"][8:] in text for text in rest)
        (listed,) = service.http.get("/api/webhooks").json()
        assert listed == {name: value for name, value in webhook.items() if name != "secret"}


def test_a_subscription_is_signed_with_the_secret_that_its_owner_brings(service: Service):
    secret = WebhookSecret.generate().value
    with receiver() as target:
        webhook = subscribe(service, target, secret=secret)
        service.http.post(f"/api/webhooks/{webhook['webhook_id']}/test").raise_for_status()

        (event,) = poll(lambda: target.events[:1])
        event.verify(secret)
        assert webhook["secret"] == secret


def test_a_cancelled_job_is_told_of(service: Service):
    with receiver() as target:
        subscribe(service, target, events=["job.cancelled"])
        job_id = service.upload()["job_id"]
        service.http.post(f"/api/cancel/{job_id}").raise_for_status()

        (event,) = poll(lambda: target.of_job(job_id))
        assert (event.type, event.data["status"]) == ("job.cancelled", "CANCELLED")


def test_a_subscription_of_a_project_gets_its_events_alone(service: Service):
    with receiver() as target:
        service.http.post("/api/project", json={"project_name": "mine"}).raise_for_status()
        webhook = subscribe(service, target, project="mine", events=["job.completed"])
        assert webhook["project"] == "mine"

        other, own = service.run(project="theirs"), service.run(project="mine")

        poll(lambda: target.of_job(own["job_id"]))
        assert target.of_job(other["job_id"]) == []
        assert len(service.http.get("/api/webhooks", params={"project": "mine"}).json()) == 1
        assert service.http.get("/api/webhooks", params={"project": "theirs"}).json() == []
        assert_problem(service.http.get("/api/webhooks", params={"project": "nowhere"}), 404)


def test_a_callback_is_signed_with_the_secret_that_the_upload_shows_once(service: Service):
    with receiver() as target:
        answer = service.upload(callback_url=target.url, execute=True)
        job_id, secret = answer["job_id"], answer["callback_secret"]

        (event,) = poll(lambda: target.of_job(job_id))

        event.verify(secret)
        assert (event.type, event.data["status"]) == ("job.completed", "SUCCESS")
        details = service.http.get(f"/api/jobs/{job_id}")
        assert "callback_secret" not in details.text
        assert details.json()["spec"]["callback_url"] == target.url
        (delivery,) = poll(
            lambda: [
                one
                for one in service.http.get(f"/api/jobs/{job_id}/deliveries").json()
                if one["status"] == "DELIVERED"
            ]
        )
        assert (delivery["webhook_id"], delivery["subject_id"]) == (None, job_id)
        # Asked for again, it comes again under its id.
        path = f"/api/jobs/{job_id}/deliveries/{delivery['delivery_id']}/redeliver"
        assert service.http.post(path).json()["status"] == "PENDING"
        _first, second = poll(lambda: len(found := target.of_job(job_id)) == 2 and found)
        assert (second.id, second.body) == (event.id, event.body)
        second.verify(secret)


def test_an_upload_that_is_waited_for_shows_the_secret_too(service: Service):
    with receiver() as target:
        body = {"project": "demo", "code": "1", "language": "python", "execute": True}
        response = service.http.post("/api/upload?wait=20", json={**body, "callback_url": target.url})
        answer = response.json()

        assert answer["status"] == "SUCCESS"
        (event,) = poll(lambda: target.of_job(answer["job_id"]))
        event.verify(answer["callback_secret"])


def test_a_callback_is_signed_with_the_secret_that_a_caller_brings(service: Service):
    secret = WebhookSecret.generate().value
    with receiver() as target:
        answer = service.upload(callback_url=target.url, callback_secret=secret, execute=True)

        (event,) = poll(lambda: target.of_job(answer["job_id"]))
        event.verify(secret)
        assert "callback_secret" not in answer


def test_a_repeated_request_is_not_shown_the_secret(service: Service):
    with receiver() as target:
        body = {"project": "demo", "code": "1", "language": "python", "callback_url": target.url}
        headers = {"Idempotency-Key": "a callback"}
        first = service.http.post("/api/upload", json=body, headers=headers).json()
        again = service.http.post("/api/upload", json=body, headers=headers)

        assert again.headers["Idempotent-Replayed"] == "true"
        assert first["callback_secret"].startswith("whsec_")
        assert again.json() == {name: first[name] for name in first if name != "callback_secret"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "ftp://example.com"},
        {"url": "https://user:hunter2@example.com"},
        {"url": "not a url"},
        {"events": []},
        {"events": ["webhook.test"]},
        {"events": ["job.exploded"]},
        {"secret": "whsec_own"},
    ],
)
def test_another_subscription_is_refused(service: Service, wrong):
    body = {"url": "https://example.com/hook", **wrong}

    problem = assert_problem(service.http.post("/api/webhooks", json=body), 422)

    assert "hunter2" not in str(problem)


@pytest.mark.parametrize("field", ["callback_url", "callback_secret"])
def test_another_callback_is_refused(service: Service, field):
    wrong = {"callback_url": "https://example.com/hook"} | {field: "wrong"}
    body = {"project": "demo", "code": "1", "language": "python", **wrong}

    problem = assert_problem(service.http.post("/api/upload", json=body), 422)

    assert problem["errors"][0]["pointer"] == f"/{field}"


def test_a_callback_secret_without_a_callback_is_refused(service: Service):
    body = {"project": "demo", "code": "1", "language": "python", "callback_secret": "whsec_x"}

    assert "callback_url" in assert_problem(service.http.post("/api/upload", json=body), 422)["detail"]


def test_private_receivers_are_refused_by_default(tmp_path: Path):
    with serving(tmp_path) as service, receiver() as target:
        for url in (target.url, "http://localhost/", "http://169.254.169.254/latest", "http://[::1]/"):
            problem = assert_problem(service.http.post("/api/webhooks", json={"url": url}), 422)
            assert "SERVICE_SERVER_WEBHOOK_ALLOW_PRIVATE" in problem["detail"]
            body = {"project": "demo", "code": "1", "language": "python", "callback_url": url}
            assert_problem(service.http.post("/api/upload", json=body), 422)
        # A name shows where it leads to only when it is used.
        port = target.server_port
        container = service.container
        webhook = service.http.post("/api/webhooks", json={"url": f"http://local.test:{port}/"}).json()
        assert webhook["status"] == "ACTIVE"
        sender = container.webhook_sender()
        names = {"local.test": "127.0.0.1"}
        real = sender._resolver  # noqa: SLF001 - the system's resolver has no such name
        sender._resolver = lambda host, port, deadline: real(names.get(host, host), port, deadline)  # noqa: SLF001
        service.http.post(f"/api/webhooks/{webhook['webhook_id']}/test").raise_for_status()
        attempt = poll(lambda: [a for one in deliveries(service, webhook) for a in one["attempts"]])[0]
        assert "not public" in attempt["error"]
        assert "127.0.0.1" not in attempt["error"]
        assert target.events == []


def test_a_failed_event_is_attempted_again_under_its_id_and_each_attempt_is_shown(service: Service):
    statuses = iter([500, 301, 200])
    with receiver(lambda _event: next(statuses)) as target:
        webhook = subscribe(service, target, events=["job.completed"])
        job = service.run()

        (delivery,) = settled(service, webhook)

        events = target.of_job(job["job_id"])
        assert len({event.id for event in events}) == 1
        assert len({event.body for event in events}) == 1
        assert (delivery["status"], delivery["attempt_count"]) == ("DELIVERED", 3)
        assert [attempt["status"] for attempt in delivery["attempts"]] == [500, 301, 200]
        assert delivery["attempts"][0]["error"] == "The receiver answered 500."
        assert delivery["attempts"][0]["answer"] == "the answer <script>"
        assert delivery["attempts"][2]["error"] is None
        (listed,) = service.http.get("/api/webhooks").json()
        assert listed["failing_since"] is None


def test_the_end_of_a_job_waits_for_its_start_to_arrive(service: Service):
    refused = threading.Event()
    accepting = threading.Event()

    def answer(event: Event) -> int:
        if event.type == "job.started" and not accepting.is_set():
            refused.set()
            return 503
        return 200

    with receiver(answer) as target:
        subscribe(service, target)
        job = service.run()
        assert refused.wait(60)
        assert {event.type for event in target.of_job(job["job_id"])} == {"job.started"}
        accepting.set()

        types = poll(
            lambda: (t := [e.type for e in target.of_job(job["job_id"])])[-1] == "job.completed" and t
        )
        assert set(types[:-1]) == {"job.started"}


def test_a_receiver_that_is_gone_disables_its_webhook_and_the_event_is_a_dead_letter(service: Service):
    status = [410]
    with receiver(lambda _event: status[0]) as target:
        webhook = subscribe(service, target, events=["job.completed"])
        path = f"/api/webhooks/{webhook['webhook_id']}"
        service.run()
        (dead,) = settled(service, webhook)
        assert (dead["status"], dead["attempt_count"]) == ("FAILED", 1)
        (listed,) = service.http.get("/api/webhooks").json()
        assert listed["status"] == "DISABLED"
        assert "410" in listed["disabled_reason"]
        # A disabled webhook gets neither new events nor tests.
        service.run()
        assert len(deliveries(service, webhook)) == 1
        assert_problem(service.http.post(f"{path}/test"), 409)
        redeliver = f"{path}/deliveries/{dead['delivery_id']}/redeliver"
        assert_problem(service.http.post(redeliver), 409)

        status[0] = 200
        assert service.http.patch(path, json={"status": "ACTIVE"}).json()["status"] == "ACTIVE"
        service.http.post(redeliver).raise_for_status()

        (delivery,) = settled(service, webhook)
        assert (delivery["status"], delivery["attempt_count"]) == ("DELIVERED", 2)
        assert deliveries(service, webhook, status="FAILED") == []


def test_both_secrets_sign_after_a_rotation(service: Service):
    with receiver() as target:
        webhook = subscribe(service, target)
        path = f"/api/webhooks/{webhook['webhook_id']}"
        new = service.http.post(f"{path}/rotate", json={"overlap_s": 3_600}).json()["secret"]
        assert new != webhook["secret"]

        service.http.post(f"{path}/test").raise_for_status()
        (event,) = poll(lambda: target.events)
        event.verify(webhook["secret"])
        event.verify(new)

        latest = service.http.post(f"{path}/rotate", json={"overlap_s": 0}).json()["secret"]
        service.http.post(f"{path}/test").raise_for_status()
        _, event = poll(lambda: len(target.events) == 2 and target.events)
        event.verify(latest)
        for old in (webhook["secret"], new):
            with pytest.raises(WebhookVerificationError):
                event.verify(old)


def test_a_test_event_has_a_type_of_its_own(service: Service):
    with receiver() as target:
        webhook = subscribe(service, target)
        delivery = service.http.post(f"/api/webhooks/{webhook['webhook_id']}/test").json()

        (event,) = poll(lambda: target.events)
        event.verify(webhook["secret"])
        assert (event.id, event.type) == (delivery["delivery_id"], "webhook.test")
        assert event.data == {"webhook_id": webhook["webhook_id"]}


def test_a_deleted_webhook_is_gone_with_its_deliveries(service: Service):
    with receiver() as target:
        webhook = subscribe(service, target)
        service.run()
        settled(service, webhook)
        path = f"/api/webhooks/{webhook['webhook_id']}"
        assert service.http.delete(path).json()["status"] == "DELETED"

        assert service.http.get("/api/webhooks").json() == []
        for response in (
            service.http.delete(path),
            service.http.post(f"{path}/test"),
            service.http.get(f"{path}/deliveries"),
            service.http.post(f"{path}/rotate"),
            service.http.patch(path, json={"status": "ACTIVE"}),
        ):
            assert_problem(response, 404)
        service.container.services().forget_webhooks()
        seen = len(target.events)
        service.run()
        assert len(target.events) == seen


def test_deliveries_are_listed_by_pages(service: Service):
    with receiver() as target:
        webhook = subscribe(service, target, events=["job.completed"])
        for _ in range(3):
            service.run()
        every = [one["delivery_id"] for one in settled(service, webhook)]

        path = f"/api/webhooks/{webhook['webhook_id']}/deliveries"
        first = service.http.get(path, params={"limit": 2})
        following = service.http.get(first.links["next"]["url"])

        assert [one["delivery_id"] for one in first.json()] == every[:2]
        assert [one["delivery_id"] for one in following.json()] == every[2:]
        assert "next" not in following.links
        assert_problem(service.http.get(path, params={"limit": 201}), 422)
        assert_problem(service.http.get(path, params={"status": "LOST"}), 422)


def test_unknown_ids_are_not_found(service: Service):
    for webhook_id in (UNKNOWN_ID, "malformed"):
        assert_problem(service.http.get(f"/api/webhooks/{webhook_id}/deliveries"), 404)
        path = f"/api/webhooks/{webhook_id}/deliveries/{UNKNOWN_ID}/redeliver"
        assert_problem(service.http.post(path), 404)
    assert_problem(service.http.get(f"/api/jobs/{UNKNOWN_ID}/deliveries"), 404)
    job_id = service.upload()["job_id"]
    assert service.http.get(f"/api/jobs/{job_id}/deliveries").json() == []
    assert_problem(service.http.post(f"/api/jobs/{job_id}/deliveries/{UNKNOWN_ID}/redeliver"), 404)


def test_a_receiver_that_hangs_delays_neither_jobs_nor_others(tmp_path: Path):
    hanging = threading.Event()

    def hang(_event: Event) -> int:
        hanging.wait(PATIENCE_S)
        return 200

    # For so long that no attempt ends meanwhile.
    settings = QUICK | {"webhook_timeout_s": 60}
    with serving(tmp_path, **settings) as service, receiver(hang) as dead, receiver() as good:
        subscribe(service, dead, events=["job.completed"])
        subscribe(service, good, events=["job.completed"])

        jobs = [service.run()["job_id"] for _ in range(20)]

        poll(lambda: all(good.of_job(job_id) for job_id in jobs))
        # One receiver has four threads at most, and was given no more than four events.
        assert len(dead.events) <= 4
        hanging.set()


def test_the_log_has_neither_secrets_nor_urls(service: Service, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.DEBUG), receiver(lambda _event: 410) as target:
        webhook = subscribe(service, target, url=f"{target.url}?token=hidden")
        service.run()
        settled(service, webhook)
        answer = service.upload(callback_url=f"{target.url}?token=hidden", execute=True)
        poll(lambda: target.of_job(answer["job_id"]))

    text = "\n".join(record.getMessage() for record in caplog.records if record.name != "httpx")
    ours = "\n".join(
        record.getMessage() for record in caplog.records if record.name.startswith("service_server")
    )
    assert "dead-lettered" in ours
    assert webhook["secret"][8:] not in text
    assert answer["callback_secret"][8:] not in text
    assert "hidden" not in ours


def test_webhooks_are_their_tenants_and_one_projects_alone(tmp_path: Path):
    with serving(tmp_path, auth="keys", max_webhooks=2, **QUICK) as service, receiver() as target:
        keys = Keys(service.container.unit_of_work())
        http, acme, other = service.http, bearer(keys.add("acme")), bearer(keys.add("other"))
        job = {"project": "p", "code": "1", "language": "python"}
        http.post("/api/upload", json=job, headers=acme).raise_for_status()
        (project,) = http.get("/api/projects", headers=acme).json()
        of_project = bearer(keys.add("acme", frozenset(Scope) - {Scope.ADMIN}, project=project["project_id"]))

        of_all = http.post("/api/webhooks", json={"url": target.url}, headers=acme).json()
        of_one = http.post("/api/webhooks", json={"url": target.url}, headers=of_project).json()

        assert (of_all["project"], of_one["project"]) == (None, "p")
        assert http.get("/api/webhooks", headers=other).json() == []
        assert [one["webhook_id"] for one in http.get("/api/webhooks", headers=of_project).json()] == [
            of_one["webhook_id"]
        ]
        assert_problem(http.delete(f"/api/webhooks/{of_all['webhook_id']}", headers=of_project), 404)
        assert_problem(http.post(f"/api/webhooks/{of_all['webhook_id']}/test", headers=other), 404)
        refusal = assert_problem(http.post("/api/webhooks", json={"url": target.url}, headers=acme), 409)
        assert "SERVICE_SERVER_MAX_WEBHOOKS" in refusal["detail"]

        quota = {"webhooks": 1}
        admin = bearer(keys.add("admins"))
        http.put("/api/tenants/other/quota", json=quota, headers=admin).raise_for_status()
        body = {"url": target.url}

        def is_refused() -> dict | None:
            response = http.post("/api/webhooks", json=body, headers=other)
            return response.json() if response.status_code == 429 else None

        refusal = poll(is_refused)
        assert (refusal["quota"], refusal["allowed"]) == ("webhooks", 1)
        used = http.get("/api/usage/quota", headers=other).json()["quota"]["webhooks"]
        assert used["allowed"] == 1
        assert used["used"] >= 1

        # Each change is in the audit log.
        acts = {"webhook.create", "webhook.rotate", "webhook.disable", "webhook.delete"}
        path = f"/api/webhooks/{of_all['webhook_id']}"
        http.post(f"{path}/rotate", headers=acme).raise_for_status()
        http.patch(path, json={"status": "DISABLED"}, headers=acme).raise_for_status()
        http.delete(path, headers=acme).raise_for_status()

        def recorded() -> bool:
            entries = http.get("/api/audit", headers=acme).json()
            return acts <= {entry["act"] for entry in entries if entry["subject"] == of_all["webhook_id"]}

        poll(recorded)


def test_the_events_of_a_purged_project_are_posted_no_more(tmp_path: Path):
    with serving(tmp_path, **QUICK) as service, receiver(lambda _event: 503) as target:
        job = service.run(project="short-lived")
        webhook = subscribe(service, target, project="short-lived")
        service.run(project="short-lived")
        poll(lambda: target.events)
        purge = service.http.delete("/api/projects/short-lived", params={"purge": True})
        purge.raise_for_status()

        def is_gone() -> bool:
            service.container.services().remove_deleted()
            return not service.http.get("/api/webhooks").json()

        poll(is_gone)
        assert_problem(service.http.get(f"/api/webhooks/{webhook['webhook_id']}/deliveries"), 404)
        assert_problem(service.http.get(f"/api/jobs/{job['job_id']}/deliveries"), 404)


def a_batch(service: Service, jobs: int = 3, **changed: object) -> dict:
    job = {"project": "demo", "code": "1", "language": "python"}
    response = service.http.post("/api/batches", json={"jobs": [job] * jobs, **changed})
    assert response.status_code == 200, response.text
    return response.json()


def of_batch(target: Receiver, batch: dict) -> list[Event]:
    with target.lock:
        return [event for event in target.events if event.data.get("batch_id") == batch["batch_id"]]


def test_the_end_of_a_batch_is_told_to_subscriptions_and_to_its_callback(service: Service):
    with receiver() as subscriber, receiver() as called_back:
        webhook = subscribe(service, subscriber, events=["job.started", "job.completed", "batch.completed"])
        batch = a_batch(service, callback_url=called_back.url)

        (event,) = poll(lambda: of_batch(subscriber, batch))
        (callback,) = poll(lambda: of_batch(called_back, batch))

        event.verify(webhook["secret"])
        callback.verify(batch["callback_secret"])
        shown = service.http.get(f"/api/batches/{batch['batch_id']}").json()
        assert "callback_secret" not in shown
        assert event.type == callback.type == "batch.completed"
        assert event.data == callback.data == shown
        assert shown["completed_at"] == event.content["timestamp"]
        for job_id in batch["jobs"]:
            events = poll(lambda job_id=job_id: len(e := subscriber.of_job(job_id)) == 2 and e)
            assert [event.type for event in events] == ["job.started", "job.completed"]
        assert called_back.events == [callback]


def test_the_callback_of_a_batch_is_signed_with_the_secret_that_its_caller_brings(service: Service):
    secret = WebhookSecret.generate().value
    with receiver() as target:
        batch = a_batch(service, callback_url=target.url, callback_secret=secret)

        (event,) = poll(lambda: of_batch(target, batch))
        event.verify(secret)
        assert "callback_secret" not in batch


@pytest.mark.parametrize(
    "wrong",
    [
        {"callback_url": "ftp://example.com"},
        {"callback_url": "https://example.com", "callback_secret": "whsec_"},
        {"callback_secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
    ],
)
def test_another_callback_of_a_batch_is_refused(service: Service, wrong):
    job = {"project": "demo", "code": "1", "language": "python"}

    problem = assert_problem(service.http.post("/api/batches", json={"jobs": [job], **wrong}), 422)

    assert problem["errors"][0]["pointer"].startswith("/callback_")


def test_a_repeated_batch_is_not_shown_the_secret(service: Service):
    job = {"project": "demo", "code": "1", "language": "python", "execute": False}
    body = {"jobs": [job], "callback_url": "https://example.com/hook"}
    headers = {"Idempotency-Key": "a batch with a callback"}
    first = service.http.post("/api/batches", json=body, headers=headers).json()
    again = service.http.post("/api/batches", json=body, headers=headers)

    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.json() == {name: first[name] for name in first if name != "callback_secret"}
    assert first["callback_secret"].startswith("whsec_")


_SHOWN_SECRET = re.compile(r'<code id="key-text">(whsec_[^<]+)</code>')


def test_a_project_s_webhooks_are_made_tested_and_followed_on_pages(service: Service):
    visitor = Visitor(service.http)
    service.run(project="on pages")
    here = "/dashboard/projects/on%20pages/webhooks"
    statuses = [500]
    with receiver(lambda _event: statuses[0]) as target:
        assert "No webhooks yet" in service.http.get(here).text
        assert here in service.http.get("/dashboard/projects/on%20pages").text
        form = {"csrf": visitor.token(here), "url": target.url, "event:job.completed": "1"}
        made = service.http.post(here, data=form, headers=PAGE)
        secret = _SHOWN_SECRET.search(made.text)[1]
        (webhook,) = service.http.get("/api/webhooks").json()
        assert (webhook["project"], webhook["events"]) == ("on pages", ["job.completed"])
        assert secret not in service.http.get(here).text
        one = f"{here}/{webhook['webhook_id']}"

        assert visitor.post(f"{one}/test", here).status_code == 303
        (event,) = poll(lambda: target.events[:1])
        event.verify(secret)
        poll(lambda: "The receiver answered 500." in service.http.get(one).text)
        # An answer is shown as text, never as markup.
        assert "&lt;script&gt;" in service.http.get(one).text
        assert "<script>the" not in service.http.get(one).text
        statuses[0] = 204
        poll(lambda: "Delivered" in service.http.get(f"{one}/list").text)

        assert visitor.post(f"{one}/deliveries/{event.id}/redeliver", one).status_code == 303
        rotated = visitor.post(f"{one}/rotate", here)
        assert _SHOWN_SECRET.search(rotated.text)[1] != secret
        visitor.post(f"{one}/change", here, change="disable")
        assert "Disabled" in service.http.get(here).text
        visitor.post(f"{one}/change", here, change="enable")
        assert visitor.post(f"{one}/change", here, change="explode").status_code == 404
        visitor.post(f"{one}/change", here, change="delete")
        assert "No webhooks yet" in service.http.get(here).text
        assert service.http.get(one).status_code == 404
