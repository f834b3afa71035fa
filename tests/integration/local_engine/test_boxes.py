"""What holds for programs in boxes, and what of the machine the boxes show."""

import os
import platform
import resource
import signal
import subprocess
import sys
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory

import pytest

from adapters.local_engine.engine import LocalEngine
from adapters.local_engine.supervisor import processes
from adapters.local_engine.supervisor.meter import tree
from adapters.memory.object_store import MemoryObjectStore
from application.errors import DependencyUnavailable
from domain.job_lifecycle import JobStatus, Reason
from tests.contract.engine_kit.harness import EngineUnderTest, Program
from tests.support.processes import eventually
from tests.support.sandbox import has_cgroups, require_bubblewrap

_ROOT = Path(__file__).parents[3]
# Descriptors of a supervisor without programs: three that every process has, its socket, its poll, its own
# mount namespace and that of the programs' view.
_IDLE = 7
# Has the first process of its box call prctl(PR_SET_PDEATHSIG, 0), and then pause for ever.
_TAKEOVER = """
import os, time
code = "b89d000000bf0100000031f631d24d31d24d31c00f05" "b8220000000f05ebf7"
where = int(open("/proc/1/syscall").read().split()[-1], 16)
with open("/proc/1/mem", "r+b", buffering=0) as memory:
    memory.seek(where)
    memory.write(bytes.fromhex(code))
if os.fork():  # its end wakes the first process
    os._exit(0)
time.sleep(0.3)
print("taken over", flush=True)
time.sleep(60)
"""

# An engine on a machine whose mounts are shared, as systemd has them: something is mounted after its start.
_MOUNTS_LATER = """
import subprocess, sys
from contextlib import closing
from pathlib import Path
from adapters.local_engine.engine import LocalEngine
from adapters.memory.object_store import MemoryObjectStore
from tests.contract.engine_kit.harness import EngineUnderTest, Program
place, work = sys.argv[1:]
store = MemoryObjectStore()
engine = LocalEngine(store, Path(work), isolated=True)
engine.start()
subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", place], check=True)
with closing(EngineUnderTest(engine, store)) as kit:
    ended = kit.run(Program(code="import sys; open(f'{sys.argv[1]}/left', 'w')", args=(place,)))
    print(ended.result.stderr.text)
engine.stop()
"""


@contextmanager
def _boxes(directory, hidden=()):
    require_bubblewrap()
    store = MemoryObjectStore()
    engine = LocalEngine(store, directory / "work", isolated=True, hidden=hidden)
    engine.start()
    try:
        with closing(EngineUnderTest(engine, store)) as kit:
            yield kit
    finally:
        engine.stop()


def _groups(kit):
    """The control groups of boxes. One whose supervisor was killed stays as long as this process."""
    cgroups = kit.engine._confinement._cgroups
    return set(Path(cgroups.memory).glob("run-*")) if cgroups else set()


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    with _boxes(tmp_path_factory.mktemp("boxes")) as kit:
        yield kit


@pytest.mark.parametrize("code", [1, 126, 127, 128, 129, 130, 137, 139, 141, 192, 255])
def test_an_exit_code_is_never_taken_for_a_signal(kit, code):
    ended = kit.run(Program(code=f"exit {code}", language="bash"))

    assert (ended.result.exit_code, ended.result.signal, ended.stderr) == (code, None, b"")


@pytest.mark.parametrize(
    "number", [signal.SIGHUP, signal.SIGABRT, signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM, 34, 64]
)
def test_a_signal_is_told_and_nobody_else_writes_of_it(kit, number):
    ended = kit.run(Program(code=f"kill -{int(number)} $$", language="bash"))

    assert (ended.result.exit_code, ended.result.signal, ended.stderr) == (None, number, b"")


def test_streams_can_be_opened_by_their_names(kit):
    code = "cat /dev/stdin > /dev/stdout; echo err > /dev/stderr; echo own > /proc/self/fd/1"

    ended = kit.run(Program(code=code, language="bash", stdin="in\n"))

    assert (ended.stdout, ended.stderr) == (b"in\nown\n", b"err\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGPIPE])
def test_the_two_signals_that_no_shell_speaks_of_are_the_codes_that_shells_have_for_them(kit, number):
    result = kit.run(Program(code=f"trap - {int(number)}; kill -{int(number)} $$", language="bash")).result

    assert (result.exit_code, result.signal) == (128 + number, None)


def test_as_many_processes_as_are_allowed_can_run(kit):
    code = "import os, time\nfor _ in range({0} - 1): os.fork() or time.sleep(9)\nprint({0}, flush=True)"

    allowed = kit.run(Program(code=code.format(6), limits={"processes": 6, "timeout_ms": 2_000})).result
    refused = kit.run(Program(code=code.format(7), limits={"processes": 6, "timeout_ms": 2_000})).result

    assert allowed.stdout.text == "6\n"
    assert refused.stdout.text == ""
    if has_cgroups(kit.engine):
        assert refused.reason is Reason.PROCESS_LIMIT
        assert (refused.limit.measured, refused.limit.allowed) == (6, 6)
    else:
        assert "BlockingIOError" in refused.stderr.text


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the attack is in its machine language")
def test_a_box_whose_first_process_was_taken_over_dies_with_the_supervisor(tmp_path):
    with _boxes(tmp_path) as kit:
        running = kit.start(Program(code=_TAKEOVER, limits={"timeout_ms": 20_000}))
        assert running.recorder.has_output.wait(10)
        supervisor = kit.engine._supervisor.pid
        box = [pid for pid in tree(supervisor) if pid != supervisor]
        assert len(box) == len(["bubblewrap", "shell", "program"])

        os.kill(supervisor, signal.SIGKILL)

        try:
            assert eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in box))
        finally:
            for pid in box:
                processes.kill(pid)
        assert running.end.result(timeout=10).result.reason is Reason.ENGINE_ERROR


