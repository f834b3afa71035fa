"""The supervisor process: its children, its knowledge, and the death of it or its engine."""

import os
import signal
import subprocess
import sys
from concurrent.futures import wait
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from adapters.local_engine.sandbox.program import NOTHING
from adapters.local_engine.sandbox.run_monitor import RunMonitor
from application.errors import DependencyUnavailable, StorageUnavailable
from application.ports.execution_engine import ExecutionObserver
from application.retry_policy import RetryPolicy
from domain.job_lifecycle import JobStatus, Reason
from tests.contract.engine_kit.harness import Program
from tests.support.memory.object_store import MemoryObjectStore
from tests.support.processes import descriptors, eventually, memory_kb, with_word
from tests.support.sandbox import require_sight_of, running_engine

_ROOT = Path(__file__).parents[3]
_SLEEP = "import time; print('ready', flush=True); time.sleep(60)"

# A worker of its own: it runs a program that leaves its session, and waits to be killed.
_WORKER = """
import sys, pathlib
sys.path.insert(0, sys.argv[1])
from adapters.local_engine.engine import LocalEngine
from tests.support.memory.object_store import MemoryObjectStore
from tests.contract.engine_kit.harness import EngineUnderTest, Program
store = MemoryObjectStore()
engine = LocalEngine(store, pathlib.Path(sys.argv[2]))
engine.start()
kit = EngineUnderTest(engine, store)
code = "import os, sys\\nif os.fork() == 0: os.setsid()\\nprint('ready', flush=True)\\n"
code += "os.execv(sys.executable, ['python3', '-c', 'import time; time.sleep(60)', sys.argv[1]])"
running = kit.start(Program(code=code, args=(sys.argv[3],)))
running.recorder.has_output.wait()
print("running", flush=True)
running.end.result()
"""

# A service that was started by somebody who takes no notice of the ends of processes.
_CARELESS = """
import signal, sys, pathlib
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
sys.path.insert(0, sys.argv[1])
from adapters.local_engine.engine import LocalEngine
from tests.support.memory.object_store import MemoryObjectStore
from tests.contract.engine_kit.harness import EngineUnderTest, Program
store = MemoryObjectStore()
engine = LocalEngine(store, pathlib.Path(sys.argv[2]), isolated=sys.argv[3] == "isolated")
engine.start()
print(EngineUnderTest(engine, store).run(Program(code="print(1)")).result.status, flush=True)
engine.stop()
"""


class _Silent(ExecutionObserver):
    """Keeps nothing, so that only the engine's own memory counts."""

    def started(self):
        pass

    def output(self, chunk):
        pass


class _Refusing(_Silent):
    """Fails when it hears of the start."""

    def __init__(self, error):
        self._error = error

    def started(self):
        raise self._error


@pytest.fixture(params=["plain", "isolated"])
def own(request, tmp_path):
    """An engine for one test, which changes it or looks into its directory."""
    with running_engine(tmp_path / "work", isolated=request.param == "isolated") as kit:
        yield kit


def _supervisor(kit):
    return kit.engine.sandbox.supervisor.pid


def test_a_killed_supervisor_fails_what_ran_and_the_next_program_gets_another(own):
    running = own.start(Program(code=_SLEEP))
    assert running.recorder.has_output.wait(90)
    first = _supervisor(own)

    os.kill(first, signal.SIGKILL)

    result = running.end.result(timeout=90).result
    assert (result.status, result.reason) == (JobStatus.FAILED, Reason.ENGINE_ERROR)
    assert own.run(Program(code="print('next')")).result.stdout.text == "next\n"
    assert _supervisor(own) != first


def test_a_killed_worker_leaves_nothing_running(tmp_path):
    mark = f"mark-{uuid4()}"
    worker = subprocess.Popen(
        [sys.executable, "-c", _WORKER, str(_ROOT), str(tmp_path), mark], stdout=subprocess.PIPE
    )
    with worker:
        assert worker.stdout.readline() == b"running\n"
        assert eventually(lambda: len(with_word(mark)) > 2)

        worker.kill()

    assert eventually(lambda: not with_word(mark), within_s=30)


