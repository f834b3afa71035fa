"""The guarantees of sandboxes, and the machine as it looks from inside."""

import os
import resource
import signal
import subprocess
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest

from adapters.local_engine.engine import LocalEngine
from adapters.local_engine.sandbox import launch_script
from adapters.local_engine.sandbox.subordinate_ids import SubordinateIdsUnavailable
from adapters.local_engine.sandbox.supervisor.cgroups import CgroupPlan
from adapters.local_engine.sandbox.unified_cgroups import CgroupsUnavailable
from application.errors import DependencyUnavailable
from domain.job_lifecycle import JobStatus, Reason
from tests.contract.engine_kit.harness import Program, Recorder
from tests.support.memory.object_store import MemoryObjectStore
from tests.support.processes import descriptors, eventually
from tests.support.sandbox import (
    CGROUPS_REQUIRED,
    has_cgroups,
    isolated_engine,
    require_sight_of,
    running_engine,
)


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    with isolated_engine(tmp_path_factory.mktemp("engine")) as kit:
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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGPIPE])
def test_the_two_signals_that_no_shell_speaks_of_are_told_too(kit, number):
    result = kit.run(Program(code=f"trap - {int(number)}; kill -{int(number)} $$", language="bash")).result

    assert (result.exit_code, result.signal) == (None, number)


def test_no_program_can_end_its_reaper(kit):
    ended = kit.run(Program(code="kill -KILL $PPID; kill -KILL -1; echo $PPID; exit 7", language="bash"))

    assert (ended.result.exit_code, ended.stdout) == (7, b"1\n")


def test_orphans_are_reaped_and_are_not_taken_for_the_program(kit):
    code = """
        for number in $(seq 20); do (sleep 0.01 & exit 3); done
        while grep -q sleep /proc/[0-9]*/comm 2>&-; do sleep 0.05; done
        exit 5"""

    ended = kit.run(Program(code=code, language="bash", limits={"timeout_ms": 10_000}))

    assert ended.result.exit_code == 5


def test_signals_to_its_process_group_are_the_programs(kit):
    code = "trap 'echo caught' TERM; trap '' INT; kill -TERM 0; kill -INT 0; echo on"

    ended = kit.run(Program(code=code, language="bash"))

    assert (ended.result.status, ended.stdout) == (JobStatus.SUCCESS, b"caught\non\n"), ended.result


def test_an_engine_whose_control_groups_cannot_be_entered_runs_programs_without_and_says_so(
    tmp_path, monkeypatch
):
    groups = tmp_path / "groups"  # in which no kernel makes the files
    groups.mkdir()
    plan = CgroupPlan(version=1, memory=str(groups), pids=str(groups))
    monkeypatch.setattr("adapters.local_engine.sandbox.bubblewrap.discover", lambda **_: plan)
    monkeypatch.delenv(CGROUPS_REQUIRED, raising=False)

    with isolated_engine(tmp_path) as kit:
        assert str(kit.engine.describe().control_groups).startswith(
            "not used: no program can be started in a control group: "
        )
        assert kit.run(Program(code="print(1)")).stdout == b"1\n"


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


@pytest.mark.skipif(not os.access("/usr", os.W_OK), reason="only root may put data below /usr")
def test_data_below_what_programs_see_is_hidden_from_them(tmp_path):
    with TemporaryDirectory(dir="/usr/local", prefix="service-server-data-") as directory:
        data = Path(directory)
        data.chmod(0o755)
        (data / "secret").write_text("canary")
        code = f"import os\nprint(os.path.isdir({directory!r}), os.path.exists('{directory}/secret'))"

        with isolated_engine(tmp_path) as kit:
            assert kit.run(Program(code=code)).stdout == b"True True\n"
        with isolated_engine(data, hidden=[data]) as kit:
            assert kit.run(Program(code=code)).stdout == b"True False\n"


@pytest.mark.parametrize("directory", ["/usr", "/lib", "/usr/bin", "/etc/alternatives"])
def test_data_where_programs_have_to_look_is_refused(tmp_path, directory):
    with (
        pytest.raises(DependencyUnavailable, match="must be elsewhere"),
        isolated_engine(tmp_path, [Path(directory)]),
    ):
        pass


