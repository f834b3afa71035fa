"""The contract of every place that keeps results until their logs are stored."""

import io
import json
import signal
import subprocess
import sys
import textwrap
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from adapters.filesystem import result_spool
from adapters.filesystem.result_spool import FilesystemResultSpool
from application.errors import StorageUnavailable
from application.ports.result_spool import KeptResult
from domain.catalogue.text import text
from domain.execution import ExecutionResult, LimitHit, Output, ResourceUsage
from domain.job_lifecycle import JobStatus, Reason
from domain.values import ExecutionId, JobId, ObjectKey
from tests.support.memory.result_spool import MemoryResultSpool

MAX_BYTES = 64 << 10
RESULT = ExecutionResult(
    status=JobStatus.FAILED,
    reason=Reason.MEMORY_LIMIT,
    stdout=Output("\0 \u0000 \U0001f600\n", 1 << 40, truncated=True),
    stderr=Output("boom", 4),
    exit_code=137,
    signal=9,
    resource=ResourceUsage(execution_time_ms=12, cpu_percent=99.5, memory_mb=31.25),
    limit=LimitHit("memory_mb", 17, 16),
    error=text(
        "outcomes.both",
        first=text("outcomes.memory", allowed=16),
        second=text("outcomes.runner_said", line="no\n"),
    ),
    log_key=ObjectKey("logs/a.json"),
)


@pytest.fixture(params=["memory", "filesystem"])
def spool(request, tmp_path):
    if request.param == "memory":
        return MemoryResultSpool(MAX_BYTES)
    return FilesystemResultSpool(tmp_path / "kept", MAX_BYTES)


def new_kept(after_s=0):
    return KeptResult(
        execution_id=ExecutionId(uuid4()),
        job_id=JobId(uuid4()),
        result=RESULT,
        ended_at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=after_s),
    )


def test_a_result_comes_back_as_it_was_with_its_log_and_is_gone_when_it_is_removed(spool):
    kept = new_kept()
    log = io.BytesIO(b"before{}\n\0\xff" * 1_000)
    log.seek(6)

    spool.keep(kept, log)

    [name] = spool.names()
    with spool.opened(name) as opened:
        found, content = opened
        assert found == kept
        assert content.read() == log.getvalue()[6:]
    spool.remove(name)
    assert spool.names() == []
    with spool.opened(name) as opened:
        assert opened is None


def test_the_oldest_comes_first(spool):
    results = [new_kept(after_s) for after_s in range(3)]
    for kept in results:
        spool.keep(kept, io.BytesIO(b"{}"))

    assert list(spool.executions()) == [kept.execution_id for kept in results]
    assert [str(kept.execution_id) in name for kept, name in zip(results, spool.names(), strict=True)] == [
        True
    ] * 3


def test_no_more_is_kept_than_may_be(spool):
    assert not spool.is_full()
    spool.keep(new_kept(), io.BytesIO(bytes(MAX_BYTES - 2_000)))

    with pytest.raises(StorageUnavailable):
        spool.keep(new_kept(), io.BytesIO(bytes(4_000)))

    assert len(spool.names()) == 1


def test_a_full_directory_is_told_before_more_is_begun_and_one_that_is_emptied_too(tmp_path, monkeypatch):
    monkeypatch.setattr(result_spool, "_LOOK_GOOD_S", 0)
    FilesystemResultSpool(tmp_path, MAX_BYTES).keep(new_kept(), io.BytesIO(b"{}"))
    spool = FilesystemResultSpool(tmp_path, 1)

    assert spool.is_full()
    spool.remove(spool.names()[0])
    assert not spool.is_full()


def test_of_two_processes_one_gets_a_result_until_it_ends_or_is_killed(tmp_path):
    spool = FilesystemResultSpool(tmp_path, MAX_BYTES)
    spool.keep(new_kept(), io.BytesIO(b"{}"))
    [name] = spool.names()
    other = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(_OTHER), str(tmp_path), name],
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
    )
    with other:
        assert other.stdout.readline() == b"has it\n"
        with spool.opened(name) as opened:
            assert opened is None
        other.send_signal(signal.SIGKILL)
        other.wait()
        with spool.opened(name) as opened:
            assert opened is not None


_OTHER = """
    import sys
    from pathlib import Path
    from adapters.filesystem.result_spool import FilesystemResultSpool

    with FilesystemResultSpool(Path(sys.argv[1]), 1 << 20).opened(sys.argv[2]) as opened:
        assert opened is not None
        print("has it", flush=True)
        sys.stdin.read()
"""


def test_a_file_that_cannot_be_read_is_set_aside_and_one_with_unknown_fields_is_read(tmp_path):
    spool = FilesystemResultSpool(tmp_path, MAX_BYTES)
    for after_s in range(2):
        spool.keep(new_kept(after_s), io.BytesIO(b"{}"))
    broken, newer = spool.names()
    (tmp_path / broken).write_bytes(b"{\n")
    head, log = (tmp_path / newer).read_bytes().split(b"\n", 1)
    (tmp_path / newer).write_bytes(json.dumps({**json.loads(head), "new": 1}).encode() + b"\n" + log)

    with spool.opened(broken) as opened:
        assert opened is None
    with spool.opened(newer) as opened:
        assert opened is not None

    assert spool.names() == [newer]
    assert (tmp_path / f"{broken}.unreadable").exists()
