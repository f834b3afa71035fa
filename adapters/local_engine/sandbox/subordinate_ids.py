"""Subordinate user ids, which a machine assigns to an ordinary user, and of which each program gets one."""

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from adapters.local_engine.sandbox.program import SYSTEM_PATH
from adapters.local_engine.sandbox.supervisor.privileges import ALL_USERS
from domain.catalogue.text import Text, text

_ETC = Path("/etc")
_TOOLS = {"newuidmap": "subuid", "newgidmap": "subgid"}
_MAPPED_WITHIN_S = 10.0
# linux/capability.h: DAC_OVERRIDE, SETGID, SETUID and SYS_ADMIN.
_SETUID_PROGRAMS_NEED = 1 << 1 | 1 << 6 | 1 << 7 | 1 << 21
# In the user namespace, root is the user itself, and all other ids are its subordinate ids.
_ROOT, _FIRST = 0, 1
_TRIAL = (
    "import ctypes, sys; r = ctypes.CDLL(None).unshare(0x10000000); print(r, flush=True); sys.stdin.read()"
)


@dataclass(frozen=True, slots=True)
class UserNamespace:
    """A user namespace for the supervisor, which is root in it.

    Attributes:
        ids: The subordinate ids in the namespace.
        maxima: The quotas of each user in the namespace, by their names in /proc/sys/user.
    """

    ids: "SubordinateIds"
    maxima: Mapping[str, int]


class SubordinateIdsUnavailable(Exception):
    """There are no subordinate ids. The message has the cause and, after a semicolon, the remedy."""


@dataclass(frozen=True, slots=True)
class SubordinateIds:
    """A range of user ids and a range of group ids.

    Attributes:
        users: The first user id.
        groups: The first group id.
        count: The number of ids in each range.
    """

    users: int
    groups: int
    count: int = ALL_USERS - 1

    @classmethod
    def find(cls, etc: Path = _ETC) -> Self:
        """Return the ranges of this process's user, after mapping them for a test process.

        Raises:
            SubordinateIdsUnavailable: There are no ranges, or they cannot be used.
        """
        for tool in _TOOLS:
            if _path(tool) is None:
                raise SubordinateIdsUnavailable(text("engine.tool_missing", tool=tool))
        first = {file: _first_of_range(etc / file) for file in _TOOLS.values()}
        ids = cls(first["subuid"], first["subgid"])
        ids._try_out()
        return ids

    def map(self, process: int) -> None:
        """Map the ids in the user namespace of a process: 0 is this user, and 1 the first id of a range.

        Raises:
            OSError: newuidmap(1) or newgidmap(1) failed; the message is the tool's.
        """
        own = {"newuidmap": os.geteuid(), "newgidmap": os.getegid()}
        for tool, first in (("newuidmap", self.users), ("newgidmap", self.groups)):
            maps = (_ROOT, own[tool], 1, _FIRST, first, self.count)
            try:
                subprocess.run(  # noqa: S603 - the machine's own tool
                    [_path(tool) or tool, str(process), *map(str, maps)],
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    check=True,
                    timeout=_MAPPED_WITHIN_S,
                )
            except subprocess.CalledProcessError as error:
                # The tool may print its usage after the cause.
                cause = error.stderr.decode("utf-8", "replace").strip().partition("\n")[0]
                raise OSError(0, cause) from error
            except subprocess.TimeoutExpired as error:
                raise OSError(0, f"{tool} did not exit in time") from error

    def _try_out(self) -> None:
        trial = [sys.executable, "-I", "-S", "-c", _TRIAL]
        pipe = subprocess.PIPE
        with subprocess.Popen(trial, env={}, stdin=pipe, stdout=pipe) as process:  # noqa: S603 - our own
            try:
                if process.stdout is None or process.stdout.readline() != b"0\n":
                    raise SubordinateIdsUnavailable(text("engine.no_namespace"))
                self.map(process.pid)
            except OSError as error:
                raise SubordinateIdsUnavailable(_explained(error)) from error


def user_name() -> str:
    """Return the name of this process's user, or its id if it has none."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _path(tool: str) -> str | None:
    return shutil.which(tool, path=SYSTEM_PATH)


def _first_of_range(file: Path) -> int:
    """Return the first id of this user's first range that is large enough (subuid(5))."""
    user = user_name()
    try:
        lines = file.read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        owner, _, range_ = line.partition(":")
        first, _, count = range_.partition(":")
        is_ours = owner in (user, str(os.geteuid()))
        if is_ours and first.isdecimal() and count.isdecimal() and int(count) >= ALL_USERS - 1:
            return int(first)
    raise SubordinateIdsUnavailable(text("engine.no_range", path=str(file), ids=ALL_USERS, user=user))


def _explained(error: OSError) -> Text:
    """Return why ids cannot be mapped, and the remedy."""
    cause = str(error.strerror)
    if _is_restricted():
        return text("engine.ids_restricted", error=cause)
    return text("engine.ids_tools", error=cause)


def _is_restricted() -> bool:
    """Whether setuid root programs have fewer privileges than root here, or see fewer processes."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return (
        int(status["NoNewPrivs"]) == 1
        or int(status["CapBnd"], 16) & _SETUID_PROGRAMS_NEED != _SETUID_PROGRAMS_NEED
        or "hidepid=" in Path("/proc/self/mountinfo").read_text()
    )
