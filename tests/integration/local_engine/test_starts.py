"""Not one instruction of a program runs before its observer has taken notice of the start."""

import time
from contextlib import ExitStack

import pytest

from application.errors import DependencyUnavailable
from domain.job_lifecycle import JobStatus, Reason
from tests.contract.engine_kit.harness import SLOWNESS, Program, Recorder
from tests.support.sandbox import running_engine

# Longer than any of the programs takes to write its first word once it is let go.
_HEAD_START_S = 0.3 * SLOWNESS

_JAVA = 'public class Main { public static void main(String[] a) { System.out.println("ran"); } }'
_PROGRAMS = {
    "cold": Program(code="print('ran')"),
    "warm": Program(code="print('ran')"),
    "built": Program(code='#include <stdio.h>\nint main(void) { puts("ran"); }', language="c"),
    "built by a compiler that waits": Program(code=_JAVA, language="java"),
    "not isolated": Program(code="print('ran')"),
}


class _Slow(Recorder):
    """Takes its time at the start, and does something then."""

    def __init__(self, then, recorded_within_s=_HEAD_START_S):
        super().__init__()
        self._then = then
        self._recorded_within_s = recorded_within_s

    def started(self):
        time.sleep(self._recorded_within_s)
        super().started()
        self._then()


@pytest.fixture(scope="module")
def engines(tmp_path_factory):
    with ExitStack() as stack:

        def run(name, **settings):
            return stack.enter_context(running_engine(directory / name, **settings))

        directory = tmp_path_factory.mktemp("engines")
        cold, warm = run("cold"), run("warm", warm_starts=1)
        plain = run("plain", isolated=False)
        java = _PROGRAMS["built by a compiler that waits"]
        warm.run(java)
        assert warm.engine.sandbox.compilers["java"].wait_until_full(90)
        yield {
            "cold": cold,
            "warm": warm,
            "built": cold,
            "built by a compiler that waits": warm,
            "not isolated": plain,
        }


def _ready(engines, kind):
    kit = engines[kind]
    assert kit.engine.wait_until_warm(30)
    return kit


@pytest.mark.parametrize("kind", _PROGRAMS)
def test_a_program_that_is_cancelled_while_its_start_is_recorded_never_runs(engines, kind):
    kit = _ready(engines, kind)
    request = kit.request(_PROGRAMS[kind])
    observer = _Slow(lambda: kit.engine.cancel(request.execution_id, request.job_id))

    ended = kit.execute(request, observer)

    assert ended.result.status is JobStatus.CANCELLED
    assert (ended.stdout, ended.stderr, observer.chunks, observer.starts) == (b"", b"", [], 1)


@pytest.mark.parametrize("kind", _PROGRAMS)
def test_a_program_runs_once_its_start_is_recorded_however_long_that_takes(engines, kind):
    kit = _ready(engines, kind)

    ended = kit.run(_PROGRAMS[kind], observer := _Slow(lambda: None))

    assert (ended.result.status, ended.stdout, observer.starts) == (JobStatus.SUCCESS, b"ran\n", 1)
    assert observer.builds == kind.startswith("built")


def test_the_time_that_recording_a_start_takes_is_not_the_programs(engines):
    limit_s = 2  # enough for a program that prints, on a busy machine too
    program = Program(code="print('ran')", limits={"timeout_ms": 1000 * limit_s})

    result = engines["cold"].run(program, _Slow(lambda: None, recorded_within_s=limit_s)).result

    assert result.status is JobStatus.SUCCESS
    assert result.resource.execution_time_ms < 1000 * limit_s


def test_a_program_whose_start_cannot_be_recorded_has_no_effect_and_may_be_tried_again(engines, tmp_path):
    mark = tmp_path / "mark"
    program = Program(code=f"open({str(mark)!r}, 'w')")

    def fail():
        raise DependencyUnavailable("database", "it is locked")

    kit = engines["not isolated"]
    with kit.engine.execute(kit.request(program), _Slow(fail)) as report:
        assert (report.result.reason, report.is_lost) == (Reason.INTERNAL, True)

    assert not mark.exists()
    assert kit.run(program).result.status is JobStatus.SUCCESS
    assert mark.exists()