@pytest.mark.skipif(not os.access("/usr", os.W_OK), reason="only root may put data below /usr")
def test_data_below_what_programs_see_is_hidden_from_them(tmp_path):
    with TemporaryDirectory(dir="/usr/local", prefix="service-server-data-") as directory:
        data = Path(directory)
        data.chmod(0o755)
        (data / "secret").write_text("canary")
        code = f"import os\nprint(os.path.isdir({directory!r}), os.path.exists('{directory}/secret'))"

        with _boxes(tmp_path) as kit:
            assert kit.run(Program(code=code)).stdout == b"True True\n"
        with _boxes(data, hidden=[data]) as kit:
            assert kit.run(Program(code=code)).stdout == b"True False\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_what_is_mounted_later_is_in_no_box(tmp_path):
    require_bubblewrap()
    with TemporaryDirectory(dir="/usr/local", prefix="service-server-mount-") as place:
        Path(place).chmod(0o777)
        said = subprocess.run(
            [
                *("unshare", "--mount", "--propagation", "shared", "--"),
                *(sys.executable, "-c", _MOUNTS_LATER, place, str(tmp_path / "work")),
            ],
            cwd=_ROOT,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            timeout=60,
        ).stdout

    assert "Read-only file system" in said


@pytest.mark.skipif(not os.access("/etc", os.W_OK), reason="only root may put files into /etc")
def test_a_file_of_the_system_that_is_replaced_is_seen_by_the_next_program(tmp_path, monkeypatch):
    with NamedTemporaryFile(dir="/etc", prefix="service-server-cache-") as file:
        cache, newer = Path(file.name), Path(f"{file.name}~")
        cache.chmod(0o644)
        cache.write_text("old")
        monkeypatch.setattr("adapters.local_engine.view._ETC", (file.name,))
        program = Program(code=f"cat {cache}", language="bash")

        with _boxes(tmp_path) as kit:
            assert kit.run(program).stdout == b"old"
            newer.write_text("new")
            newer.chmod(0o644)
            newer.replace(cache)
            assert kit.run(program).stdout == b"new"
            descriptors = Path(f"/proc/{kit.engine._supervisor.pid}/fd")
            assert eventually(lambda: len(list(descriptors.iterdir())) == _IDLE)


@pytest.mark.parametrize("directory", ["/usr", "/lib", "/usr/bin", "/etc/alternatives"])
def test_data_where_programs_have_to_look_is_refused(tmp_path, directory):
    with pytest.raises(DependencyUnavailable, match="must be elsewhere"), _boxes(tmp_path, [Path(directory)]):
        pass


@pytest.mark.parametrize("spare", [0, 4, 9, 11, 13])
def test_what_cannot_be_started_leaves_nothing_and_says_why(tmp_path, spare):
    with _boxes(tmp_path) as kit:
        kit.run(Program(code="pass"))
        supervisor = kit.engine._supervisor.pid
        descriptors = Path(f"/proc/{supervisor}/fd")
        assert eventually(lambda: len(list(descriptors.iterdir())) == _IDLE)
        groups = _groups(kit)
        limits = resource.prlimit(supervisor, resource.RLIMIT_NOFILE)
        resource.prlimit(supervisor, resource.RLIMIT_NOFILE, (_IDLE + spare, limits[1]))

        result = kit.run(Program(code="pass")).result

        assert (result.status, result.reason) == (JobStatus.FAILED, Reason.ENGINE_ERROR)
        resource.prlimit(supervisor, resource.RLIMIT_NOFILE, limits)
        assert kit.run(Program(code="pass")).result.status is JobStatus.SUCCESS
        assert kit.engine._supervisor.pid == supervisor
        assert eventually(lambda: len(list(descriptors.iterdir())) == _IDLE)
        assert eventually(lambda: _groups(kit) <= groups)
