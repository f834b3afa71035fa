from dataclasses import replace
from datetime import timedelta

import pytest

from application.lists import JobFilter
from domain.blob import BlobRef
from domain.catalogue.text import text
from domain.execution import ExecutionResult, LimitHit, Note, Output, ResourceUsage
from domain.files import JobFile
from domain.job_lifecycle import JobStatus, Reason
from domain.values import ObjectKey
from tests.support.callers import ANONYMOUS
from tests.support.repository_steps import (
    end_execution,
    get,
)
from tests.support.samples import (
    LATER,
    a_claimed_job,
    new_execution_id,
)

SUCCESS = ExecutionResult(status=JobStatus.SUCCESS, stdout=Output.of("42\n"), exit_code=0)
FULL = ExecutionResult(
    status=JobStatus.TIMEOUT,
    reason=Reason.CPU_TIME_LIMIT,
    stdout=Output("日本語 \U0001f600 \0 \x1b[31m <script> '\"\\ %s", 5 << 30, truncated=True),
    stderr=Output("\ufffd\r\n", 3, truncated=False),
    exit_code=137,
    signal=9,
    resource=ResourceUsage(execution_time_ms=1, cpu_time_ms=2, cpu_percent=99.25, memory_mb=0.1),
    limit=LimitHit("cpu_time_ms", 1_001, 1_000),
    error="It used up its time: \U0001f600.",
    log_key=ObjectKey("logs/日本語.json"),
    compile_output=Output("main.c:1: warning: \0 日本", 70_000, truncated=True),
    notes=(Note.USAGE_UNKNOWN, Note.NO_NETWORK),
    artifacts=(JobFile("out/한국 😀.png", BlobRef.of(b"x")), JobFile("a", BlobRef.of(b""))),
)


TOLD = ExecutionResult.failed(
    Reason.INTERNAL,
    text(
        "outcomes.both",
        first=text("outcomes.not_started_because", cause="日本 \0"),
        second=text("outcomes.exit_code", code=3),
    ),
)


@pytest.mark.parametrize("result", [SUCCESS, FULL, TOLD], ids=["plain", "full", "told"])
def test_a_result_is_kept_as_it_was(store, result):
    _job, execution = a_claimed_job(store)

    end_execution(store, execution, result)

    assert get(store, execution.id) == replace(execution, ended_at=LATER, result=result)


def test_an_output_of_64_kib_of_four_byte_characters_is_kept(store):
    _job, execution = a_claimed_job(store)
    text = "\U0001f600\0" * (1 << 14)
    result = replace(FULL, stdout=Output.of(text), stderr=Output.of(text))

    end_execution(store, execution, result)

    assert get(store, execution.id).result == result


def test_output_that_grows_in_json_is_read_whole(store):
    job, execution = a_claimed_job(store)
    written = Output.of("\1" * (2 << 20))  # as JSON, both are more than a packet of the database's

    end_execution(store, execution, replace(SUCCESS, stdout=written, stderr=written))

    ended = get(store, execution.id)
    assert ended.result.stdout == ended.result.stderr == written
    assert store.queries.details(ANONYMOUS, job.id).executions == (ended,)
    [shown] = store.queries.page(ANONYMOUS, JobFilter(limit=10)).jobs
    assert shown.execution.result == ended.result


def test_a_page_is_whole_however_much_its_jobs_show_together(store):
    shown = {}
    for number in range(20):
        job, execution = a_claimed_job(store)
        result = replace(SUCCESS, stdout=Output.of(str(number) * (1 << 19)))
        end_execution(store, execution, result)
        shown[job.id] = result

    page = store.queries.page(ANONYMOUS, JobFilter(limit=100)).jobs

    assert {view.job_id: view.execution.result for view in page} == shown


def test_the_first_end_and_the_first_result_stay(store):
    _job, execution = a_claimed_job(store)
    even_later = LATER + timedelta(seconds=1)

    end_execution(store, execution, None, LATER)
    assert get(store, execution.id) == replace(execution, ended_at=LATER)
    end_execution(store, execution, None, even_later)
    end_execution(store, execution, SUCCESS, even_later)
    end_execution(store, execution, FULL, even_later)

    assert get(store, execution.id) == replace(execution, ended_at=LATER, result=SUCCESS)
    end_execution(store, replace(execution, id=new_execution_id()), SUCCESS)  # no error
