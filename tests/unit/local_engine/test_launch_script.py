import os
import resource
import shutil
import subprocess
import sys
from contextlib import ExitStack

import pytest

from adapters.local_engine.sandbox.launch_script import (
    attainable,
    launch_script,
    option_of_processes,
    prewarm_script,
)

_LIMITS = {"CPU": (2, 3), "AS": (64 << 20, 64 << 20), "NOFILE": (64, 64)}
_LIMITED = [
    "ulimit -St 2 && ulimit -Ht 3 || exit",
    "ulimit -Sv 65536 && ulimit -Hv 65536 || exit",
    "ulimit -Sn 64 && ulimit -Hn 64 || exit",
]
_MODES = "umask 022"
_REPORTED = ['echo \'{"status":"ready"}\' >&3 || exit', "read start <&7 || exit", "exec 7<&-"]


@pytest.fixture(autouse=True)
def _no_ceilings(monkeypatch):
    """Let this machine's own limits be none."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY,) * 2)


def test_a_program_without_a_build_is_limited_and_waits_for_the_word_to_start():
    _, _, script, *rest = launch_script([], ["/bin/program", "$(id)"], _LIMITS)

    assert script.splitlines() == [_MODES, *_LIMITED, *_REPORTED, "exec 3>&-", 'exec "$@"']
    assert rest == ["sh", "/bin/program", "$(id)"]


def test_a_build_comes_first_with_limits_of_its_own():
    build = {"CPU": (60, 61)}

    _, _, script, *_ = launch_script(["cc", "a file.c"], ["./program"], _LIMITS, build_rlimits=build)

    assert script.splitlines() == [
        _MODES,
        "(",
        "ulimit -St 60 && ulimit -Ht 61 || exit",
        'echo \'{"status":"building"}\' >&3 || exit',
        "exec >&9 2>&1 9>&-",
        "exec cc 'a file.c' 3>&- 7<&-",
        ") || exit",
        "[ $$ != 1 ] || while kill -s KILL -- -1 2>/dev/null; do (:); done",
        'echo \'{"status":"built"}\' >&3 || exit',
        "exec 8<&- 9>&-",
        *_LIMITED,
        *_REPORTED,
        "exec 3>&-",
        'exec "$@"',
    ]


def test_control_groups_are_joined_before_anything_else():
    _, _, script, *_ = launch_script([], ["./program"], _LIMITS, groups=2)

    assert script.splitlines()[:6] == [
        "echo 0 >&4 || exit",
        "exec 4>&-",
        "echo 0 >&5 || exit",
        "exec 5>&-",
        _MODES,
        _LIMITED[0],
    ]


def test_a_prewarmed_program_gives_its_hook_a_status_pipe():
    _, _, script, *rest = prewarm_script(["./program", "a b"], {"NOFILE": (64, 64)}, groups=1)

    assert script.splitlines() == [
        "echo 0 >&4 || exit",
        "exec 4>&-",
        _MODES,
        _LIMITED[-1],
        "exec 8>&3",
        'exec "$@"',
    ]
    assert rest == ["sh", "./program", "a b"]


def test_a_reaper_stands_between_and_keeps_the_status_pipe():
    _, _, script, *rest = launch_script([], ["./program"], {}, reaper="/reaper")
    _, _, waiting, *_ = prewarm_script(["./program"], {}, reaper="/reaper")

    assert rest == ["sh", "/reaper", "./program"]
    assert script.splitlines()[-2:] == ["exec 7<&-", 'exec "$@"']
    assert waiting.splitlines()[-2:] == ["exec 8>&3", 'exec "$@"']


def test_no_limit_is_above_the_one_that_is_in_force(monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1_024, 4_096))

    assert attainable({"NOFILE": (8_192, 8_192), "CPU": (2, 3)}) == {"NOFILE": (4_096, 4_096), "CPU": (2, 3)}


@pytest.mark.parametrize("build", [[], ["/bin/mkdir", "built"]])
@pytest.mark.parametrize("gone", [3, 7])
def test_a_program_whose_supervisor_is_gone_does_not_start(tmp_path, build, gone):
    with ExitStack() as stack:
        ends = {3: os.pipe()[::-1], 7: os.pipe(), 9: os.pipe()[::-1]}
        for number, (theirs, ours) in ends.items():
            stack.callback(os.close, theirs)
            if number == gone:
                os.close(ours)
            else:
                stack.callback(os.close, ours)
        argv = launch_script(build, ["/bin/mkdir", "run"], {})
        numbered = "".join(f"os.dup2({theirs}, {number}); " for number, (theirs, _) in ends.items())
        boot = f"import os, sys; {numbered}os.execv(sys.argv[1], sys.argv[1:])"
        inherited = [theirs for theirs, _ in ends.values()]

        subprocess.run([sys.executable, "-c", boot, *argv], cwd=tmp_path, pass_fds=inherited, check=False)

    assert [path.name for path in tmp_path.iterdir()] == (["built"] if build and gone == 7 else [])


@pytest.mark.parametrize("name", ["dash", "bash"])
def test_each_shell_limits_processes_by_its_own_option(tmp_path, name):
    if (shell := shutil.which(name)) is None:
        pytest.skip(f"{name} is not installed")
    link = tmp_path / "sh"
    link.symlink_to(shell)
    line = f"ulimit -S{option_of_processes(link)} 10 && grep processes /proc/self/limits"

    said = subprocess.run([link, "-c", line], stdout=subprocess.PIPE, text=True, check=True).stdout

    assert said.split()[2] == "10"
