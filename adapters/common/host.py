"""Detection of the kind of host that this process runs on, and of the host's restrictions."""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

# A systemd service unit in the path of a control group. User managers do not count as services.
_SERVICE = re.compile(r"/((?!user@)[^/\n]+\.service)(?=/|\n|$)")
_OF_PODMAN = re.compile(r" \S*-containers/[0-9a-f]{64}/userdata/\S+ /etc/host")
_OF_DOCKER = re.compile(r" \S*/containers/[0-9a-f]{64}/host\S* /etc/host")
_HIERARCHICAL = re.compile(r"^hierarchical_memory_limit (\d+)", re.MULTILINE)
# Directories of /proc that exist only as mount points: a mount there covers nothing.
_MOUNT_POINTS = frozenset({"/proc/fs/nfsd", "/proc/sys/fs/binfmt_misc"})
_FILTERED = "2"
_CONFINED = re.compile(r"(\S+) \((?:enforce|kill|prompt)\)")


class Place(StrEnum):
    """Kinds of hosts. Each has its own way to grant a permission or a resource."""

    FARGATE = "fargate"
    ECS = "ecs"
    KUBERNETES = "kubernetes"
    PODMAN = "podman"
    DOCKER = "docker"
    CONTAINER = "container"
    UNIT = "unit"
    MACHINE = "machine"


CONTAINERS = frozenset(Place) - {Place.UNIT, Place.MACHINE}


@dataclass(frozen=True, slots=True)
class Host:
    """The files and environment variables that reveal the host's kind and its restrictions.

    Args:
        root: The directory that contains /proc and /run.
        env: The environment variables.
    """

    root: Path = Path("/")
    env: Mapping[str, str] = field(default_factory=lambda: os.environ)

    @property
    def place(self) -> Place:
        """The kind of host: the innermost one that is detected."""
        return next(place for place, has_traces in _TRACES if has_traces(self))

    @property
    def manager(self) -> str:
        """The name of the container manager; empty outside a container."""
        return self.text("run/systemd/container") or self.env.get("container", "")

    @property
    def unit(self) -> str | None:
        """The systemd service that this process belongs to; None outside a service."""
        if "INVOCATION_ID" not in self.env:
            return None
        found = _SERVICE.search(self.text("proc/self/cgroup"))
        return found[1] if found else None

    @property
    def has_seccomp_filter(self) -> bool:
        """Whether a seccomp filter applies to this process."""
        return self._status.get("Seccomp") == _FILTERED

    @property
    def apparmor_profile(self) -> str | None:
        """The AppArmor profile that confines this process; None if none does."""
        found = _CONFINED.match(
            self.text("proc/self/attr/apparmor/current") or self.text("proc/self/attr/current")
        )
        return found[1] if found else None

    @property
    def is_unconfined(self) -> bool:
        """Whether no AppArmor profile confines this process."""
        return self.apparmor_profile is None

    @property
    def is_root(self) -> bool:
        """Whether this process runs as root, possibly only within its user namespace."""
        return os.geteuid() == 0

    @property
    def is_chroot(self) -> bool:
        """Whether the root directory is no mount point, as after chroot(2)."""
        mounts = self._mount_points
        return bool(mounts) and "/" not in mounts

    @property
    def covered_processes(self) -> Sequence[str]:
        """The paths below /proc that other mounts cover; also /proc itself if it has `subset=pid`."""
        lines = [line.split() for line in self.text("proc/self/mountinfo").splitlines()]
        covers = dict.fromkeys(words[4] for words in lines if words[4].startswith("/proc/"))
        is_part = any(words[4] == "/proc" and "subset=pid" in words[-1] for words in lines)
        return [*(["/proc"] if is_part else []), *(path for path in covers if path not in _MOUNT_POINTS)]

    @property
    def memory_limit_mb(self) -> int | None:
        """The lowest memory limit of this process's control group and of its ancestors, in mebibytes.

        None if there is no limit below the memory of the machine.
        """
        limits = [int(limit) >> 20 for limit in self._memory_limits() if limit.isdecimal()]
        machine_kb = re.search(r"^MemTotal: +(\d+)", self.text("proc/meminfo"), re.MULTILINE)
        below = [limit for limit in limits if machine_kb is None or limit < int(machine_kb[1]) >> 10]
        return min(below, default=None)

    def _memory_limits(self) -> Iterator[str]:
        for group, mount in self._groups("memory"):
            found = _HIERARCHICAL.search(self.text(f"{mount / group}/memory.stat"))
            yield found[1] if found else ""
        for group, mount in self._groups(""):
            for directory in (mount / group, *(mount / group).parents):
                if directory.is_relative_to(mount):
                    yield self.text(f"{directory}/memory.max")

    def _groups(self, controller: str) -> Iterator[tuple[Path, Path]]:
        """Yield the group of a controller ("" for cgroup v2), and the mount point of its hierarchy."""
        for line in self.text("proc/self/mountinfo").splitlines():
            before, _, after = line.partition(" - ")
            root, mount = before.split()[3:5]
            kind, _, options = after.split()[:3]
            if kind == ("cgroup" if controller else "cgroup2") and (
                not controller or controller in options.split(",")
            ):
                for group in self._own_groups(controller):
                    relative = os.path.relpath(group, root)
                    yield Path("." if relative.startswith("..") else relative), Path(mount.lstrip("/"))

    def _own_groups(self, controller: str) -> Iterator[str]:
        for line in self.text("proc/self/cgroup").splitlines():
            _, controllers, path = line.split(":", 2)
            if controller in controllers.split(","):
                yield path

    def has(self, name: str) -> bool:
        """Whether a file of this name exists."""
        return (self.root / name).exists()

    def text(self, name: str) -> str:
        """Return the stripped text of a file, or an empty string if the file cannot be read."""
        with suppress(OSError, UnicodeDecodeError):
            return (self.root / name).read_text().strip("\0\n ")
        return ""

    @property
    def _status(self) -> Mapping[str, str]:
        pairs = (line.partition(":") for line in self.text("proc/self/status").splitlines())
        return {name: value.strip() for name, _, value in pairs}

    @property
    def _mount_points(self) -> frozenset[str]:
        return frozenset(line.split()[4] for line in self.text("proc/self/mountinfo").splitlines())


_TRACES: Sequence[tuple[Place, Callable[[Host], bool]]] = (
    (Place.FARGATE, lambda host: host.env.get("AWS_EXECUTION_ENV") == "AWS_ECS_FARGATE"),
    (Place.ECS, lambda host: any(name.startswith("ECS_CONTAINER_METADATA_URI") for name in host.env)),
    (Place.KUBERNETES, lambda host: "KUBERNETES_SERVICE_HOST" in host.env),
    (Place.PODMAN, lambda host: host.manager == Place.PODMAN or host.has("run/.containerenv")),
    (Place.DOCKER, lambda host: host.manager == Place.DOCKER or host.has(".dockerenv")),
    # With a read-only root, these two are detectable only by the files that they mount.
    (Place.PODMAN, lambda host: bool(_OF_PODMAN.search(host.text("proc/self/mountinfo")))),
    (Place.DOCKER, lambda host: bool(_OF_DOCKER.search(host.text("proc/self/mountinfo")))),
    (Place.CONTAINER, lambda host: bool(host.manager)),
    (Place.UNIT, lambda host: host.unit is not None),
    (Place.MACHINE, lambda _: True),
)
