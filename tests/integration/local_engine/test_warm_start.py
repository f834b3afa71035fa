"""Interpreters that are started ahead of their jobs: to a program they are as any other."""

import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from adapters.local_engine.engine import LocalEngine
from adapters.local_engine.sandbox import interpreter_pool
from adapters.local_engine.sandbox.supervisor.usage_sampler import live_cpu_s, tree
from application.ports.output_feed import Stream
from domain.job_lifecycle import JobStatus, Reason
from tests.contract.engine_kit.harness import EngineUnderTest, Program, Recorder
from tests.support.memory.object_store import MemoryObjectStore
from tests.support.processes import descriptors, eventually
from tests.support.sandbox import has_cgroups, require_bubblewrap, require_sight_of
from tests.support.warm_engine import WarmEngine

_ROOT = Path(__file__).parents[3]
_IS_WARM = "b'/.hold' in open('/proc/self/environ', 'rb').read()"

# All that a program can find out about itself. What has to differ between any two programs is left out.
_VIEW = r"""
import builtins, gc, os, re, resource, signal, subprocess, sys, sysconfig, threading, time, traceback
from pathlib import Path

def listing(top):
    return sorted((str(p), p.lstat().st_mode, p.lstat().st_uid) for p in [top, *top.rglob("*")])

def fails():
    raise ValueError("as it should")

try:
    fails()
except ValueError:
    error = traceback.format_exc()
view = {
    "argv": sys.argv, "path": sys.path, "flags": sys.flags, "modules": sorted(sys.modules),
    "importers": sorted(sys.path_importer_cache), "hooks": repr(sys.path_hooks), "executable": sys.executable,
    "prefix": sys.prefix, "warnings": sys.warnoptions, "options": sys._xoptions, "globals": sorted(globals()),
    "main": [__name__, __file__, repr(__spec__), repr(__loader__)],
    "builtins": sorted(vars(builtins)), "recursion": sys.getrecursionlimit(),
    "gc": [gc.isenabled(), gc.get_threshold(), gc.get_freeze_count() > 0],
    "encodings": [sys.stdin.encoding, sys.stdout.encoding, sys.stderr.errors, sys.getfilesystemencoding()],
    "buffering": [sys.stdout.line_buffering, sys.stdout.isatty(), sys.stdin.seekable(), sys.stdin.tell()],
    "environment": dict(os.environ), "directory": os.getcwd(), "files": listing(Path("/tmp")),
    "root": sorted(os.listdir("/")), "descriptors": sorted(os.listdir("/proc/self/fd"))[:-1],
    "links": [os.readlink(f"/proc/self/fd/{n}").split(":")[0] for n in range(3)],
    "ids": [os.getpid(), os.getppid(), os.getsid(0), os.getpgid(0), os.getresuid(), os.getgroups()],
    "umask": os.umask(0o022), "nice": os.nice(0), "affinity": sorted(os.sched_getaffinity(0)),
    "limits": Path("/proc/self/limits").read_text(), "threads": threading.active_count(),
    "processes": sorted(p for p in os.listdir("/proc") if p.isdigit()), "timezone": time.tzname,
    "signals": [repr(signal.getsignal(n)) for n in sorted(signal.valid_signals())],
    "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])), "error": error,
    "mounts": sorted(line.split()[4] for line in open("/proc/self/mountinfo")),
    "rights": [line for line in open("/proc/self/status") if line.startswith(("Cap", "NoNew", "Seccomp:"))],
    "child": subprocess.run(
        [sys.executable, "-c", "import os, sys; print(sys.path, sys.flags, dict(os.environ))"],
        capture_output=True,
    ).stdout,
    "input": sys.stdin.read(),
}
for name, value in view.items():
    print(name, re.sub(" at 0x[0-9a-f]+", "", repr(value)))
"""
_NODE_VIEW = Path(__file__).with_name("view.js").read_text()
_NODE_PROGRAMS = {
    "what it sees": Program(
        language="node", code=_NODE_VIEW, args=("--flag", "a b", "", "\n", "é"), stdin="line\n日本\0\n"
    ),
    "a stack": Program(language="node", code="function f() { throw new Error('1') }\n\nf()\n"),
    "a syntax error": Program(language="node", code="console.log(1)\nif\n"),
    "a byte order mark": Program(language="node", code="\ufeffconsole.log('é')"),
    "nothing": Program(language="node", code=""),
    "an exit code": Program(language="node", code="process.exit(137)"),
    "a rejection": Program(language="node", code="Promise.reject(new Error('bye'))"),
    "a signal": Program(language="node", code="process.kill(process.pid, 'SIGKILL')"),
    "a module": Program(language="node", code="import('fs').then(fs => console.log(Object.keys(fs).length))"),
    "another process": Program(
        language="node",
        code="const {fork} = require('child_process');\n"
        "if (process.argv[2]) process.send(process.argv.slice(2));\n"
        "else fork(__filename, ['x']).on('message', m => console.log(m));\n",
    ),
    "small limits": Program(
        language="node",
        code="console.log(require('fs').readFileSync('/proc/self/limits', 'utf8'))",
        limits={"open_files": 64, "processes": 20, "file_size_mb": 1, "cpu_time_ms": 1500},
    ),
}
_MULTIPROCESSING = """
import multiprocessing, os
def square(n): return n * n
if __name__ == "__main__":
    for method in ("spawn", "fork"):
        with multiprocessing.get_context(method).Pool(2) as pool: print(method, pool.map(square, range(4)))
"""
_PROGRAMS = {
    "what it sees": Program(code=_VIEW, args=("--flag", "a b", "", "\n", "é"), stdin="line\n日本\0\n"),
    "a traceback": Program(code="def f():\n    1 / 0\n\nf()\n"),
    "a syntax error": Program(code="print(1)\nif\n"),
    "no Python at all": Program(code="\0"),
    "nothing": Program(code=""),
    "an exit code": Program(code="import sys; sys.exit(137)"),
    "a message": Program(code="raise SystemExit('bye')"),
    "a signal": Program(code="import os, signal; os.kill(os.getpid(), signal.SIGKILL)"),
    "Windows lines": Program(code="# coding: latin-1\r\nprint('\xe9')\r\n"),
    "processes": Program(code=_MULTIPROCESSING),
    "modules of its own": Program(
        code="open('sitecustomize.py', 'w').write('print(7)')\nimport sitecustomize, resource, json"
    ),
    "the source": Program(code="import inspect, sys; print(inspect.getsource(sys.modules['__main__']))"),
    "small limits": Program(
        code="import resource as r; print([r.getrlimit(n) for n in range(16)])",
        limits={"open_files": 20, "processes": 3, "file_size_mb": 1, "cpu_time_ms": 1500, "memory_mb": 32},
    ),
    "large limits": Program(
        code="import resource as r; print([r.getrlimit(n) for n in range(16)]); x = bytearray(400 << 20)",
        limits={"open_files": 4096, "processes": 200, "file_size_mb": 512, "memory_mb": 512},
    ),
}