def test_a_service_that_ignores_the_ends_of_processes_runs_programs(tmp_path, kit):
    isolation = "isolated" if kit.engine.describe().is_isolated else "plain"

    said = subprocess.run(
        [sys.executable, "-c", _CARELESS, str(_ROOT), str(tmp_path), isolation],
        stdout=subprocess.PIPE,
        timeout=30,
        check=True,
    ).stdout

    assert said == b"SUCCESS\n"


@pytest.mark.parametrize("error", [DependencyUnavailable("database", "it restarts"), RuntimeError("a bug")])
def test_an_observer_that_fails_at_the_start_ends_the_program(own, tmp_path, error):
    mark = f"mark-{uuid4()}"
    request = own.request(Program(code=_SLEEP, args=(mark,)))

    if isinstance(error, DependencyUnavailable):
        result = own.execute(request, _Refusing(error)).result
        assert (result.status, result.reason) == (JobStatus.FAILED, Reason.INTERNAL)
        assert "the database is unavailable" in result.error_message
    else:
        with pytest.raises(RuntimeError):
            own.execute(request, _Refusing(error))

    assert not with_word(mark)
    assert list((tmp_path / "work").glob("*/*")) == []
    assert own.run(Program(code="print('next')")).result.stdout.text == "next\n"


def test_code_is_fetched_again_when_its_store_was_away_for_a_moment(tmp_path):
    slept = []
    outages = [StorageUnavailable("it restarts")] * 2

    class Recovering(MemoryObjectStore):
        def get(self, key, max_bytes):
            if outages:
                raise outages.pop()
            return super().get(key, max_bytes)

    retry = RetryPolicy((0.1, 0.2), sleep=slept.append)

    with running_engine(tmp_path, isolated=False, store=Recovering(), retry=retry) as kit:
        assert kit.run(Program(code="print(1)")).result.stdout.text == "1\n"

    assert slept == [0.1, 0.2]


def test_a_program_whose_code_store_stays_away_is_to_be_started_later(own):
    def refuse(_key, _max_bytes):
        raise StorageUnavailable("it does not answer")

    request = own.request(Program(code="print(1)"))
    own.store.get = refuse

    with own.engine.execute(request, _Silent()) as report:
        assert (report.is_startable, report.result.reason) == (True, Reason.STORAGE_ERROR)
        assert "it does not answer" in report.result.error_message


def test_the_next_engine_removes_what_a_killed_one_left(tmp_path, own):
    left = tmp_path / "work" / "engine-of-a-killed-worker"
    (left / "deep" / "deeper").mkdir(parents=True)
    (left / "deep" / "outside").symlink_to(_ROOT)

    second = type(own.engine)(own.store, tmp_path / "work")
    second.start()

    assert not left.exists()
    assert (_ROOT / "adapters").exists()
    assert own.run(Program(code="print(1)")).result.status is JobStatus.SUCCESS
    second.stop()


def test_a_daemon_that_left_its_parent_and_its_session_ends_with_its_program(kit):
    mark = f"mark-{uuid4()}"
    code = (
        "import os, sys, time\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork() == 0:\n"
        "        os.execv(sys.executable, ['python3', '-c', 'import time; time.sleep(60)', sys.argv[1]])\n"
        "    os._exit(0)\n"
        "os.wait()\n"
    )

    ended = kit.run(Program(code=code, args=(mark,)))

    assert ended.result.status is JobStatus.SUCCESS
    assert not with_word(mark)


def test_a_program_has_three_descriptors_and_a_session_of_its_own(kit):
    # Its reaper leads the session; in a sandbox the first process does, a shell of ours.
    code = "import os; print(sorted(os.listdir('/proc/self/fd'))[:-1], os.getsid(0) in (os.getppid(), 1))"

    assert kit.run(Program(code=code)).result.stdout.text == "['0', '1', '2'] True\n"


def test_a_program_can_write_to_none_of_what_it_was_given(kit):
    code = (
        "import os\n"
        "fd = os.open('/proc/self/fd/0', os.O_RDWR)\n"
        "try: os.write(fd, b'x')\n"
        "except OSError as error: print(error.strerror)"
    )

    assert kit.run(Program(code=code, stdin="in")).result.stdout.text == "Operation not permitted\n"


