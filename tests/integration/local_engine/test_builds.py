"""Builds that run the caller's code, as some compilers can be made to, beside the start of their program."""

from contextlib import ExitStack
from dataclasses import replace

import pytest

from adapters.local_engine.sandbox.outcome import Outcome
from adapters.local_engine.sandbox.program import NOTHING
from adapters.local_engine.sandbox.run_monitor import RunMonitor
from domain.job_lifecycle import JobStatus, Reason
from tests.contract.engine_kit.harness import SLOWNESS
from tests.support.sandbox import running_engine

_LIMITS = replace(NOTHING.limits, timeout_ms=1_000)


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory):
    with running_engine(tmp_path_factory.mktemp("builds")) as kit:
        yield kit.engine.sandbox


@pytest.fixture
def run(sandbox):
    """Run a program whose build is a script of a shell."""
    with ExitStack() as held:

        def run(build: str, program: str) -> Outcome:
            shells = {"build": ("/bin/sh", "-c", build), "run": ("/bin/sh", "-c", program)}
            outcome = sandbox.run(
                replace(NOTHING, limits=_LIMITS, **shells), RunMonitor(), lambda: None, lambda _: None
            )
            for stream in (outcome.stdout, outcome.stderr):
                held.callback(stream.close)
            return outcome

        yield run


def test_a_build_reaches_neither_the_status_nor_the_start_of_its_program(run):
    build = (
        "for number in 3 7; do { echo >/proc/1/fd/$number; } 2>/dev/null && echo opened $number; done; true"
    )

    result = run(build, "echo ran").result

    assert result.compile_output.text == ""
    assert (result.status, result.stdout.text) == (JobStatus.SUCCESS, "ran\n")


def test_processes_that_a_build_leaves_end_before_its_program_begins(run):
    build = "sleep 60 >/dev/null 2>&1 & setsid sleep 60 >/dev/null 2>&1 & sleep 0.2"
    program = "for process in /proc/[0-9]*; do cat $process/comm; done"

    result = run(build, program).result

    assert "sleep" not in result.stdout.text.split()


def test_a_program_ends_at_its_limit_whatever_its_build_has_left(run):
    build = "trap '' TERM HUP; sleep 60 >/dev/null 2>&1 & true"

    result = run(build, "sleep 60").result

    assert result.reason is Reason.WALL_TIME_LIMIT
    # What ends a program by its sandbox comes half a second later.
    assert result.resource.execution_time_ms < _LIMITS.timeout_ms + 400 * SLOWNESS