def _engine(stack, directory, engine_class=LocalEngine, **options):
    require_bubblewrap()
    store = MemoryObjectStore()
    engine = engine_class(store, directory, isolated=True, **options)
    engine.start()
    stack.callback(engine.stop)
    return stack.enter_context(closing(EngineUnderTest(engine, store)))


@pytest.fixture(scope="module")
def engines(tmp_path_factory):
    with ExitStack() as stack:
        yield [
            _engine(stack, tmp_path_factory.mktemp("warm"), WarmEngine, warm_starts=1),
            _engine(stack, tmp_path_factory.mktemp("cold")),
        ]


@pytest.fixture
def warm(tmp_path):
    with ExitStack() as stack:
        kit = _engine(stack, tmp_path, warm_starts=2)
        assert kit.engine.wait_until_warm(30)
        yield kit


def _waiting(kit, name="python3"):
    """Return the interpreters that wait."""
    names = {pid: Path(f"/proc/{pid}/comm").read_text() for pid in tree(kit.engine.sandbox.supervisor.pid)}
    return [pid for pid, comm in names.items() if comm.startswith(name)]


@pytest.mark.parametrize("program", _PROGRAMS.values(), ids=[name.replace(" ", "_") for name in _PROGRAMS])
def test_a_program_is_the_same_started_warm_and_cold(engines, program):
    warm, cold = (engine.run(program) for engine in engines)

    assert warm.stderr.splitlines() == cold.stderr.splitlines()
    assert warm.stdout.splitlines() == cold.stdout.splitlines()
    for field in ("status", "reason", "exit_code", "signal"):
        assert getattr(warm.result, field) == getattr(cold.result, field)


