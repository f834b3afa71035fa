"""Sandboxes that the reaper makes by a plan: the same as bubblewrap's."""

import errno
import json
import os
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from adapters.local_engine.built_program import LocalProgram
from adapters.local_engine.sandbox import launch_plan
from adapters.local_engine.sandbox.bubblewrap import Bubblewrap
from adapters.local_engine.sandbox.supervisor.scheduling import PROGRAM_NICE
from application.ports.execution_engine import CaseInput
from domain.job_lifecycle import JobStatus, Reason
from tests.contract.engine_kit.harness import EngineUnderTest, Program, Recorder
from tests.support.sandbox import running_engine

pytestmark = pytest.mark.skipif(not launch_plan.is_known(), reason="the reaper has no plans for this machine")

# All that a program can tell of its sandbox, but for figures that differ from one run to the next.
_LOOK = """
import json, os, socket, sys
def read(path):
    try:
        with open(path) as file:
            return file.read()
    except OSError as error:
        return error.strerror
def mode(path):
    status = os.lstat(path)
    return [path, oct(status.st_mode), status.st_uid, status.st_gid]
kept = ("Uid", "Gid", "Groups", "Cap", "NoNewPrivs", "Seccomp", "Sig", "Shd", "Umask", "NSpid", "NSsid")
tops = ("/", "/etc", "/dev", "/tmp", ".")
server = socket.create_server(("127.0.0.1", 0))
print(json.dumps({
    "status": [line for line in read("/proc/self/status").splitlines() if line.startswith(kept)],
    "mounts": [line.split()[4:6] for line in read("/proc/self/mountinfo").splitlines()],
    "environment": dict(os.environ),
    "arguments": sys.argv[1:],
    "limits": read("/proc/self/limits"),
    "maps": [read(f"/proc/self/{name}").split()[::2] for name in ("uid_map", "gid_map", "setgroups")],
    "descriptors": sorted(os.listdir("/proc/self/fd")),
    "host": list(os.uname()),
    "ids": [os.getpid(), os.getppid(), os.getsid(0), os.getpgid(0)],
    "directory": os.getcwd(),
    "files": [mode(f"{top}/{name}") for top in tops for name in sorted(os.listdir(top))],
    "proc": [mode(f"/proc/{name}")[:2] for name in sorted(os.listdir("/proc")) if not name.isdigit()],
    "covered": [read(f"/proc/{name}") for name in ("cmdline", "keys", "locks", "interrupts")],
    "first process": [mode("/proc/1/mem"), read("/proc/1/environ"), read("/proc/1/maps")],
    "network": [line.split(":")[0].strip() for line in read("/proc/net/dev").splitlines()],
    "loopback": socket.create_connection(server.getsockname()).getpeername()[0],
    "namespaces": [mode(f"/proc/self/ns/{name}")[1:] for name in sorted(os.listdir("/proc/self/ns"))],
    "priority": [os.getpriority(os.PRIO_PROCESS, 0), read("/proc/self/oom_score_adj")],
    "secret": os.environ.get("SECRET"),
}))
"""


# One of them mostly starts before the supervisor gets to do something about it.
_RUNS = 8
# execve(2), MAX_ARG_STRLEN, without the end of the argument
_LONGEST_ARGUMENT = (128 << 10) - 1


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineUnderTest]:
    with running_engine(tmp_path_factory.mktemp("plans")) as kit:
        yield kit


@pytest.fixture
def bubblewrap(kit: EngineUnderTest) -> Bubblewrap:
    isolation = kit.engine.sandbox.isolation  # type: ignore[attr-defined]
    assert isinstance(isolation, Bubblewrap)
    return isolation


def _built(kit: EngineUnderTest, program: Program) -> LocalProgram:
    built = kit.engine.build(kit.request(program), Recorder())
    assert isinstance(built, LocalProgram), built
    return built


def _seen(built: LocalProgram) -> dict[str, object]:
    given = CaseInput(stdin=b"", args=None, limits=built.limits)
    with built.run(given) as report:
        assert report.result.status is JobStatus.SUCCESS, report.result
        assert report.stdout is not None
        seen: dict[str, object] = json.load(report.stdout)
        return seen


