from adapters.local_engine.stages import parked, staged

_LIMITS = {"CPU": (2, 3), "AS": (64 << 20, 64 << 20), "CORE": (0, 0)}


def test_a_program_without_a_build_only_announces_its_start():
    _, _, script, *rest = staged([], ["/bin/program", "$(id)"], _LIMITS)

    assert script.splitlines() == ["echo >&3", "exec 3>&-", 'exec "$@"']
    assert rest == ["sh", "/bin/program", "$(id)"]


def test_a_build_comes_first_and_leaves_the_programs_limits():
    _, _, script, *_ = staged(["cc", "a file.c"], ["./program"], _LIMITS)

    assert script.splitlines() == [
        "cc 'a file.c' >&2 3>&- || exit",
        "exec 8<&-",
        "ulimit -t 2",
        "ulimit -v 65536",
        "echo >&3",
        "exec 3>&-",
        'exec "$@"',
    ]


def test_a_shell_that_stays_keeps_quiet_and_hands_nothing_on():
    _, _, script, *_ = staged([], ["./program"], _LIMITS, processes=8)

    assert script.splitlines()[1:] == [
        "ulimit -p 8",
        "exec 4>&2 2>&3",
        '(exec 2>&4 4>&- 3>&-; exec "$@")',
        "exit",
    ]


def test_a_parked_program_keeps_the_stage_to_announce_itself():
    _, _, script, *rest = parked(["./program", "a b"])

    assert script.splitlines() == ["exec 4>&2 2>&3", '(exec 2>&4 4>&-; exec "$@")', "exit"]
    assert rest == ["sh", "./program", "a b"]