def _no_cgroups(**_):
    raise CgroupsUnavailable("a test has none")


class _NoSubordinateIds:
    @staticmethod
    def find():
        raise SubordinateIdsUnavailable("a test has none")


_AS_A_SHARED_USER = {"has_privileges": lambda: False, "SubordinateIds": _NoSubordinateIds}


@pytest.mark.parametrize(
    ("patched", "missing", "warned_of"),
    [
        ({}, [], ""),
        ({"discover": _no_cgroups}, ["control groups: "], "Missing: control groups"),
        (_AS_A_SHARED_USER, ["a user id"], "Missing: a user id for each program"),
        (
            {"discover": _no_cgroups} | _AS_A_SHARED_USER,
            ["control groups: ", "a user id"],
            "Missing: control groups and a user id for each program",
        ),
    ],
)
def test_missing_guarantees_are_described_and_warned_of(
    kit, tmp_path, monkeypatch, patched, missing, warned_of
):
    if kit.engine.describe().missing:
        pytest.skip("this host does not give all guarantees itself")
    for name, function in patched.items():
        monkeypatch.setattr(f"adapters.local_engine.sandbox.bubblewrap.{name}", function)

    engine = LocalEngine(MemoryObjectStore(), tmp_path / "work", isolated=True)
    assert engine.describe().missing == ()
    engine.start()
    try:
        description = engine.describe()
    finally:
        engine.stop()

    assert description.is_isolated
    assert len(description.missing) == len(missing)
    assert all(map(str.startswith, map(str, description.missing), missing)), description.missing
    assert str(description.warning or "").partition("other. ")[2] == warned_of


def test_the_view_is_made_before_the_first_job(tmp_path):
    with isolated_engine(tmp_path) as kit:
        require_sight_of(kit.engine.sandbox.supervisor.pid)
        targets = descriptors(kit.engine.sandbox.supervisor.pid)

        # The supervisor's own mounts, the root file system, and the mounts of a program.
        assert len([target for target in targets if target.startswith("mnt:")]) == 3


@pytest.mark.parametrize("spare", [0, 4, 9, 11, 13])
def test_what_cannot_be_started_leaves_nothing_and_says_why(tmp_path, spare):
    with isolated_engine(tmp_path) as kit:
        kit.run(Program(code="pass"))
        supervisor = kit.engine.sandbox.supervisor.pid
        require_sight_of(supervisor)
        # Three that every process has, its socket, its score for when memory runs out, and the mount
        # namespaces of itself, the root file system and a program; for root, the file of user ids.
        idle = 8 + (os.geteuid() == 0)
        assert eventually(lambda: len(descriptors(supervisor)) == idle)
        limits = resource.prlimit(supervisor, resource.RLIMIT_NOFILE)
        resource.prlimit(supervisor, resource.RLIMIT_NOFILE, (idle + spare, limits[1]))

        ended = kit.run(Program(code="pass"))

        assert (ended.result.status, ended.result.reason) == (JobStatus.FAILED, Reason.ENGINE_ERROR)
        assert (ended.is_startable, ended.is_refused) == (True, True)
        resource.prlimit(supervisor, resource.RLIMIT_NOFILE, limits)
        assert kit.run(Program(code="pass")).result.status is JobStatus.SUCCESS
        assert kit.engine.sandbox.supervisor.pid == supervisor
        assert eventually(lambda: len(descriptors(supervisor)) == idle)
        cgroups = kit.engine.sandbox.isolation.cgroups
        assert cgroups is None or eventually(lambda: not list(Path(cgroups.memory).glob("run-*")))


@contextmanager
def _no_more_descriptors_than(spare):
    """Leave this process so many descriptors, until the end of the context."""
    limits, held = resource.getrlimit(resource.RLIMIT_NOFILE), []
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, limits[1]))
    try:
        with suppress(OSError):
            while True:
                held.append(os.dup(0))
        for _ in range(spare):
            os.close(held.pop())
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for descriptor in held:
            os.close(descriptor)


