import os
import resource
import shutil
import subprocess
import sys

import pytest

from adapters.local_engine.stages import attainable, option_of_processes, parked, staged

_LIMITS = {"CPU": (2, 3), "AS": (64 << 20, 64 << 20), "CORE": (0, 0)}
_LIMITED = [
    "ulimit -St 2 && ulimit -Ht 3 || exit",
    "ulimit -Sv 65536 && ulimit -Hv 65536 || exit",
    "ulimit -Sc 0 && ulimit -Hc 0 || exit",
]
_ANNOUNCED = "echo >&3 || exit"


@pytest.fixture(autouse=True)
def _no_ceilings(monkeypatch):
    """Let this machine's own limits be none."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY,) * 2)


def test_a_program_without_a_build_is_limited_and_announces_its_start():
    _, _, script, *rest = staged([], ["/bin/program", "$(id)"], _LIMITS)

    assert script.splitlines() == [*_LIMITED, _ANNOUNCED, "exec 3>&-", 'exec "$@"']
    assert rest == ["sh", "/bin/program", "$(id)"]


def test_a_build_comes_first_with_limits_of_its_own():
    build = {"CPU": (60, 61)}

    _, _, script, *_ = staged(["cc", "a file.c"], ["./program"], _LIMITS, build_rlimits=build)

    assert script.splitlines() == [
        "(",
        "ulimit -St 60 && ulimit -Ht 61 || exit",
        "echo build >&3 || exit",
        "exec cc 'a file.c' >&2 3>&-",
        ") || exit",
        "echo built >&3 || exit",
        "exec 8<&-",
        *_LIMITED,
        _ANNOUNCED,
        "exec 3>&-",
        'exec "$@"',
    ]


def test_control_groups_are_joined_before_anything_else():
    _, _, script, *_ = staged([], ["./program"], _LIMITS, groups=2)

    assert script.splitlines()[:5] == [
        "echo 0 >&4 || exit",
        "exec 4>&-",
        "echo 0 >&5 || exit",
        "exec 5>&-",
        _LIMITED[0],
    ]


def test_a_shell_that_stays_keeps_quiet_and_hands_nothing_on():
    _, _, script, *_ = staged([], ["./program"], {}, stays=True)

    assert script.splitlines() == [
        _ANNOUNCED,
        "exec 4>&2 2>&3",
        '(exec 2>&4 4>&- 3>&-; exec "$@")',
        "exit",
    ]


def test_a_parked_program_keeps_the_stage_to_announce_itself():
    _, _, script, *rest = parked(["./program", "a b"], {"CORE": (0, 0)}, groups=1)

    assert script.splitlines() == [
        "echo 0 >&4 || exit",
        "exec 4>&-",
        _LIMITED[-1],
        "exec 4>&2 2>&3",
        '(exec 2>&4 4>&-; exec "$@")',
        "exit",
    ]
    assert rest == ["sh", "./program", "a b"]


def test_no_limit_is_above_the_one_that_is_in_force(monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1_024, 4_096))

    assert attainable({"NOFILE": (8_192, 8_192), "CPU": (2, 3)}) == {"NOFILE": (4_096, 4_096), "CPU": (2, 3)}


@pytest.mark.parametrize("stays", [False, True])
@pytest.mark.parametrize("build", [[], ["/bin/mkdir", "built"]])
def test_nothing_begins_once_nobody_hears_of_it(tmp_path, build, stays):
    reader, writer = os.pipe()
    os.close(reader)
    argv = staged(build, ["/bin/mkdir", "run"], {}, stays=stays)
    at_stage = f"import os, sys; os.dup2({writer}, 3); os.execv(sys.argv[1], sys.argv[1:])"

    subprocess.run([sys.executable, "-c", at_stage, *argv], cwd=tmp_path, pass_fds=[writer], check=False)

    os.close(writer)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["dash", "bash"])
def test_each_shell_limits_processes_by_its_own_option(tmp_path, name):
    if (shell := shutil.which(name)) is None:
        pytest.skip(f"{name} is not installed")
    link = tmp_path / "sh"
    link.symlink_to(shell)
    line = f"ulimit -S{option_of_processes(link)} 10 && grep processes /proc/self/limits"

    said = subprocess.run([link, "-c", line], stdout=subprocess.PIPE, text=True, check=True).stdout

    assert said.split()[2] == "10"
