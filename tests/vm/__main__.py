"""Runs the tests that need a kernel of their own in a virtual machine: Debian 13 on user-mode Linux.

`python -m tests.vm [PYTEST ARGUMENTS]`, as root on Debian with mmdebstrap. The first run downloads Debian and
this project's Python packages, and keeps the machine's disk; later ones boot it in under a minute. User-mode
Linux is an ordinary program, so neither KVM nor a kernel module is needed.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

_PROJECT = Path(__file__).parents[2]
_CACHE = Path(os.environ.get("SERVICE_SERVER_VM_DIR", "/var/cache/service-server-vm"))
_PACKAGES = (
    *("systemd-sysv", "dbus", "user-mode-linux", "ca-certificates", "bubblewrap", "gcc", "libc6-dev"),
    *("python3", "python3-venv", "procps", "util-linux"),
)
_LOCK = _PROJECT / "requirements-dev.lock"
_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
_NEEDED = {"mmdebstrap": "mmdebstrap", "mkfs.ext4": "e2fsprogs", "unshare": "util-linux"}
_TIMEOUT_S = 900

# What the machine does when it has started. /host is the directory of a run, outside.
_UNIT = """
[Unit]
Description=The tests of this boot
[Service]
Type=oneshot
TimeoutStartSec=infinity
ExecStart=/bin/sh -c 'mkdir -p /host && mount -t hostfs -o hostfs=/share none /host && exec sh /host/task'
ExecStopPost=/bin/systemctl poweroff --force --force
[Install]
WantedBy=multi-user.target
"""
_TASK = """
cd /host/project
export PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=/host/project CI=true
/opt/venv/bin/python -m pytest -p no:cacheprovider "$@" >/host/output 2>&1
echo $? >/host/status
"""
# $1: the tree with the kernel. $2: the directory of this run. $3: this project.
_BOOT = """
set -e
for name in dev proc; do mount --rbind /$name $1/$name; done
mount -t tmpfs none $1/tmp
mkdir -p $1/share && mount --bind $2 $1/share && mount --bind $3 $1/share/project
exec chroot $1 /usr/bin/env -i HOME=/tmp TMPDIR=/tmp PATH=/usr/bin /usr/bin/linux.uml mem=1500M \\
    ubd0=/share/disk root=/dev/ubda rw con=null con0=fd:0,fd:1 quiet
"""


def main(arguments: list[str]) -> int:
    """Build the machine if there is none yet, boot it, and return the exit code of the tests inside."""
    if trouble := _trouble():
        print(f"The virtual machine cannot run here: {trouble}.", file=sys.stderr)
        return 2
    tree, disk = _built()
    with tempfile.TemporaryDirectory(dir=_CACHE) as name:
        run = Path(name)
        run.chmod(0o755)  # for every user inside
        (run / "project").mkdir()
        words = " ".join(f"'{argument}'" for argument in arguments)
        (run / "task").write_text(f"set -- {words}\n{_TASK}")
        subprocess.run(["cp", "--sparse=always", disk, run / "disk"], check=True)
        console = _boot(tree, run)
        if not (run / "status").exists():
            print(f"{console}\nThe virtual machine did not come to its tests.", file=sys.stderr)
            return 2
        print((run / "output").read_text())
        return int((run / "status").read_text())


def _trouble() -> str | None:
    if os.geteuid() != 0:
        return "building and booting it takes root"
    missing = {package for command, package in _NEEDED.items() if shutil.which(command) is None}
    return f"'apt-get install {' '.join(sorted(missing))}' brings what is missing" if missing else None


def _built() -> tuple[Path, Path]:
    """Return the tree of the machine, which has its kernel, and its disk, which is never written to."""
    recipe = hashlib.sha256(repr((_UNIT, _PACKAGES)).encode() + _LOCK.read_bytes()).hexdigest()[:16]
    tree, disk = _CACHE / f"{recipe}.tree", _CACHE / f"{recipe}.disk"
    if not disk.exists():
        _CACHE.mkdir(parents=True, exist_ok=True)
        _build(tree)
        unfinished = disk.with_suffix(".unfinished")
        subprocess.run(["mkfs.ext4", "-q", "-F", "-d", tree, unfinished, "4G"], check=True)
        unfinished.rename(disk)
        _remove_others({tree, disk})
    return tree, disk


def _remove_others(present: set[Path]) -> None:
    for path in {*_CACHE.glob("*.tree"), *_CACHE.glob("*.disk")} - present:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _build(tree: Path) -> None:
    shutil.rmtree(tree, ignore_errors=True)
    with tempfile.NamedTemporaryFile("w", suffix=".service") as unit:
        unit.write(_UNIT)
        unit.flush()
        hooks = (
            f"upload {unit.name} /etc/systemd/system/tests.service",
            f"upload {_CERTIFICATES} {_CERTIFICATES}",
            f"upload {_LOCK} /opt/requirements.lock",
            'chroot "$1" systemctl enable tests.service',
            'chroot "$1" python3 -m venv /opt/venv',
            'chroot "$1" /opt/venv/bin/pip install -q --require-hashes -r /opt/requirements.lock',
        )
        customized = [f"--customize-hook={hook}" for hook in hooks]
        packages = f"--include={','.join(_PACKAGES)}"
        subprocess.run(
            ["mmdebstrap", "--quiet", "--variant=minbase", packages, *customized, "trixie", tree], check=True
        )


def _boot(tree: Path, run: Path) -> str:
    """Start the machine, wait until it has switched itself off, and return its console's output."""
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", _BOOT, "sh", tree, run, _PROJECT],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=_TIMEOUT_S,
        check=False,
    )
    return done.stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["-q", "tests/vm/guest_cgroups.py"]))