def test_a_program_sees_the_same_as_in_a_sandbox_of_bubblewraps(
    kit: EngineUnderTest, bubblewrap: Bubblewrap, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = Program(
        code=_LOOK,
        args=("a b", ""),
        env={"NAME": "a value"},
        secrets={"SECRET": "s3cret"},
        limits={"processes": 7, "open_files": 99, "file_size_mb": 3},
        files={"data/more.txt": b"more"},
        entry="main.py",
    )
    with closing(_built(kit, program)) as built:
        assert bubblewrap.starts_at_once(built.program)
        by_plan = _seen(built)
        monkeypatch.setattr(bubblewrap, "_has_plans", False)
        assert not bubblewrap.starts_at_once(built.program)
        by_bubblewrap = _seen(built)

    assert by_plan["secret"] == "s3cret"
    for seen in (by_plan, by_bubblewrap):
        # A plan is executed by one more process.
        seen["limits"], more = re.subn(r"(?m)^Max processes .*\n", "", str(seen["limits"]))
        assert more == 1
        # Of the empty files that cover others: bubblewrap adds nodev to what is a plain file, read-only.
        seen["mounts"] = [
            [path, flags.replace("nodev,", "") if path.startswith("/proc/") else flags]
            for path, flags in seen["mounts"]  # type: ignore[attr-defined]
        ]
    assert by_plan == by_bubblewrap


@pytest.mark.parametrize("is_planned", [True, False])
def test_a_program_gives_way_where_no_control_group_shares_the_processors(
    kit: EngineUnderTest, bubblewrap: Bubblewrap, monkeypatch: pytest.MonkeyPatch, *, is_planned: bool
) -> None:
    monkeypatch.setattr(bubblewrap, "_has_plans", is_planned)
    if bubblewrap.cgroups is not None:
        monkeypatch.setattr(bubblewrap, "cgroups", replace(bubblewrap.cgroups, shares=None))
    program = Program(code="import os; print(*(os.getpriority(os.PRIO_PROCESS, pid) for pid in (0, 1)))")
    with closing(_built(kit, program)) as built:
        assert bubblewrap.starts_at_once(built.program) == is_planned
        given = CaseInput(stdin=b"", args=None, limits=built.limits)
        for _ in range(_RUNS):
            with built.run(given) as report:
                assert report.result.stdout.text == f"{PROGRAM_NICE} {PROGRAM_NICE}\n"


@pytest.mark.parametrize("is_planned", [True, False])
def test_a_program_has_as_many_processes_as_it_may_and_an_excess_one_is_named(
    kit: EngineUnderTest, bubblewrap: Bubblewrap, monkeypatch: pytest.MonkeyPatch, *, is_planned: bool
) -> None:
    monkeypatch.setattr(bubblewrap, "_has_plans", is_planned)
    code = """
import os, sys
for _ in range(int(sys.stdin.read())):
    if os.fork() == 0:
        os.read(os.pipe()[0], 1)
        os._exit(0)
    print("one more", flush=True)
"""
    with closing(_built(kit, Program(code=code, limits={"processes": 3}))) as built:
        for more, reason in ((b"2", None), (b"3", Reason.PROCESS_LIMIT)):
            given = CaseInput(stdin=more, args=None, limits=built.limits)
            with built.run(given) as report:
                assert report.result.stdout.text == "one more\n" * 2
                if reason is None or bubblewrap.cgroups is not None:
                    assert report.result.reason == reason


@pytest.mark.parametrize("is_planned", [True, False])
def test_a_program_starts_with_the_longest_argument_and_is_not_started_with_a_longer_one(
    kit: EngineUnderTest, bubblewrap: Bubblewrap, monkeypatch: pytest.MonkeyPatch, *, is_planned: bool
) -> None:
    monkeypatch.setattr(bubblewrap, "_has_plans", is_planned)
    code = "import sys; print(len(sys.argv[1]))"

    longest = kit.run(Program(code=code, args=("a" * _LONGEST_ARGUMENT,))).result
    longer = kit.run(Program(code=code, args=("a" * (_LONGEST_ARGUMENT + 1),))).result

    assert longest.stdout.text == f"{_LONGEST_ARGUMENT}\n"
    assert (longer.reason, longer.resource) == (Reason.ENGINE_ERROR, None)
    assert os.strerror(errno.E2BIG) in (longer.error_message or "")


def test_a_program_whose_filter_the_kernel_refuses_was_never_started(
    kit: EngineUnderTest, bubblewrap: Bubblewrap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bubblewrap, "_filter", b"\xff" * 8)
    with closing(_built(kit, Program(code="print('never')"))) as built:
        monkeypatch.setattr(bubblewrap, "_has_plans", True)
        given = CaseInput(stdin=b"", args=None, limits=built.limits)
        with built.run(given) as report:
            assert report.result.reason is Reason.ENGINE_ERROR
            assert "the kernel refused to install the seccomp filter" in (report.result.error_message or "")


def test_a_call_that_the_kernel_refuses_ends_the_start_with_its_purpose(
    kit: EngineUnderTest, bubblewrap: Bubblewrap, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = (("/proc/cmdline", "/nowhere"),)
    monkeypatch.setattr(bubblewrap, "_proc_masks", nowhere)
    with closing(_built(kit, Program(code="print('never')"))) as built:
        given = CaseInput(stdin=b"", args=None, limits=built.limits)
        with built.run(given) as report:
            assert report.result.reason is Reason.ENGINE_ERROR
            assert report.result.error_message is not None
            assert re.search(
                "could not be made.* the kernel refused to mount .*/proc/cmdline", report.result.error_message
            )
            assert report.result.stdout.text == ""


def test_bubblewrap_starts_cases_where_plans_fail(
    kit: EngineUnderTest, bubblewrap: Bubblewrap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bubblewrap, "_has_plans", True)
    bubblewrap.drop_plans("the kernel refused to create the namespaces")
    with closing(_built(kit, Program(code="print(open('/proc/1/cmdline').read())"))) as built:
        given = CaseInput(stdin=b"", args=None, limits=built.limits)
        with built.run(given) as report:
            assert "python3" in report.result.stdout.text
