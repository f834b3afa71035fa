"""Hosts that isolate programs in another way than usual, or cannot, and the engine's words about it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import refusing, service
from tests.support.engine_process import run_under
from tests.support.sandbox import require_bubblewrap

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root may arrange this")
AS_ROOT_OF_A_NAMESPACE = ("unshare", "--user", "--map-root-user")
# Of the kinds of hosts, this can be seen from anywhere.
AS_SEEN_BY_KUBERNETES = {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}
TRIAL = """
from adapters.common.obstacles import explain
from adapters.local_engine.sandbox.trial import find_refusal
print(explain(find_refusal()))
"""
# Every /proc of the machine would do for a new one, so the one that is covered is the only one.
COVERED = """
for each in $(findmnt --raw --noheadings --types proc --output TARGET); do
    [ "$each" = /proc ] || umount --lazy "$each"
done
mount -t tmpfs none /proc/irq && exec "$@"
"""


def without(limit):
    return (*AS_ROOT_OF_A_NAMESPACE, "sh", "-c", f'echo 0 >/proc/sys/user/{limit} && exec "$@"', "sh")


def filtered(kind):
    return (sys.executable, refusing.__file__, kind)


@pytest.fixture(autouse=True)
def bubblewrap():
    require_bubblewrap()


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(AS_ROOT_OF_A_NAMESPACE, id="of a user namespace"),
        pytest.param(
            ("setpriv", "--bounding-set=-sys_admin"), id="without the capability to mount", marks=ROOT_ONLY
        ),
    ],
)
def test_root_without_privileges_isolates_programs_as_an_ordinary_user_does(command):
    ran = run_under(command)

    assert (ran["trouble"], ran.get("stdout")) == (None, "42\n")


def test_no_system_call_is_needed_that_linux_5_3_lacks():
    older = filtered("calls after Linux 5.3")
    alone = subprocess.run(
        [*older, "bwrap", "--bind", "/", "/", "true"], check=False, capture_output=True, text=True
    )
    if alone.returncode != 0:
        pytest.skip(f"this machine's bubblewrap itself needs a later kernel: {alone.stderr}")

    ran = run_under(older)

    assert (ran["trouble"], ran.get("stdout")) == (None, "42\n")


@ROOT_ONLY
def test_root_needs_no_more_capabilities_than_are_documented():
    documented = "+chown,+kill,+setgid,+setuid,+sys_admin,+sys_chroot"

    ran = run_under(("setpriv", f"--bounding-set=-all,{documented}", "--inh-caps=-all"))

    assert (ran["trouble"], ran.get("stdout")) == (None, "42\n")


@ROOT_ONLY
def test_root_with_privileges_needs_no_proc_that_is_not_covered():
    ran = run_under(("unshare", "--mount", "sh", "-c", COVERED, "sh"))

    assert (ran["trouble"], ran.get("stdout")) == (None, "42\n")


@pytest.mark.parametrize(
    ("command", "cause", "remedy"),
    [
        pytest.param(
            without("max_user_namespaces"),
            "user.max_user_namespaces is 0",
            "sysctl -w user.max_user_namespaces=",
            id="no user namespaces",
        ),
        pytest.param(
            without("max_net_namespaces"),
            "user.max_net_namespaces is 0",
            "sysctl -w user.max_net_namespaces=",
            id="no network namespaces",
        ),
        pytest.param(
            filtered("namespaces"),
            " namespace: operation not permitted)",
            "localhostProfile: seccomp.json",
            id="a filter of namespaces",
        ),
        pytest.param(
            filtered("host names"),
            "(a host name of its own: operation not permitted)",
            "localhostProfile: seccomp.json",
            id="a filter of host names",
        ),
        pytest.param(
            filtered("mounts"),
            ": operation not permitted)",
            "localhostProfile: seccomp.json",
            id="a filter of mounts",
        ),
        pytest.param(
            filtered("calls of Linux 5.3"),
            "(a descriptor of a process: function not implemented)",
            "localhostProfile: seccomp.json",
            id="a filter of descriptors of processes",
        ),
        pytest.param(
            filtered("roots"),
            "(a root directory of its own: operation not permitted)",
            "localhostProfile: seccomp.json",
            id="a filter of root directories",
        ),
        pytest.param(
            filtered("mounts, by death"),
            ": the process is killed)",
            "localhostProfile: seccomp.json",
            id="a filter that kills",
        ),
        pytest.param(
            ("unshare", "--mount", "sh", "-c", COVERED, "sh", *AS_ROOT_OF_A_NAMESPACE),
            "parts of /proc are covered (/proc/irq)",
            "procMount: Unmasked",
            id="a covered /proc",
            marks=ROOT_ONLY,
        ),
        pytest.param(
            ("setpriv", "--bounding-set=-all", "--inh-caps=-all"),
            "without the capability SETFCAP",
            "runAsUser: 10001",
            id="root without capabilities",
            marks=ROOT_ONLY,
        ),
    ],
)
def test_what_forbids_isolation_is_named_with_what_helps(command, cause, remedy):
    tried = subprocess.run(
        [*command, sys.executable, "-c", TRIAL],
        cwd=service.ROOT,
        env=os.environ | AS_SEEN_BY_KUBERNETES,
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=True,
    )

    assert cause in tried.stdout
    assert remedy in tried.stdout


def test_an_engine_that_cannot_isolate_says_what_forbids_it_and_what_helps():
    trouble = run_under(without("max_user_namespaces"), env=AS_SEEN_BY_KUBERNETES)["trouble"]

    assert trouble == (
        "this machine does not let programs be isolated: the kernel parameter user.max_user_namespaces is 0, "
        "which forbids such namespaces; 'sysctl -w user.max_user_namespaces=15000' on the container's host "
        "allows more; SERVICE_SERVER_SANDBOX=off runs programs without isolation, for development"
    )


@ROOT_ONLY
def test_a_lack_of_processes_is_no_lack_of_control_groups():
    groups = [Path("/sys/fs/cgroup/pids"), Path("/sys/fs/cgroup")]
    parent = next(group for group in groups if group.is_dir())
    group = parent / f"service-server-test-{os.getpid()}"
    group.mkdir()
    try:
        (group / "pids.max").write_text("4")
        trouble = run_under(
            ("sh", "-c", f'echo $$ >{group}/cgroup.procs && exec "$@"', "sh"),
            env=AS_SEEN_BY_KUBERNETES,
        )["trouble"]
    finally:
        group.rmdir()

    assert "no further process or thread may be started; raise podPidsLimit" in trouble
