"""The processors of a program beside one with many processes, and the precedence of the supervisor."""

import os
from pathlib import Path

import psutil
import pytest

from domain.job_lifecycle import Reason
from tests.contract.engine_kit.harness import Program
from tests.support.sandbox import isolated_engine

_SPINS = (Path(__file__).parents[2] / "attack" / "programs" / "spin.py").read_text()
_LONG = {"timeout_ms": 60_000, "cpu_time_ms": 240_000}


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    with isolated_engine(tmp_path_factory.mktemp("engine")) as kit:
        yield kit


def _shares_processors(kit):
    groups = kit.engine.sandbox.isolation.cgroups
    return groups is not None and groups.shares is not None


def test_a_program_has_its_share_of_the_processors_beside_one_with_sixty_processes(kit):
    if not _shares_processors(kit):
        pytest.skip("this machine shares processors out by process: no control group of the controller cpu")
    others = kit.start(Program(code=_SPINS, args=("sessions",), limits=_LONG))
    assert others.recorder.has_output.wait(90)

    alone = kit.run(Program(code="while True: pass", limits=_LONG | {"timeout_ms": 1_000})).result
    kit.engine.cancel(others.request.execution_id, others.request.job_id)
    together = others.end.result(30).result

    # By processes it would have a 60th part of the others' share. One thread has one processor at most,
    # and the others ran before and after it too, on a machine that may have been less busy then.
    least = together.resource.cpu_percent / (6 * os.cpu_count())
    assert alone.resource.cpu_percent > least, (alone.resource, together.resource)
    assert alone.reason is Reason.WALL_TIME_LIMIT


def test_programs_come_after_the_supervisor(kit):
    own = psutil.Process(kit.engine.sandbox.supervisor.pid).nice()

    of_program = int(kit.run(Program(code="import os; print(os.nice(0))")).stdout)

    assert own == (-10 if os.geteuid() == 0 else 0)
    assert of_program == (0 if _shares_processors(kit) else 5)