@pytest.mark.parametrize("spare", [0, 2, 5])
def test_a_program_for_which_the_service_has_no_descriptors_may_be_started_later(tmp_path, spare):
    with isolated_engine(tmp_path) as kit:
        assert kit.run(Program(code="pass")).result.status is JobStatus.SUCCESS
        request = kit.request(Program(code="print(1)"))

        with _no_more_descriptors_than(spare):
            ended = kit.execute(request, Recorder())

        assert (ended.result.status, ended.is_startable, ended.is_refused) == (JobStatus.FAILED, True, True)
        assert kit.execute(request, Recorder()).stdout == b"1\n"


def test_a_program_for_which_the_host_has_no_process_may_be_started_later(tmp_path):
    with isolated_engine(tmp_path) as kit:
        if not has_cgroups(kit.engine):
            pytest.skip("without control groups, a test cannot limit the processes of all programs")
        request = kit.request(Program(code="print(1)"))
        assert kit.execute(request, Recorder()).stdout == b"1\n"
        outer = Path(kit.engine.sandbox.isolation.cgroups.pids, "pids.max")
        for room in range(2):  # a program and its reaper are two processes
            outer.write_text(str(room))

            ended = kit.execute(request, Recorder())

            assert (ended.result.status, ended.result.reason) == (JobStatus.FAILED, Reason.ENGINE_ERROR)
            assert (ended.is_startable, ended.is_refused) == (True, True), room
        outer.write_text("max")
        assert kit.execute(request, Recorder()).stdout == b"1\n"


def _move(pid, group):
    try:
        (group / "cgroup.procs").write_text(str(pid))
    except PermissionError:
        group.rmdir()
        pytest.skip("an ordinary user moves no process from a session's group into a scope of systemd's")


@contextmanager
def _outliving(cgroups):
    """Start a process as if a program had made itself independent of its supervisor."""
    groups = [Path(directory, "run-left") for directory in cgroups.directories]
    with subprocess.Popen(["sleep", "60"]) as process:
        try:
            for group in groups:
                group.mkdir()
                _move(process.pid, group)
            yield process, groups
        finally:
            process.kill()


def _kill_supervisor(kit):
    os.kill(kit.engine.sandbox.supervisor.pid, signal.SIGKILL)
    assert eventually(lambda: kit.engine.sandbox.supervisor.pid is None)


def _ended(process, groups):
    return process.poll() == -signal.SIGKILL and not any(group.exists() for group in groups)


def test_what_outlives_its_supervisor_ends_before_there_is_another(tmp_path):
    with isolated_engine(tmp_path) as kit:
        if not has_cgroups(kit.engine):
            pytest.skip("there are no control groups by which it could be found")
        with _outliving(kit.engine.sandbox.isolation.cgroups) as left:
            _kill_supervisor(kit)

            assert kit.run(Program(code="print('next')")).stdout == b"next\n"
            assert _ended(*left)


def test_what_outlives_its_supervisor_ends_with_the_engine(tmp_path):
    with isolated_engine(tmp_path) as kit:
        if not has_cgroups(kit.engine):
            pytest.skip("there are no control groups by which it could be found")
        with _outliving(kit.engine.sandbox.isolation.cgroups) as left:
            _kill_supervisor(kit)

            kit.engine.stop()

            assert _ended(*left)


def test_an_engine_leaves_the_programs_of_another_one_alone(tmp_path):
    with isolated_engine(tmp_path / "one") as one, isolated_engine(tmp_path / "other") as other:
        running = one.start(Program(code="import time; print(1, flush=True); time.sleep(60)"))
        assert running.recorder.has_output.wait(90)

        _kill_supervisor(other)
        assert other.run(Program(code="print('next')")).stdout == b"next\n"

        assert not running.end.done()
        one.engine.cancel(running.request.execution_id, running.request.job_id)
        assert running.end.result(5).result.status is JobStatus.CANCELLED


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives programs users of their own")
def test_programs_never_have_the_same_user_at_once_whichever_engine_runs_them(tmp_path):
    waits = Program(code="echo; sleep 61.2345", language="bash")
    with isolated_engine(tmp_path / "one") as one, isolated_engine(tmp_path / "other") as other:
        running = [(kit, kit.start(waits)) for kit in (one, other, one, other)]
        assert all(run.recorder.has_output.wait(90) for _kit, run in running)
        assert eventually(lambda: len(_users_of("61.2345")) == len(running))

        assert len(set(_users_of("61.2345"))) == len(running)

        for kit, run in running:
            kit.engine.cancel(run.request.execution_id, run.request.job_id)
            run.end.result(10)


