"""Usage that no control group counts: the first process of a sandbox waits for every other one."""

import pytest

from domain.job_lifecycle import Reason
from tests.contract.engine_kit.harness import SLOWNESS, Program
from tests.support.sandbox import isolated_engine

_CHILDREN, _CHILD_MS = 8, 50
_BURN = f"""
import os, sys, time
reader, writer = os.pipe()
for _ in range({_CHILDREN}):
    if os.fork() == 0:
        while time.process_time() < {_CHILD_MS / 1000}:
            pass
        os.write(writer, b"x")
        if sys.argv[1] == "stay":
            time.sleep(600)
        os._exit(0)
for _ in range({_CHILDREN}):
    os.read(reader, 1)
print("burnt", flush=True)
if sys.argv[1] == "stay":
    time.sleep(600)
"""


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    with isolated_engine(tmp_path_factory.mktemp("engine")) as kit:
        kit.engine.sandbox.isolation.drop_control_groups("this test takes none")
        yield kit


def test_children_that_a_program_does_not_wait_for_count(kit):
    ended = kit.run(Program(code=_BURN, args=("end",)))

    assert ended.stdout == b"burnt\n", ended
    assert ended.result.resource.cpu_time_ms >= _CHILDREN * _CHILD_MS


def test_children_of_a_program_that_is_ended_count(kit):
    running = kit.start(Program(code=_BURN, args=("stay",)))
    assert running.recorder.has_output.wait(60 * SLOWNESS)
    kit.engine.cancel(running.request.execution_id, running.request.job_id)
    result = running.end.result(20).result

    assert result.reason is Reason.CANCELLED
    assert result.resource.cpu_time_ms >= _CHILDREN * _CHILD_MS
    assert result.resource.memory_mb > 1


def test_a_program_that_is_ended_takes_its_whole_process_table_with_it(kit):
    forks = "import os, time\nos.write(1, b'x')\nwhile True:\n  try: os.fork()\n  except OSError: pass"

    result = kit.run(Program(code=forks, limits={"timeout_ms": 500, "processes": 200})).result

    assert result.reason in {Reason.WALL_TIME_LIMIT, Reason.MEMORY_LIMIT}, result
    assert kit.run(Program(code="print('fine')")).stdout == b"fine\n"