_NODE_IS_WARM = "console.log(require('fs').readFileSync('/proc/self/environ', 'utf8').includes('/hold.js'))"


@pytest.fixture(scope="module")
def node_engines(engines):
    for kit in engines:
        if not any(each.language.name == "node" and each.is_available for each in kit.engine.languages()):
            pytest.skip("Node.js is not installed")
        kit.run(Program(language="node", code=""))
    return engines


@pytest.mark.parametrize(
    "program", _NODE_PROGRAMS.values(), ids=[name.replace(" ", "_") for name in _NODE_PROGRAMS]
)
def test_a_program_of_node_is_the_same_started_warm_and_cold(node_engines, program):
    warm, cold = (engine.run(program) for engine in node_engines)

    assert warm.stderr.splitlines() == cold.stderr.splitlines()
    assert warm.stdout.splitlines() == cold.stdout.splitlines()
    for field in ("status", "reason", "exit_code", "signal"):
        assert getattr(warm.result, field) == getattr(cold.result, field)


@pytest.mark.parametrize(
    ("program", "is_warm"),
    [
        (Program(language="node", code=_NODE_IS_WARM, args=("x",), limits={"timeout_ms": 5000}), True),
        (Program(language="node", code=_NODE_IS_WARM, env={"NODE_ENV": "test"}), False),
        (Program(language="node", code=_NODE_IS_WARM, limits={"memory_mb": 300}), False),
    ],
)
def test_a_program_of_node_starts_warm_if_that_makes_no_difference(node_engines, program, is_warm):
    warm, cold = (engine.run(program) for engine in node_engines)

    assert warm.stdout == f"{str(is_warm).lower()}\n".encode()
    assert cold.stdout == b"false\n"


def test_one_of_node_that_waits_has_nothing_of_the_host_and_uses_no_processor(node_engines):
    kit, _ = node_engines
    assert kit.engine.wait_until_warm(30)
    (pid,) = _waiting(kit, "node")
    require_sight_of(pid)
    names = [entry.split("=")[0] for entry in Path(f"/proc/{pid}/environ").read_text().split("\0")]
    kinds = {link.split(":")[0] for link in descriptors(pid)}

    assert sorted(filter(None, names)) == ["HOME", "LANG", "NODE_OPTIONS", "PATH", "PWD", "TMPDIR"]
    assert kinds <= {"/memfd", "pipe", "anon_inode", "/dev/null"}
    assert eventually(lambda: "(sleeping)" in Path(f"/proc/{pid}/status").read_text())
    assert eventually(lambda: _rests(pid))  # its other threads, too


def _rests(pid):
    used = live_cpu_s(pid)
    time.sleep(0.3)
    return live_cpu_s(pid) == pytest.approx(used, abs=0.001)


@pytest.mark.parametrize(
    ("program", "is_warm"),
    [
        (Program(code=f"print({_IS_WARM})"), True),
        (Program(code=f"print({_IS_WARM})", args=("x",), limits={"memory_mb": 512}), True),
        (Program(code=f"print({_IS_WARM})", env={"PYTHONUTF8": "0"}), False),
        (Program(code=f"print({_IS_WARM})", limits={"disk_mb": 1}), False),
        (Program(code=f"print({_IS_WARM})", limits={"files": 99}), False),
    ],
)
def test_a_program_starts_warm_if_that_makes_no_difference(engines, program, is_warm):
    warm, cold = (engine.run(program) for engine in engines)

    assert warm.stdout == f"{is_warm}\n".encode()
    assert cold.stdout == b"False\n"


def test_code_that_is_larger_than_a_file_may_be_is_refused(engines):
    code = f"print(1) # {'x' * (1 << 20)}"

    for engine in engines:
        recorder = Recorder()
        result = engine.run(Program(code=code, limits={"file_size_mb": 1}), recorder).result

        assert (result.status, result.limit.name) == (JobStatus.FAILED, "file_size_mb")
        assert (
            result.error_message == "The code is larger than the 1 MiB that file_size_mb allows for a file."
        )
        assert recorder.starts == 0


