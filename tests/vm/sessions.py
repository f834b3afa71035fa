"""Kinds of session in the virtual machine: rows of sessions.toml."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Command = Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Session:
    """A way to become somebody on a host, and a state of that host."""

    title: str
    start: Command
    before: Sequence[Command] = ()
    after: Sequence[Command] = ()

    def steps(self, command: Command) -> tuple[Sequence[Command], Command, Sequence[Command]]:
        """Return the commands of root before it, the command in the session, and those of root afterwards."""
        return self.before, [*self.start, *command], self.after


def sessions() -> Mapping[str, Session]:
    """Read the table."""
    rows = tomllib.loads((Path(__file__).parent / "sessions.toml").read_text())
    return {name: Session(**row) for name, row in rows.items()}
