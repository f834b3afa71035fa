"""Additional runtimes of this machine: other versions and environments of languages.

Each TOML file of a directory describes the runtime with the name of the file. docs/runtimes.md explains the
format.
"""

import logging
import subprocess
import time
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Any

from adapters.local_engine.sandbox.own_commands import OwnCommands
from adapters.local_engine.sandbox.program import ENVIRONMENT
from adapters.local_engine.toolchains import Toolchain, fill, first_version
from application.ports.execution_engine import RuntimeSupport
from domain.catalogue.text import Text, said_by, text
from domain.errors import DomainError
from domain.language import parse_language
from domain.runtime import parse_runtime_name

SUFFIX = ".toml"
_LOOK_EVERY_S = 2.0
PROBE_TIMEOUT_S = 20
_KEYS = {
    "language": str,
    "version": str,
    "view": list,
    "paths": dict,
    "env": dict,
    "build": list,
    "run": list,
    "probe": list,
}
# Every program sees these directories, so runtimes below them need no `view`.
_SYSTEM = tuple(Path(path) for path in ("/usr", "/bin", "/sbin", "/lib", "/lib64"))
# Each program has private versions of these directories.
_OWN = tuple(Path(path) for path in ("/tmp", "/proc", "/dev", "/etc"))  # noqa: S108 - of programs
_UNREADABLE = (OSError, ValueError, TypeError, KeyError, DomainError, tomllib.TOMLDecodeError)

_log = logging.getLogger("service_server.local_engine")


@dataclass(frozen=True, slots=True)
class Runtime:
    """A runtime as read from its file.

    Attributes:
        toolchain: The row of the language, with the commands of the runtime in place of its own.
        paths: The paths of the executables, by their names in the row.
        view: The directories that programs see in addition to the system's.
        support: Whether the runtime can be used on this machine.
    """

    toolchain: Toolchain
    paths: Mapping[str, str]
    view: Sequence[Path]
    support: RuntimeSupport