def test_what_went_before_the_job_is_not_charged(engines):
    warm, cold = (engine.run(Program(code="pass")).result.resource for engine in engines)

    assert warm.cpu_time_ms < cold.cpu_time_ms
    assert warm.execution_time_ms < 1_000
    assert warm.memory_mb == pytest.approx(cold.memory_mb, rel=0.2)


@pytest.mark.parametrize(
    ("code", "limits", "reason"),
    [
        ("import time; time.sleep(9)", {"timeout_ms": 300}, Reason.WALL_TIME_LIMIT),
        ("while True: pass", {"cpu_time_ms": 300}, Reason.CPU_TIME_LIMIT),
        ("x = bytearray(100 << 20)", {"memory_mb": 64}, Reason.MEMORY_LIMIT),
    ],
)
def test_limits_are_those_of_the_job_and_not_those_of_the_box_before(engines, code, limits, reason):
    result = engines[0].run(Program(code=code, limits=limits)).result

    assert result.reason is reason
    assert result.limit.name == next(iter(limits))


def test_a_job_may_have_as_many_processes_as_it_is_allowed_and_not_as_the_box_before(engines):
    code = "import os\nfor _ in range(8): os.fork() or os._exit(0)"

    result = engines[0].run(Program(code=code, limits={"processes": 2})).result

    if has_cgroups(engines[0].engine):
        assert (result.reason, result.limit.name) == (Reason.PROCESS_LIMIT, "processes")
    else:
        assert "BlockingIOError" in result.stderr.text


def test_what_waits_is_taken_in_turn_and_replaced(warm):
    before = set(_waiting(warm))

    assert warm.run(Program(code=f"print({_IS_WARM})")).stdout == b"True\n"

    assert warm.engine.wait_until_warm(30)
    after = set(_waiting(warm))
    assert len(before & after) == 1
    assert len(after) == 2


def test_what_waits_has_nothing_of_the_host_and_uses_no_processor(warm):
    waiting = _waiting(warm)

    assert waiting
    for pid in waiting:
        process = Path(f"/proc/{pid}")
        require_sight_of(pid)
        names = [entry.split("=")[0] for entry in (process / "environ").read_text().split("\0")]
        links = sorted(target.split(":[")[0] for target in descriptors(pid))
        namespaces = [
            (process / "ns" / kind).readlink() != Path(f"/proc/self/ns/{kind}").readlink()
            for kind in ("user", "mnt", "pid", "net", "ipc", "uts", "cgroup")
        ]

        assert sorted(filter(None, names)) == ["HOME", "LANG", "PATH", "PWD", "PYTHONPATH", "TMPDIR"]
        assert [link.split(" ")[0] for link in links] == ["/memfd:job", "/memfd:stdin", *["pipe"] * 4]
        assert all(namespaces)
        assert eventually(lambda process=process: "(sleeping)" in (process / "status").read_text())
        used = live_cpu_s(pid)
        time.sleep(0.3)
        assert live_cpu_s(pid) == used


def test_what_died_waiting_fails_no_job(warm):
    for pid in _waiting(warm):
        os.kill(pid, signal.SIGKILL)

    result = warm.run(Program(code=f"print({_IS_WARM})")).result

    assert result.status is JobStatus.SUCCESS


def test_what_dies_as_it_is_given_its_job_fails_no_job(warm, monkeypatch):
    pool = next(iter(warm.engine.sandbox.interpreters.values()))

    class Dying:
        """Ends a sandbox between the last look at it and its job."""

        def __init__(self, sandbox):
            self._sandbox = sandbox

        def __getattr__(self, name):
            return getattr(self._sandbox, name)

        def start(self, program, monitor):
            for pid in _waiting(warm):
                os.kill(pid, signal.SIGKILL)
            return self._sandbox.start(program, monitor)

    get = pool.get
    monkeypatch.setattr(pool, "get", lambda program: (taken := get(program)) and Dying(taken))
    recorder = Recorder()

    result = warm.run(Program(code=f"print({_IS_WARM})"), recorder).result

    assert (result.status, result.stdout.text) == (JobStatus.SUCCESS, "False\n")
    assert recorder.starts == 1


def test_a_killed_supervisor_takes_what_waits_along_and_the_next_one_has_its_own(warm):
    old = _waiting(warm)

    os.kill(warm.engine.sandbox.supervisor.pid, signal.SIGKILL)

    assert eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in old))
    assert warm.run(Program(code="print(1)")).result.status is JobStatus.SUCCESS
    assert eventually(lambda: len(_waiting(warm)) == 2)


