"""Kinds of session in the virtual machine, and the checks of each: sessions.toml."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

Command = Sequence[str]

# Warnings of a test that waits too long are for machines that do not emulate a kernel.
_PYTEST = (".venv/bin/python", "-m", "pytest", "--quiet", "-p", "no:cacheprovider", "-o", "timeout=600")


@dataclass(frozen=True, kw_only=True)
class Session:
    """A row of the table: a user's way onto a host, and a state of that host."""

    title: str
    start: Command
    control_groups: bool
    checks: Sequence[str]
    before: Sequence[Command] = ()
    after: Sequence[Command] = ()
    isolated: bool = True
    user_ids: bool = True
    trouble: Sequence[str] = ()

    def steps(self, command: Command) -> tuple[Sequence[Command], Command, Sequence[Command]]:
        """Return the commands of root before it, the command in the session, and those of root afterwards."""
        return self.before, [*self.start, *command], self.after


def sessions() -> Mapping[str, Session]:
    return {name: Session(**row) for name, row in _table()["sessions"].items()}


def checks() -> Mapping[str, Command]:
    """Return the command of each check."""
    return {
        name: [*_PYTEST, *rest] if first == "pytest" else [first, *rest]
        for name, (first, *rest) in _table()["checks"].items()
    }


@cache
def _table() -> Mapping[str, Any]:
    return tomllib.loads((Path(__file__).parent / "sessions.toml").read_text())
