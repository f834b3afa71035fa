"""An engine of any make reports on the completions queue, in the form that docs/production.md gives."""

import json
import re
from pathlib import Path
from uuid import uuid4

import pytest

from adapters.dramatiq_queue.dead_letters import RedisDeadLetterStore
from adapters.dramatiq_queue.worker import CompletionWorker
from application.errors import DependencyUnavailable
from domain.job_lifecycle import JobStatus, Reason
from entrypoints.worker.handlers import completion_handler
from tests.support.callers import ANONYMOUS
from tests.support.in_memory_service import InMemoryService
from tests.support.processes import eventually
from tests.support.scripted_engine import take_over

DOCUMENT = Path(__file__).parents[3] / "docs" / "production.md"
QUEUE_KEY = "service_server:service_server.completions"


@pytest.fixture
def service():
    return InMemoryService()


@pytest.fixture(autouse=True)
def worker(service, broker):
    """A worker on Redis with the tasks of every worker."""
    worker = CompletionWorker(broker, completion_handler(service.report_completion), threads=2)
    worker.start()
    yield worker
    worker.stop(timeout_s=10)


@pytest.fixture
def delegated(service):
    """A job that an engine has taken over."""
    service.engine.program = take_over
    job = service.start()
    service.run_execution()
    return service.job(job.job_id)


def documented(job, report_id=None, **report):
    """Return a message as the document shows it, for a job."""
    (shown,) = re.findall(r"```json\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    message = json.loads(shown)
    message["kwargs"]["id"] = str(report_id or uuid4())
    message["kwargs"]["body"]["execution_id"] = str(job.execution.id)
    message["kwargs"]["body"]["report"] |= {"job_id": str(job.job_id), **report}
    return message


def send(server, message):
    """Enqueue a message as documented, without Dramatiq."""
    sent = message | {"options": {"redis_message_id": (redis_id := str(uuid4()))}}
    with server.client() as redis:
        redis.hset(f"{QUEUE_KEY}.msgs", redis_id, json.dumps(sent))
        redis.rpush(QUEUE_KEY, redis_id)


def has_ended(service, job):
    return eventually(lambda: service.job(job.job_id).status.is_terminal)


def is_drained(server):
    with server.client() as redis:
        return eventually(lambda: redis.hlen(f"{QUEUE_KEY}.msgs") == 0)


def test_a_report_ends_its_job_and_leaves_a_log(server, service, delegated):
    send(server, documented(delegated, stdout="42\n", exit_code=0))

    assert has_ended(service, delegated)
    result = service.job(delegated.job_id).execution.result
    assert (result.status, result.stdout.text) == (JobStatus.SUCCESS, "42\n")
    assert json.loads(service.read_log(ANONYMOUS, result.log_key.value))["stdout"] == "42\n"


def test_a_report_that_is_delivered_twice_or_late_changes_nothing(server, service, delegated):
    report_id = uuid4()
    send(server, documented(delegated, report_id, stdout="first", exit_code=0))
    assert has_ended(service, delegated)

    send(server, documented(delegated, report_id, stdout="second", exit_code=1))
    send(server, documented(delegated, stdout="third", exit_code=1))

    assert is_drained(server)
    assert service.job(delegated.job_id).execution.result.stdout.text == "first"
    assert service.announced().count("JobCompleted") == 1


def test_a_report_outlives_an_outage_of_the_database(server, service, delegated, broker):
    # Given a database that is away
    read = service.unit_of_work.read

    def away(_work):
        service.unit_of_work.read = read
        raise DependencyUnavailable("database", "it is away")

    service.unit_of_work.read = away
    # When a report comes
    send(server, documented(delegated, stdout="", exit_code=3))
    # Then it counts once the database is back
    assert has_ended(service, delegated)
    assert service.job(delegated.job_id).reason is Reason.NONZERO_EXIT
    assert RedisDeadLetterStore(broker).latest(10) == []


@pytest.mark.parametrize(
    "change",
    [
        {"report": {"stdout": ""}},
        {"report": {"stdout": "", "job_id": str(uuid4())}},
        {"report": None},
        {"execution_id": str(uuid4())},
        {"execution_id": "none"},
    ],
    ids=["says not whose it is", "of another job", "none", "of no execution", "of no id"],
)
def test_what_is_no_report_of_the_execution_is_set_aside(server, service, delegated, broker, change):
    message = documented(delegated, stdout="", exit_code=0)
    message["kwargs"]["body"] |= change
    send(server, message)

    assert eventually(lambda: RedisDeadLetterStore(broker).latest(10))
    assert service.job(delegated.job_id).status is JobStatus.RUNNING
