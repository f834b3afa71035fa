import resource

import pytest

from adapters.local_engine.stages import attainable, parked, staged

_LIMITS = {"CPU": (2, 3), "AS": (64 << 20, 64 << 20), "CORE": (0, 0)}
_LIMITED = [
    "ulimit -St 2 && ulimit -Ht 3 || exit",
    "ulimit -Sv 65536 && ulimit -Hv 65536 || exit",
    "ulimit -Sc 0 && ulimit -Hc 0 || exit",
]


@pytest.fixture(autouse=True)
def _no_ceilings(monkeypatch):
    """Let this machine's own limits be none."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY,) * 2)


def test_a_program_without_a_build_is_limited_and_announces_its_start():
    _, _, script, *rest = staged([], ["/bin/program", "$(id)"], _LIMITS)

    assert script.splitlines() == [*_LIMITED, "echo >&3", "exec 3>&-", 'exec "$@"']
    assert rest == ["sh", "/bin/program", "$(id)"]


def test_a_build_comes_first_with_limits_of_its_own():
    build = {"CPU": (60, 61)}

    _, _, script, *_ = staged(["cc", "a file.c"], ["./program"], _LIMITS, build_rlimits=build)

    assert script.splitlines() == [
        "ulimit -St 60 && ulimit -Ht 61 || exit",
        "cc 'a file.c' >&2 3>&- || exit",
        "exec 8<&-",
        *_LIMITED,
        "echo >&3",
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
        "echo >&3",
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
