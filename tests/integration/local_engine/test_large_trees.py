"""Programs with so many files that to unpack them takes long: nothing else waits for that."""

import os
import signal
import time
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from adapters.local_engine.built_program import LocalProgram
from adapters.local_engine.sandbox import bubblewrap
from adapters.local_engine.sandbox.files import sealed_file
from adapters.local_engine.sandbox.supervisor.packed_files import PackedFile, are_few, pack, unpack
from adapters.local_engine.sandbox.supervisor.processes import session_of
from adapters.local_engine.sandbox.supervisor.usage_sampler import tree
from adapters.local_engine.sandbox.unified_cgroups import CgroupsUnavailable
from application.ports.execution_engine import CaseInput
from domain.job_lifecycle import JobStatus, Reason
from tests.contract.engine_kit.harness import Program, Recorder
from tests.support.processes import eventually
from tests.support.sandbox import CGROUPS_REQUIRED, require_sight_of, running_engine

_MANY = 10_000
_FILES = {f"files/{number}": b"content" for number in range(_MANY)}
_LARGE = Program(
    code="import os; print(len(os.listdir('files')))",
    entry="main.py",
    files=_FILES,
    limits={"files": 2 * _MANY, "timeout_ms": 60_000},
)
_ATTEMPTS = 10


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    with running_engine(tmp_path_factory.mktemp("large")) as kit:
        kit.run(Program(code="print('the root file system is made')"))
        yield kit


def _processor_ms(pid):
    """Return the processor time of a process alone (Documentation/scheduler/sched-stats.rst)."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1_000_000


def _name(pid):
    try:
        return Path(f"/proc/{pid}/comm").read_text()
    except OSError:
        return ""


def _unpacking(supervisor, running):
    """Stop the process that unpacks the files of a program; None if that has unpacked them already."""
    children = Path(f"/proc/{supervisor}/task/{supervisor}/children")
    while not running.recorder.has_started.is_set():
        for pid in map(int, children.read_text().split()):
            if _name(pid) != _name(supervisor) or session_of(pid) != pid:  # its first steps are over then
                continue
            os.kill(pid, signal.SIGSTOP)
            state = Path(f"/proc/{pid}/stat")
            assert eventually(lambda state=state: state.read_text().rpartition(")")[2].split()[0] == "T")
            if _name(pid) == _name(supervisor):
                return pid
            os.kill(pid, signal.SIGCONT)  # it has become the program's sandbox meanwhile
        time.sleep(0.001)
    return None


@contextmanager
def _held(kit):
    """Give a program, and the process that unpacks its files, which is stopped."""
    supervisor = kit.engine.sandbox.supervisor.pid
    require_sight_of(supervisor)
    for _ in range(_ATTEMPTS):
        running = kit.start(_LARGE)
        pid = _unpacking(supervisor, running)
        if pid is not None:
            break
        running.end.result(90)
    else:
        pytest.fail("the files were unpacked each time before that could be seen")
    try:
        yield running, pid
    finally:
        kit.engine.cancel(running.request.execution_id, running.request.job_id)
        running.end.result(90)


def _unpacking_s(built):
    """Return the processor time that the files of a program take."""
    with sealed_file("files", built.tree) as packed, TemporaryDirectory() as directory:
        begun = time.process_time()
        unpack(packed, directory)
        return time.process_time() - begun


def test_they_take_no_time_of_the_supervisor(kit, tmp_path):
    supervisor = kit.engine.sandbox.supervisor.pid
    begun = time.process_time()
    with sealed_file("files", pack(PackedFile(*row) for row in _FILES.items())) as packed:
        assert not are_few(packed)
        unpack(packed, str(tmp_path))
    unpacking_ms = 1000 * (time.process_time() - begun)
    before_ms = _processor_ms(supervisor)

    ended = kit.run(_LARGE)

    assert ended.stdout == f"{_MANY}\n".encode(), ended.result
    assert _processor_ms(supervisor) - before_ms < unpacking_ms / 4
    assert ended.result.resource.cpu_time_ms < unpacking_ms / 2  # nor are they the program's own time


def test_their_time_is_not_the_programs_where_processes_are_measured(tmp_path, monkeypatch):
    def none(**_):
        raise CgroupsUnavailable("of this test")

    monkeypatch.setattr(bubblewrap, "discover", none)
    monkeypatch.delenv(CGROUPS_REQUIRED, raising=False)
    with running_engine(tmp_path) as kit:
        with sealed_file("files", pack(PackedFile(*row) for row in _FILES.items())) as packed:
            begun = time.process_time()
            (tmp_path / "same").mkdir()
            unpack(packed, str(tmp_path / "same"))
            unpacking_ms = 1000 * (time.process_time() - begun)

        result = kit.run(_LARGE).result

    assert result.resource.cpu_time_ms < unpacking_ms / 2


def test_cases_of_a_program_with_many_files_have_them_and_none_of_that_time(kit):
    built = kit.engine.build(kit.request(_LARGE), Recorder())
    assert isinstance(built, LocalProgram), built.result
    supervisor = kit.engine.sandbox.supervisor.pid
    with closing(built):
        given = CaseInput(stdin=b"", args=None, limits=built.limits)
        before_ms = _processor_ms(supervisor)
        with built.run(given) as report:
            assert report.result.stdout.text == f"{_MANY}\n", report.result
        spent_ms = _processor_ms(supervisor) - before_ms
        assert spent_ms < 1_000 * _unpacking_s(built) / 4

        with built.run(replace(given, limits=replace(built.limits, files=16))) as report:
            assert report.result.reason is Reason.ENGINE_ERROR
            assert "No space left on device" in report.result.error_message


def test_another_program_runs_while_they_are_unpacked(kit):
    with _held(kit) as (running, pid):
        assert kit.run(Program(code="print('beside')")).stdout == b"beside\n"
        assert not running.recorder.has_started.is_set()
        os.kill(pid, signal.SIGCONT)
        assert running.end.result(90).stdout == f"{_MANY}\n".encode()


def test_a_program_is_cancelled_while_they_are_unpacked(kit):
    with _held(kit) as (running, _):
        kit.engine.cancel(running.request.execution_id, running.request.job_id)

        assert running.end.result(90).result.status is JobStatus.CANCELLED
    supervisor = kit.engine.sandbox.supervisor.pid
    assert eventually(lambda: list(tree(supervisor)) == [supervisor])
    assert kit.run(Program(code="print('next')")).stdout == b"next\n"


def test_the_process_that_unpacks_them_ends_with_the_supervisor(tmp_path):
    with running_engine(tmp_path) as kit, _held(kit) as (running, pid):
        os.kill(kit.engine.sandbox.supervisor.pid, signal.SIGKILL)

        assert running.end.result(90).result.reason is Reason.ENGINE_ERROR
        assert eventually(lambda: not _name(pid))


@pytest.mark.parametrize("count", [20, 2_000])
def test_files_without_room_are_an_error_that_has_the_cause(kit, count):
    files = {f"files/{number}": b"content" for number in range(count)}

    result = kit.run(Program(code="", entry="main.py", files=files, limits={"files": 16})).result

    assert result.reason is Reason.ENGINE_ERROR
    assert result.error_message == "The program could not be started: No space left on device."
