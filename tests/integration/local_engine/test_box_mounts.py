"""Files that all programs and the machine itself see: locks on them, and changes of devices."""

import fcntl
import os
import re
from contextlib import contextmanager
from pathlib import Path

import pytest

from adapters.local_engine.sandbox import rootfs
from adapters.local_engine.sandbox.supervisor import box_mounts
from adapters.local_engine.sandbox.supervisor.box_mounts import BoxMountsPool
from adapters.local_engine.sandbox.supervisor.privileges import has_privileges
from adapters.local_engine.sandbox.supervisor.protocol import Rootfs
from tests.contract.engine_kit.harness import Program
from tests.support.sandbox import isolated_engine

# The descriptors stay open: each lock lasts as long as its file is.
_LOCKS = """
import fcntl, os, struct, time
held = []
def lock(path, mode, take):
    held.append(os.open(path, mode))
    try:
        take(held[-1])
    except OSError as error:
        print(path, mode, error.strerror)
whole = lambda kind: struct.pack("hhqqi4x", kind, 0, 0, 0, 0)
for path in PATHS:
    lock(path, os.O_RDONLY, lambda file: fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB))
    mode, kind = (os.O_RDWR, fcntl.F_WRLCK) if path.startswith("/dev/") else (os.O_RDONLY, fcntl.F_RDLCK)
    lock(path, mode, lambda file: fcntl.fcntl(file, fcntl.F_OFD_SETLK, whole(kind)))
print("done", flush=True)
time.sleep(STAYS)
"""
_OF_THE_MACHINE = ("/usr/bin/env", "/usr/bin", "/etc/ssl/certs", "/etc/ld.so.cache")
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    with isolated_engine(tmp_path_factory.mktemp("engine")) as kit:
        yield kit


def _paths():
    """The machine's own devices are an ordinary user's, and all of its programs' (mknod(2))."""
    shared = (*_OF_THE_MACHINE, *(_DEVICES if has_privileges() else ()))
    return [path for path in shared if Path(path).exists()]


def _locks(stays):
    return Program(code=_LOCKS.replace("PATHS", repr(_paths())).replace("STAYS", str(stays)))


@contextmanager
def _running(kit, program):
    running = kit.start(program)
    assert running.recorder.has_output.wait(10)
    try:
        yield
    finally:
        kit.engine.cancel(running.request.execution_id, running.request.job_id)
        assert running.end.result(10).stdout == b"done\n"


def test_a_lock_of_a_program_is_no_other_s(kit):
    with _running(kit, _locks(stays=60)):
        assert kit.run(_locks(stays=0)).stdout == b"done\n"


def test_a_lock_of_a_program_does_not_stop_the_machine_and_the_machine_s_none_of_it(kit):
    with _running(kit, _locks(stays=60)):
        files = [os.open(path, os.O_RDONLY) for path in _paths()]
        try:
            for file in files:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            assert kit.run(_locks(stays=0)).stdout == b"done\n"
        finally:
            for file in files:
                os.close(file)


def test_no_program_changes_a_device(kit):
    code = f"""
import os
for device in {_DEVICES}:
    try:
        os.utime(device, (1, 1))
        print(device)
    except OSError: pass
    try:
        os.utime(device)
        print(device)
    except OSError: pass
    open(device, "r+b", buffering=0).close()
open("/dev/null", "w").write("gone")
print(open("/dev/zero", "rb").read(3), len(open("/dev/urandom", "rb").read(3)))
"""
    before = [Path(device).stat().st_mtime_ns for device in _DEVICES]

    assert kit.run(Program(code=code)).stdout == b"b'\\x00\\x00\\x00' 3\n"
    assert [Path(device).stat().st_mtime_ns for device in _DEVICES] == before


def test_no_name_of_the_machine_s_is_in_the_mounts_of_a_program(kit):
    if not has_privileges():
        pytest.skip("an ordinary user mounts the machine's devices and directories")
    mounts = kit.run(Program(code="print(open('/proc/self/mountinfo').read())")).stdout.decode().split("\n")

    kinds = {line.split(" - ")[1].split()[0] for line in mounts if line}
    sources = {line.split(" - ")[1].split()[1] for line in mounts if line}
    roots = {line.split()[3] for line in mounts if line}

    assert kinds == sources == {"overlay", "tmpfs", "proc"}
    assert roots <= {"/", "/newroot/nothing", "/newroot/empty"}


_LOOKS_AROUND = """
import os
for name in MASKED:
    path = f"/proc/{name}"
    if os.path.isdir(path):
        print(*os.listdir(path))
    elif os.access(path, os.R_OK):
        print(open(path).read())
for directory, _, files in os.walk("/proc"):
    if "fd" not in directory.split("/"):  # the program's own open files
        print(*(f"{directory}/{name}" for name in files if os.access(f"{directory}/{name}", os.W_OK)))
"""


def test_proc_is_masked_as_in_containers_and_no_setting_can_be_written_to(kit):
    seen = kit.run(Program(code=_LOOKS_AROUND.replace("MASKED", repr(rootfs.MASKED)))).stdout

    assert seen.decode().split() == []


def test_no_name_or_number_of_the_service_s_is_in_the_control_groups_of_a_program(kit):
    groups = kit.run(Program(code="print(open('/proc/self/cgroup').read())")).stdout.decode()

    own = {
        f"{os.getpid()}",
        f"{kit.engine.sandbox.supervisor.pid}",
        f"{Path('/proc/self/ns/pid').stat().st_ino}",
    }
    assert own.isdisjoint(re.findall(r"[0-9a-f]+", groups)), groups


class _Namespaces:
    """Stands for the kernel, of which only the clock counts here."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        self.made = 0
        monkeypatch.setattr(box_mounts.rootfs_maker, "make", lambda _rootfs: os.open("/", os.O_PATH))
        monkeypatch.setattr(box_mounts, "_mount_box", self._mount_box)
        for name in ("setns", "unshare", "_make_device_nodes"):
            monkeypatch.setattr(box_mounts, name, lambda *_: None)

    def _mount_box(self):
        self.made += 1


def test_mounts_are_kept_while_they_are_fresh_and_of_the_present_root_file_system(monkeypatch):
    kernel, old, new = _Namespaces(monkeypatch), Rootfs(argv=("old",)), Rootfs(argv=("new",))
    pool = BoxMountsPool(lambda: kernel.now)

    pool.prepare(old)
    first, second = pool.take(old), pool.take(old)
    assert first.namespace != second.namespace
    pool.release(first)
    assert pool.take(old) is first
    assert kernel.made == 2

    pool.release(first)
    kernel.now += 60
    third = pool.take(old)
    assert (third.made_at, kernel.made) == (60, 3)

    pool.prepare(new)
    for mounts in (second, third):
        pool.release(mounts)
    assert pool.take(new).rootfs == new
    assert kernel.made == 4