def _users_of(argument):
    """Return the users of the processes with an argument, as the machine sees them."""
    processes = psutil.process_iter(["cmdline", "uids"])
    return [process.info["uids"].real for process in processes if argument in (process.info["cmdline"] or ())]


def test_a_program_finds_nothing_that_the_one_before_it_left(kit):
    leaves = Program(
        code="""
import os, pathlib, sys
for place in (pathlib.Path.home(), pathlib.Path("/tmp"), pathlib.Path("/dev/shm"), pathlib.Path("/var/tmp")):
    try:
        (place / "left-by-a-tenant").write_text("secret")
    except OSError:
        pass
sys.modules["left_by_a_tenant"] = sys
os.environ["LEFT_BY_A_TENANT"] = "secret"
"""
    )
    looks = Program(
        code="""
import os, pathlib, sys
found = [name for name in os.environ if "LEFT" in name] + [name for name in sys.modules if "left" in name]
for place in (pathlib.Path.home(), pathlib.Path("/tmp"), pathlib.Path("/dev/shm"), pathlib.Path("/var/tmp")):
    found += [str(path) for path in place.glob("left*")]
print(found)
"""
    )
    for _ in range(3):
        assert kit.run(leaves).result.status is JobStatus.SUCCESS
        assert kit.run(looks).stdout == b"[]\n"


def _run_if_installed(kit, program):
    support = next(each for each in kit.engine.languages() if each.language.name == program.language)
    if support.unavailable_because:
        pytest.skip(str(support.unavailable_because))
    return kit.run(program).result


_REFUSED = {"NOFILE": ("n", 1e-12)}


def test_a_machine_whose_shell_cannot_limit_programs_is_refused_at_the_start(tmp_path, monkeypatch):
    monkeypatch.setattr(launch_script, "ULIMITS", launch_script.ULIMITS | _REFUSED)

    with (
        pytest.raises(DependencyUnavailable, match="does not let programs be isolated"),
        isolated_engine(tmp_path),
    ):
        pass


@pytest.mark.parametrize("language", ["python", "c"])
def test_a_box_that_cannot_be_made_is_no_fault_of_the_code(kit, monkeypatch, language):
    monkeypatch.setattr(kit.engine.sandbox.isolation, "_has_plans", False)
    monkeypatch.setattr(launch_script, "ULIMITS", launch_script.ULIMITS | _REFUSED)

    assert _run_if_installed(kit, Program(code="", language=language)).reason is Reason.ENGINE_ERROR


def test_limits_that_cannot_be_set_after_a_build_are_no_fault_of_the_code(kit, monkeypatch):
    monkeypatch.setattr(launch_script, "ULIMITS", launch_script.ULIMITS | {"NPROC": ("p", 1e-12)})

    result = _run_if_installed(kit, Program(code="int main() {}", language="c"))

    assert result.reason is Reason.ENGINE_ERROR


def test_a_program_that_may_have_one_process_is_built_with_more(kit):
    program = Program(code="int main() { return 0; }", language="c", limits={"processes": 1})

    result = _run_if_installed(kit, program)

    assert result.status is JobStatus.SUCCESS, result


def test_a_machine_whose_processors_have_changed_still_runs_programs(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {1023})

    with isolated_engine(tmp_path) as kit:
        assert kit.run(Program(code="print(1)")).stdout == b"1\n"


@pytest.mark.parametrize("warm_starts", [0, 1])
def test_a_program_leads_its_process_group_and_ends_it(tmp_path, warm_starts):
    code = (
        "import os, signal\n"
        "print(os.getpgrp() == os.getpid(), flush=True)\n"
        "child = os.fork() or signal.pause()\n"
        "os.killpg(os.getpgrp(), signal.SIGTERM)\n"
    )
    with running_engine(tmp_path / "work", warm_starts=warm_starts) as kit:
        ended = kit.run(Program(code=code))

    assert (ended.stdout, ended.result.signal) == (b"True\n", signal.SIGTERM), ended.result
