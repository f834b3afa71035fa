"""Subordinate user ids: the ones that a machine gives an ordinary user, for programs to have one each."""

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
# The root of a user namespace is the user itself, and the others are its subordinate ones.
_ROOT, _FIRST = 0, 1
_TRIAL = (
    "import ctypes, sys; r = ctypes.CDLL(None).unshare(0x10000000); print(r, flush=True); sys.stdin.read()"
)


@dataclass(frozen=True, slots=True)
class UserNamespace:
    """A namespace of user ids for a supervisor, which is root there.

    Attributes:
        ids: The ids in it.
        maxima: The most of some things that each of its users may have, by the names of /proc/sys/user.
    """

    ids: "SubordinateIds"
    maxima: Mapping[str, int]


class SubordinateIdsUnavailable(Exception):
    """There are no subordinate ids; the message has the cause and, behind a semicolon, the remedy."""


@dataclass(frozen=True, slots=True)
class SubordinateIds:
    """A range of user ids and one of group ids.

    Attributes:
        users: The first user id of the range.
        groups: The first group id.
        count: The number of each.
    """

    users: int
    groups: int
    count: int = ALL_USERS - 1

    @classmethod
    def find(cls, etc: Path = _ETC) -> Self:
        """Return the ranges of this process's user, after a trial of giving them to a process.

        Raises:
            SubordinateIdsUnavailable: There are none, or they cannot be used.
        """
        for tool in _TOOLS:
            if _path(tool) is None:
                raise SubordinateIdsUnavailable(text("engine.tool_missing", tool=tool))
        first = {file: _first_of_range(etc / file) for file in _TOOLS.values()}
        ids = cls(first["subuid"], first["subgid"])
        ids._try_out()
        return ids

    def map(self, process: int) -> None:
        """Put the ids in the user namespace that a process has made: 0 is this user, 1 the first of a range.

        Raises:
            OSError: The tools that may do that fail; the message is theirs.
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
                # Behind the cause, it may explain how it is used.
                cause = error.stderr.decode("utf-8", "replace").strip().partition("\n")[0]
                raise OSError(0, cause) from error
            except subprocess.TimeoutExpired as error:
                raise OSError(0, f"{tool} has not ended") from error

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
    """Return the cause of ids that cannot be given, and the remedy."""
    cause = str(error.strerror)
    if _is_restricted():
        return text("engine.ids_restricted", error=cause)
    return text("engine.ids_tools", error=cause)


def _is_restricted() -> bool:
    """Whether a program that is setuid root has fewer rights than root here, or sees fewer processes."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return (
        int(status["NoNewPrivs"]) == 1
        or int(status["CapBnd"], 16) & _SETUID_PROGRAMS_NEED != _SETUID_PROGRAMS_NEED
        or "hidepid=" in Path("/proc/self/mountinfo").read_text()
    )
