"""Hostile programs against the sandbox, as the user who runs the tests and, from root, as an ordinary one."""

import json
import os
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.attack.attacks import corpus
from tests.support.ordinary_user import command, copy_engine, with_subordinate_ids
from tests.support.sandbox import CGROUPS_REQUIRED, require_bubblewrap

_ROOT = Path(__file__).parents[2]
_TARGET = "tests.attack.target"
# The attacks at which it matters that programs have users of their own.
_ON_USERS = {
    *(
        "use_what_is_counted_for_a_user",
        "kill_everything",
        "look_at_processes",
        "read_secrets",
        "gain_rights",
    ),
    *("write_first_process", "traps_for_the_host", "lock_what_others_see", "find_what_one_beside_it_has"),
    *("fork_until_refused", "memory_bomb", "close_descriptors"),
}
# And these at which it matters who makes the sandbox.
_BOTH_WAYS = _ON_USERS | {
    *(
        "reach_the_network",
        "call_the_kernel",
        "look_at_the_machine",
        "raise_own_limits",
        "dump_core",
        "daemon",
    ),
    *("find_what_an_earlier_one_left", "shadow_modules", "exhaust_descriptors", "stop_itself"),
}
# The attacks at which it matters that programs have the user id of root, but for ones that would change the
# machine.
_AS_ROOT = {"look_at_the_machine", "look_at_processes", "read_secrets", "call_the_kernel"}
# The capabilities of root in a container, if its engine was given no others (capabilities(7)).
_OF_A_CONTAINER = (
    "-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap,+net_bind_service,+net_raw,"
    "+sys_chroot,+mknod,+audit_write,+setfcap"
)


def _as_we_are(_directory):
    required = ["--cgroups"] if os.environ.get(CGROUPS_REQUIRED) == "true" else []
    return [sys.executable, "-m", _TARGET, *required], _ROOT


def _as_nobody(directory):
    copy_engine(directory)
    return command(_TARGET), directory


def _as_nobody_with_ids(directory):
    copy_engine(directory)
    return [*with_subordinate_ids(command(_TARGET), directory), "--own-users"], directory


def _as_root_of_a_container(_directory):
    return ["setpriv", "--bounding-set", _OF_A_CONTAINER, sys.executable, "-m", _TARGET], _ROOT


_USERS = {"as_we_are": _as_we_are}
if os.geteuid() == 0:
    _USERS |= {"as_nobody": _as_nobody, "as_nobody_with_ids": _as_nobody_with_ids}
    _USERS |= {"as_root_of_a_container": _as_root_of_a_container}


@contextmanager
def _started(user, *options):
    with TemporaryDirectory(prefix="service-server-copy-") as directory:
        Path(directory).chmod(0o755)
        command, where = _USERS[user](Path(directory))
        process = subprocess.Popen(
            [*command, *options], cwd=where, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        with process:
            yield process
            process.stdin.close()
        assert process.returncode == 0


@pytest.fixture(scope="module")
def targets():
    """Start a target for each user and way to start programs when it is first asked for."""
    require_bubblewrap()
    with ExitStack() as stack:
        yield cache(lambda *how: stack.enter_context(_started(*how)))


def _attempts():
    """Every attack by every user, and also warm if it can be seen in a warm start.

    Where it matters who makes the sandbox, bubblewrap and launch plans are both attacked. On hosts without
    plans, bubblewrap also makes the sandboxes of warm starts.
    """
    for user in _USERS:
        for attack in corpus().values():
            if user == "as_root_of_a_container" and attack.name not in _AS_ROOT:
                continue
            if attack.name in _BOTH_WAYS:
                yield pytest.param(attack.name, (user, "--swapped"), id=f"{user}-swapped-{attack.name}")
            if user == "as_root_of_a_container":
                yield pytest.param(attack.name, (user,), id=f"{user}-{attack.name}")
                continue
            if user == "as_nobody_with_ids":
                if attack.name in _ON_USERS:
                    yield pytest.param(attack.name, (user,), id=f"{user}-{attack.name}")
                continue
            yield pytest.param(attack.name, (user,), id=f"{user}-{attack.name}")
            if attack.language == "python":
                yield pytest.param(attack.name, (user, "--warm"), id=f"{user}-warm-{attack.name}")
                if attack.name in _BOTH_WAYS:
                    how = (user, "--warm", "--without-plans")
                    yield pytest.param(attack.name, how, id=f"{user}-warm-without-plans-{attack.name}")


@pytest.mark.parametrize(("name", "how"), list(_attempts()))
def test_the_sandbox_withstands(targets, name, how):
    target = targets(*how)
    target.stdin.write(f"{name}\n")
    target.stdin.flush()
    problems = json.loads(target.stdout.readline())

    if problems and problems[0].startswith("skip: "):
        pytest.skip(problems[0].removeprefix("skip: "))
    assert problems == []
