"""The directory of runtime descriptions, which an operator's commands add to and remove from."""

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from adapters.local_engine.runtimes import PROBE_TIMEOUT_S, SUFFIX, Runtimes, is_shown
from adapters.local_engine.toolchains import Toolchain, read_table
from application.errors import Conflict, NotFound
from application.ports.execution_engine import RuntimeSupport
from domain.catalogue.text import said_by, text
from domain.errors import InvalidValue
from domain.language import parse_language
from domain.runtime import parse_runtime_name


class RuntimeDirectory:
    """Adds, lists and removes descriptions of runtimes.

    Args:
        directory: The directory; created with the first description.
        runtimes: Returns a reader of the directory.
    """

    def __init__(self, directory: Path, runtimes: Callable[[], Runtimes]) -> None:
        self._directory = directory
        self._runtimes = runtimes

    def supports(self) -> Sequence[RuntimeSupport]:
        """Return the described runtimes."""
        return [runtime.support for runtime in self._runtimes().all().values()]

    def add_venv(self, name: str, directory: Path) -> RuntimeSupport:
        """Add the description of a Python virtual environment.

        Raises:
            InvalidValue: The name is invalid, or the runtime cannot be used on this machine.
            Conflict: A runtime with this name exists.
        """
        return self._add(name, lambda: describe_venv(directory))

    def add_prefix(self, name: str, directory: Path, language: str) -> RuntimeSupport:
        """Add the description of a directory in which a language is installed; raises like `add_venv`."""
        wanted = parse_language(language)
        row = next(row for row in read_table() if row.language == wanted)
        return self._add(name, lambda: describe_prefix(directory, row))

    def remove(self, name: str) -> None:
        """Remove a description, but not the installation.

        Raises:
            NotFound: There is no description with this name.
        """
        try:
            (self._directory / f"{parse_runtime_name(name)}{SUFFIX}").unlink()
        except FileNotFoundError:
            raise NotFound("runtime", name) from None

    def _add(self, name: str, describe: Callable[[], Mapping[str, Any]]) -> RuntimeSupport:
        try:
            path = write_runtime(self._directory, name, describe())
        except FileExistsError:
            raise Conflict(text("runtimes.exists", name=name)) from None
        except ValueError as error:
            raise InvalidValue("runtime", said_by(error)) from error
        support = self._runtimes().all()[name].support
        if support.unavailable_because is not None:
            path.unlink()
            cause = support.unavailable_because
            raise InvalidValue("runtime", text("runtimes.unusable", name=name, cause=cause))
        return support


def describe_venv(directory: Path) -> dict[str, Any]:
    """Describe a Python virtual environment.

    Raises:
        ValueError: The directory is no virtual environment, or its interpreter does not run.
    """
    interpreter = directory / "bin" / "python"
    if not (directory / "pyvenv.cfg").is_file() or not interpreter.exists():
        raise ValueError(text("runtimes.no_venv", directory=directory))
    asked = "import sys; print(sys.base_prefix); print(sys.base_exec_prefix); print(sys.prefix)"
    try:
        answer = subprocess.run(  # noqa: S603 - the operator names the interpreter
            [interpreter, "-I", "-c", asked],
            check=True,
            capture_output=True,
            text=True,
            timeout=PROBE_TIMEOUT_S,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise ValueError(text("runtimes.does_not_run", interpreter=interpreter, error=error)) from error
    places = [Path(line).resolve() for line in answer.stdout.splitlines()]
    linked = interpreter.resolve().parent.parent
    view = sorted({directory.resolve(), linked, *places} - {Path("/")})
    return {
        "language": "python",
        "view": [str(path) for path in view if not is_shown(path)],
        "paths": {"python3": str(interpreter)},
    }


def describe_prefix(directory: Path, row: Toolchain) -> dict[str, Any]:
    """Describe a directory in which a language is installed, such as /opt/node-22.

    Raises:
        ValueError: The directory has none of the language's executables.
    """
    prefix = directory.resolve()
    found = {name: prefix / "bin" / name for name in row.executables}
    paths = {name: str(path) for name, path in found.items() if path.exists()}
    if not paths:
        raise ValueError(text("runtimes.no_executable", directory=prefix, names=", ".join(row.executables)))
    view = [] if is_shown(prefix) else [str(prefix)]
    return {"language": row.language.name, "view": view, "paths": paths}


def write_runtime(directory: Path, name: str, described: Mapping[str, Any]) -> Path:
    """Write the description of a runtime; return its file.

    Raises:
        InvalidValue: The name is invalid.
        FileExistsError: A runtime with this name exists.
    """
    parse_runtime_name(name)
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{name}{SUFFIX}"
    with path.open("x", encoding="utf-8") as file:
        for key, value in described.items():
            if isinstance(value, dict):
                rows = ", ".join(f"{_quoted(inner)} = {_quoted(own)}" for inner, own in value.items())
                file.write(f"{key} = {{ {rows} }}\n")
            elif isinstance(value, list):
                file.write(f"{key} = [{', '.join(map(_quoted, value))}]\n")
            else:
                file.write(f"{key} = {_quoted(value)}\n")
        os.fsync(file.fileno())
    return path


def _quoted(given: str) -> str:
    """Return a text as a TOML basic string."""
    escaped = given.replace("\\", "\\\\").replace('"', '\\"')
    if not escaped.isprintable():
        raise ValueError(text("runtimes.not_printable", given=repr(given)))
    return f'"{escaped}"'