def test_closing_the_engine_leaves_none_waiting(warm):
    old = _waiting(warm)

    warm.engine.stop()

    assert not any(Path(f"/proc/{pid}").exists() for pid in old)


_WORKER = """
import sys, pathlib
sys.path.insert(0, sys.argv[1])
from adapters.local_engine.sandbox import interpreter_pool
from adapters.local_engine.engine import LocalEngine
from tests.support.memory.object_store import MemoryObjectStore
engine = LocalEngine(MemoryObjectStore(), pathlib.Path(sys.argv[2]), isolated=True, warm_starts=2)
engine.start()
engine.wait_until_warm(30)
groups = engine.sandbox.isolation.cgroups
print(engine.sandbox.supervisor.pid, groups.memory if groups else "none", flush=True)
sys.stdin.read()
"""


def test_a_killed_worker_leaves_none_waiting_and_the_next_one_removes_its_control_groups(tmp_path):
    require_bubblewrap()
    worker = subprocess.Popen(
        [sys.executable, "-c", _WORKER, str(_ROOT), str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with worker:
        supervisor, groups = worker.stdout.readline().decode().split()
        processes = list(tree(int(supervisor)))
        assert len(processes) > 4
        worker.kill()

    assert eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in processes))
    with ExitStack() as stack:
        _engine(stack, tmp_path)
        assert not Path(groups).exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"isolated": False, "warm_starts": 2}, "none: programs are not isolated"),
        ({"isolated": True, "warm_starts": 0}, "none: SERVICE_SERVER_WARM_STARTS is 0"),
        ({"isolated": True, "warm_starts": 2}, "Python: 2 ready, each for one job"),
    ],
)
def test_it_says_whether_there_is_a_warm_start(tmp_path, options, said):
    engine = LocalEngine(MemoryObjectStore(), tmp_path, **options)

    assert str(engine.describe().warm_start).split("; ")[0] == said


def test_what_an_interpreter_says_that_does_not_take_its_job_is_not_the_jobs(tmp_path, monkeypatch):
    hold = tmp_path / "sitecustomize.py"
    hold.write_text(
        "import os\n"
        "def hold(status, start, *_):\n"
        '    os.write(status, b\'{"status":"waiting"}\\n\')\n'
        "    os.read(start, 4096)\n"
        "    os.write(2, b'it is broken')\n"
        "    os._exit(1)\n"
    )
    monkeypatch.setattr(interpreter_pool, "_PRELOAD", tmp_path)

    with ExitStack() as stack:
        kit = _engine(stack, tmp_path / "work", warm_starts=1)
        assert kit.engine.wait_until_warm(30)
        recorder = Recorder()
        ended = kit.run(Program(code="print(1)"), recorder)

    assert (ended.stdout, ended.stderr, recorder.written(Stream.STDERR)) == (b"1\n", b"", b"")
    assert recorder.starts == 1


def test_an_interpreter_that_cannot_wait_is_no_obstacle_and_says_why(tmp_path, monkeypatch):
    hold = tmp_path / "sitecustomize.py"
    hold.write_text("def hold(*_): raise SystemExit('it would rather not')")
    monkeypatch.setattr(interpreter_pool, "_PRELOAD", tmp_path)

    with ExitStack() as stack:
        kit = _engine(stack, tmp_path / "work", warm_starts=1)

        assert eventually(lambda: "it would rather not" in str(kit.engine.describe().warm_start))
        assert kit.run(Program(code="print(1)")).stdout == b"1\n"


def test_a_warm_interpreter_serves_one_program_alone(warm):
    leaves = (
        f"import builtins, sys; builtins.left = sys.left = 1; open('left', 'w').close(); print({_IS_WARM})"
    )
    looks = (
        "import builtins, os, sys; print(hasattr(builtins, 'left'), hasattr(sys, 'left'), os.listdir(), "
        f"{_IS_WARM})"
    )

    for _ in range(3):
        assert warm.run(Program(code=leaves)).stdout == b"True\n"
        assert warm.engine.wait_until_warm(30)
        found = warm.run(Program(code=looks)).stdout
        assert warm.engine.wait_until_warm(30)
        assert found.startswith(b"False False")
        assert b"'left'" not in found
        assert found.endswith(b"True\n")