class Runtimes:
    """The runtimes described in a directory, which is read again at most every two seconds.

    A runtime whose file cannot be read, or whose probe fails, is listed as unavailable with the cause.

    Args:
        directory: The directory; None or a missing directory for no runtimes.
        table: The rows of the languages.
        hidden: Directories that no program may see.
        isolated: Whether programs see only the directories of `view`; if not, they see the whole machine.
    """

    def __init__(
        self,
        directory: Path | None,
        table: Sequence[Toolchain],
        hidden: Sequence[Path] = (),
        *,
        isolated: bool = True,
    ) -> None:
        self._isolated = isolated
        self._directory = directory
        self._table = {toolchain.language: toolchain for toolchain in table}
        self._hidden = [path.resolve() for path in hidden]
        self._commands = OwnCommands()
        self._lock = Lock()
        self._look_at = 0.0
        self._state: Mapping[Path, int] = {}
        self._runtimes: Mapping[str, Runtime] = {}

    def stop(self) -> None:
        """Kill the running probes."""
        self._commands.stop()

    def all(self) -> Mapping[str, Runtime]:
        """Return the runtimes of the directory by name."""
        # Only the first read blocks all callers. During later ones, other threads use the previous state.
        if time.monotonic() >= self._look_at and self._lock.acquire(blocking=self._look_at == 0):
            try:
                if time.monotonic() >= self._look_at:
                    self._look()
                    self._look_at = time.monotonic() + _LOOK_EVERY_S
            finally:
                self._lock.release()
        return self._runtimes

    def views(self) -> Sequence[Path]:
        """Return the directories that programs see, without duplicates and nested directories."""
        shown = {
            path for runtime in self.all().values() if runtime.support.is_available for path in runtime.view
        }
        return [path for path in sorted(shown) if not shown.intersection(path.parents)]

    def _look(self) -> None:
        state = self._files()
        if state == self._state:
            return
        known = {path: self._runtimes[path.stem] for path in state if self._state.get(path) == state[path]}
        self._runtimes = {path.stem: known.get(path) or self._read(path) for path in sorted(state)}
        self._state = state

    def _files(self) -> Mapping[Path, int]:
        """Return the files of the directory with their modification times."""
        if self._directory is None:
            return {}
        try:
            paths = [path for path in self._directory.iterdir() if path.suffix == SUFFIX]
            return {path: path.stat().st_mtime_ns for path in paths}
        except FileNotFoundError:
            return {}
        except OSError as error:
            _log.warning("the runtimes in %s cannot be read: %s", self._directory, error)
            return self._state

    def _read(self, path: Path) -> Runtime:
        name, language = path.stem, next(iter(self._table))
        try:
            with path.open("rb") as file:
                row = tomllib.load(file)
            parse_runtime_name(name)
            _check(row)
            language = parse_language(row["language"])
            runtime = self._runtime(name, self._table[language], row)
        except _UNREADABLE as error:
            cause = text("engine.not_a_description", path=path, error=said_by(error))
            support = RuntimeSupport(name=name, language=language, version=None, unavailable_because=cause)
            runtime = Runtime(self._table[language], {}, (), support)
        support = runtime.support
        _log.info("runtime %s: %s", name, support.unavailable_because or f"version {support.version}")
        return runtime

    def _runtime(self, name: str, row: Toolchain, own: Mapping[str, Any]) -> Runtime:
        toolchain = replace(
            row,
            title=f"{row.title} ({name})",
            build=own.get("build", row.build),
            run=own.get("run", row.run),
            env={**row.env, **own.get("env", {})},
            warm=None,
            archive={},
            compiler={"cold": row.compiler["cold"]} if row.compiler else {},
        )
        found = {key: path for key, path in row.paths().items() if path is not None}
        paths = {**found, **row.extras(), **own.get("paths", {})}
        view = tuple(Path(path) for path in own.get("view", ()))
        cause = self._obstacle(row, paths, view)
        version = own.get("version")
        if cause is None:
            version, cause = self._probe(toolchain, paths, own)
        support = RuntimeSupport(
            name=name,
            language=row.language,
            version=version,
            presets=tuple(row.presets),
            unavailable_because=cause,
        )
        return Runtime(toolchain, paths, [path for path in view if not is_shown(path)], support)

    def _obstacle(self, row: Toolchain, paths: Mapping[str, str], view: Sequence[Path]) -> Text | None:
        """Return why a runtime cannot be used, or None; does not run any of its commands."""
        for name in (*row.executables, *row.needs):
            path = paths.get(name)
            if path is None or not Path(path).exists():
                missing = text("engine.not_found", name=name)
                return text("engine.not_at", name=name, path=path) if path else missing
        return next(filter(None, map(self._obstacle_of_view, view)), None) if self._isolated else None

    def _obstacle_of_view(self, path: Path) -> Text | None:
        if not path.is_absolute() or not path.is_dir() or path != path.resolve():
            return text("engine.view_not_a_directory", path=path)
        own = next((own for own in _OWN if path == own or own in path.parents), None)
        if own is not None:
            return text("engine.view_of_programs", path=path, own=own)
        for hidden in self._hidden:
            if path == hidden or hidden in path.parents or path in hidden.parents:
                return text("engine.view_of_service", path=path, hidden=hidden)
        return None

    def _probe(
        self, toolchain: Toolchain, paths: Mapping[str, str], own: Mapping[str, Any]
    ) -> tuple[str | None, Text | None]:
        """Look up the version and run the probe; return the version and the cause of a failure."""
        said = b""
        for command in (toolchain.version, own.get("probe", ())):
            if not command:
                continue
            argv = fill(command, paths)
            try:
                done = self._commands.run(argv, PROBE_TIMEOUT_S, env={**ENVIRONMENT, "LC_ALL": "C.UTF-8"})
                done.check_returncode()
            except (OSError, subprocess.SubprocessError) as error:
                failure = text("engine.command_fails", command=" ".join(argv), error=error)
                return own.get("version"), failure
            said = said or done.stdout
        return own.get("version") or first_version(said), None


def _check(row: Mapping[str, Any]) -> None:
    for key, value in row.items():
        if key not in _KEYS:
            raise ValueError(f"'{key}' is not a known key; known keys are {', '.join(_KEYS)}")
        if not isinstance(value, _KEYS[key]):
            raise TypeError(f"'{key}' is not a {_KEYS[key].__name__}")
        texts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        if not all(isinstance(value, str) for value in texts):
            raise TypeError(f"'{key}' has a value that is not a string")
    if "language" not in row:
        raise KeyError("'language' is missing")


def is_shown(path: Path) -> bool:
    """Whether a path is in a system directory, which every program sees."""
    return any(path == system or system in path.parents for system in _SYSTEM)
