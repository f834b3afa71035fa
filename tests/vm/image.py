"""The disk and the kernel of the virtual machine: Debian 13 with systemd, built once and kept."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parents[2]
DIRECTORY = Path(os.environ.get("SERVICE_SERVER_VM_DIR") or "/var/cache/service-server-vm")
_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
_LOCK_FILES = ("requirements-build.lock", "requirements-dev.lock")
_PROJECT_FILES = ("pyproject.toml", "README.md", "LICENSE")
_GUEST = Path(__file__).parent / "guest"
_TREE_FILES = ("packages.txt", "apt.conf", "forky.sh")
# Command, and the Debian package that brings it.
_NEEDED = {
    "mmdebstrap": "mmdebstrap",
    "mkfs.ext4": "e2fsprogs",
    "unshare": "util-linux",
    "setpriv": "util-linux",
}
_DISK_SIZE = "8G"
# The tree and the disk of it, while both are there.
_FREE_TO_BUILD_BYTES = 8 << 30
_UNUSED_FOR_S = 7 * 24 * 3600

# In a mount namespace of its own, in the project: $1 a tree with the packages, $2 a directory to work in.
_CUSTOMIZE = f"""
set -e
mount -t overlay -o lowerdir=$1,upperdir=$2/upper,workdir=$2/work overlay $2/merged
cp /etc/resolv.conf $2/merged/etc/
cp {_CERTIFICATES} $2/merged{_CERTIFICATES}
cp -r {_GUEST} $2/merged/opt/guest
cp {" ".join((*_LOCK_FILES, *_PROJECT_FILES))} $2/merged/opt/guest/
mount --rbind /dev $2/merged/dev
mount -t proc proc $2/merged/proc
mount --bind $2/image/kernel $2/merged/mnt
chroot $2/merged sh -e /opt/guest/customize.sh
umount $2/merged/mnt $2/merged/proc
umount --lazy $2/merged/dev
mkfs.ext4 -q -F -d $2/merged $2/image/disk {_DISK_SIZE}
"""


class CannotRun(Exception):
    """The machine lacks a thing that building or booting takes."""


@dataclass(frozen=True)
class Image:
    """A disk, which boots never write to, and the directory that its kernel runs in."""

    disk: Path
    kernel: Path


def kept_image() -> Image:
    """Return the image of today's recipe; builds it if there is none yet, one process at a time."""
    _require_tools()
    directory = DIRECTORY / _recipe()
    image = Image(directory / "disk", directory / "kernel")
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    if not image.disk.exists():
        with _locked(DIRECTORY / "lock"):
            if not image.disk.exists():  # still
                _require_space()
                print(
                    f"Building the virtual machine's disk in {DIRECTORY}: some ten minutes.", file=sys.stderr
                )
                _build(image)
    os.utime(directory)
    return image


def _require_tools() -> None:
    if os.geteuid() != 0:
        raise CannotRun("building and booting it takes root.")
    missing = {package for command, package in _NEEDED.items() if shutil.which(command) is None}
    if missing:
        raise CannotRun(f"install what is missing with 'apt-get install {' '.join(sorted(missing))}'.")


def _require_space() -> None:
    free = shutil.disk_usage(DIRECTORY).free
    if free < _FREE_TO_BUILD_BYTES:
        raise CannotRun(
            f"building its disk takes {_FREE_TO_BUILD_BYTES >> 30} GB in {DIRECTORY}, and {free >> 30} GB "
            "are free. SERVICE_SERVER_VM_DIR names another directory."
        )


def _recipe() -> str:
    """Return a digest of everything that the disk is made of."""
    return _digest((*sorted(_GUEST.iterdir()), *(PROJECT / name for name in _LOCK_FILES)))


def _digest(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _remove_unused() -> None:
    for path in DIRECTORY.iterdir():
        is_kept = (
            path.name in {"boots", "lock", "passed"} or time.time() - path.stat().st_mtime < _UNUSED_FOR_S
        )
        if not is_kept:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _build(image: Image) -> None:
    tree = _installed()
    _remove_unused()
    directory = image.disk.parent
    with tempfile.TemporaryDirectory(dir=DIRECTORY, prefix="unfinished-") as name:
        unfinished = Path(name)
        for part in ("upper", "work", "merged", "image/kernel"):
            (unfinished / part).mkdir(parents=True)
        _run(
            [
                "unshare",
                "--mount",
                "--pid",
                "--fork",
                "--kill-child",
                "sh",
                "-c",
                _CUSTOMIZE,
                "sh",
                tree,
                unfinished,
            ],
        )
        shutil.rmtree(directory, ignore_errors=True)
        (unfinished / "image").rename(directory)


def _installed() -> Path:
    """Return a tree with the packages, which is never written to afterwards."""
    lines = (_GUEST / "packages.txt").read_text().splitlines()
    tree = DIRECTORY / f"{_digest(_GUEST / name for name in _TREE_FILES)}.tree"
    if not tree.exists():
        packages = ",".join(line for line in lines if line and not line.startswith("#"))
        unfinished = tree.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        command = [
            "mmdebstrap",
            "--quiet",
            "--variant=minbase",
            f"--aptopt={_GUEST}/apt.conf",
            f"--setup-hook={_GUEST}/forky.sh",
            f"--include={packages}",
            "trixie",
            unfinished,
        ]
        _run(command)
        unfinished.rename(tree)
    os.utime(tree)
    return tree


def _run(command: Sequence[str | Path]) -> None:
    done = subprocess.run(command, cwd=PROJECT, check=False)
    if done.returncode != 0:
        raise CannotRun(
            f"building its disk failed: {command[0]} ended with {done.returncode}; its messages are above."
        )