def test_the_supervisor_knows_nothing_of_the_worker(own, monkeypatch):
    monkeypatch.setenv("SERVICE_SERVER_CANARY", "secret")
    own.engine.sandbox.supervisor.close()
    own.engine.check()
    supervisor = _supervisor(own)

    assert Path(f"/proc/{supervisor}/environ").read_bytes() == b""
    assert own.run(Program(code="pass")).result.status is JobStatus.SUCCESS
    require_sight_of(supervisor)  # it has gone to its namespace of user ids by now

    standard_streams = 3
    expected = [f"/proc/{supervisor}/oom_score_adj", "socket"]
    if own.engine.describe().is_isolated:
        users = own.engine.sandbox.isolation.users
        expected += ["mnt", "mnt", "mnt", *([users.lock] if users else [])]
    assert eventually(
        lambda: (
            sorted(target.split(":")[0] for target in descriptors(supervisor)[standard_streams:])
            == sorted(expected)
        )
    )


def test_the_supervisor_stays_small_with_sixteen_programs(own):
    code = f"import os; os.write(1, b'x' * (1 << 20)); {_SLEEP}"

    running = [own.start(Program(code=code)) for _ in range(16)]
    assert all(each.recorder.has_output.wait(90) for each in running)

    assert memory_kb(_supervisor(own), "VmHWM") < 60 << 10
    for each in running:
        own.engine.cancel(each.request.execution_id, each.request.job_id)
    wait([each.end for each in running], timeout=10)


def test_a_flood_of_output_leaves_the_workers_memory_flat(kit):
    code = "import os\nwhile True: os.write(1, b'x' * 65536)"
    kit.run(Program(code=code, limits={"output_mb": 1}))
    before = memory_kb(os.getpid(), "VmHWM")

    ended = kit.engine.execute(kit.request(Program(code=code, limits={"output_mb": 64})), _Silent())

    with ended:
        assert ended.result.reason is Reason.OUTPUT_LIMIT
        assert ended.result.stdout.total_bytes == 64 << 20
        assert memory_kb(os.getpid(), "VmHWM") - before < 8 << 10


def test_the_private_directory_is_gone_afterwards_whatever_was_put_into_it(own, tmp_path):
    code = (
        "import os\n"
        f"os.symlink({str(_ROOT)!r}, 'link')\n"
        "os.mkfifo('fifo')\n"
        "for n in range(1500): os.mkdir('d'); os.chdir('d')\n"
        "os.mkdir('locked'); open('locked/file', 'w'); os.chmod('locked', 0)"
    )

    ended = own.run(Program(code=code))

    assert ended.result.status is JobStatus.SUCCESS, ended.result
    assert list((tmp_path / "work").glob("*/*")) == []
    assert (_ROOT / "adapters").exists()


def test_a_command_line_that_no_process_can_have_fails_its_own_program_alone(kit):
    first = _supervisor(kit)
    running = kit.start(Program(code=_SLEEP))
    assert running.recorder.has_output.wait(90)

    failure = _engine_error_of(kit, replace(NOTHING, arguments=("a\0b",)))

    assert "is not valid for a process" in failure
    assert (_supervisor(kit), running.end.done()) == (first, False)
    kit.engine.cancel(running.request.execution_id, running.request.job_id)
    assert running.end.result(90).result.status is JobStatus.CANCELLED


def _engine_error_of(kit, program):
    try:
        outcome = kit.engine.sandbox.run(program, RunMonitor(), lambda: None, lambda _: None)
    except OSError as error:  # the launch plan cannot be made; the engine makes an engine error of it
        return error.strerror
    for stream in (outcome.stdout, outcome.stderr):
        stream.close()
    assert outcome.result.reason is Reason.ENGINE_ERROR
    return outcome.result.error_message


def test_closing_the_engine_kills_what_runs(own):
    running = own.start(Program(code=_SLEEP))
    assert running.recorder.has_output.wait(90)

    own.engine.stop()

    assert running.end.result(timeout=90).result.status is JobStatus.FAILED


def test_languages_are_known_at_once_and_their_versions_soon(own):
    def python():
        return next(s for s in own.engine.languages() if s.language.name == "python")

    assert python().is_available
    assert eventually(lambda: (python().version or "").startswith("3."))
