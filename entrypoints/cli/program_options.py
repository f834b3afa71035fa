"""The options of `run` and `upload` that describe a program, and its input."""

import os
import re
import stat
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path

import rich_click as click

from domain.catalogue.figures import read_size
from domain.catalogue.text import text
from domain.language import LANGUAGES
from entrypoints.cli.client import Json
from entrypoints.cli.errors import ExitCode, Failure, in_language
from entrypoints.cli.files import path_of, read_files
from entrypoints.cli.input_files import read_bytes, read_text, unreadable
from entrypoints.cli.terminal import note
from entrypoints.cli.values import LanguageName, Seconds, Tag

# Names with which languages read standard input. A false match costs the user a Ctrl-D, and a missing one
# requires `--stdin -`.
_READS_INPUT = re.compile(
    r"stdin|STDIN|\binput\(|\bcin\b|\b(?:scanf|getchar|gets|getline|readline|readLine|read_line)\b"
    r"|System\.in\b|readFileSync\(0|ARGF|^\s*read\b|\bread -r|<>",
    re.MULTILINE,
)
# A longer input is sent as a file.
_TEXT_BYTES = 1 << 20


class Memory(click.ParamType[int]):
    """A size in MiB or with a unit."""

    name = "size"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Parse a size; return it in MiB."""
        try:
            return value if isinstance(value, int) else read_size(value)
        except ValueError:
            self.fail(in_language(text("cli.not_a_size", given=value)), param, ctx)


class Variable(click.ParamType[tuple[str, str]]):
    """A variable as NAME=VALUE, or NAME for the value in this command's environment."""

    name = "variable"

    def convert(
        self, value: str | tuple[str, str], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Parse a variable."""
        if isinstance(value, tuple):
            return value
        found = variable_of(value)
        if found is None:
            self.fail(in_language(text("cli.not_a_variable", given=value)), param, ctx)
        return found


def variable_of(line: str) -> tuple[str, str] | None:
    """Return the name and the value of a variable in a line; None if it has no name or no known value."""
    name, separator, value = line.partition("=")
    known = value if separator else os.environ.get(name)
    return None if not name or known is None else (name, known)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramOptions:
    """The options that describe a program and its limits. Times are in seconds."""

    language: str | None
    runtime: str | None
    files: tuple[Path, ...]
    artifacts: tuple[str, ...]
    timeout: float | None
    build_timeout: float | None
    cpu: float | None
    memory: int | None
    tags: tuple[tuple[str, str], ...]
    env: tuple[tuple[str, str], ...]
    env_files: tuple[Path, ...]
    project: str

    def upload(self, file: Path, args: tuple[str, ...], stdin: bytes) -> tuple[Json, Mapping[str, bytes]]:
        """Return the job of an upload and the additional files. Its stdin is None if that is no short text.

        Raises:
            Failure: A file cannot be read, or the language is unknown.
        """
        job: Json = {
            "project": self.project,
            "language": self.language or language_of(file),
            "code": read_text(file),
            "stdin": _short_text(stdin),
            "args": args,
            "timeout_ms": _milliseconds(self.timeout),
            "build_timeout_ms": _milliseconds(self.build_timeout),
        }
        job |= {} if self.runtime is None else {"runtime": self.runtime}
        job |= {} if self.cpu is None else {"cpu_time_ms": _milliseconds(self.cpu)}
        job |= {} if self.memory is None else {"memory_mb": self.memory}
        job |= {"tags": dict(self.tags)} if self.tags else {}
        if env := self._environment():
            job["env"] = env
        contents = read_files(self.files)
        if contents:
            job["entry"] = path_of(file)
            contents.pop(job["entry"], None)
        if self.artifacts:
            job["artifacts"] = self.artifacts
        return job, contents

    def _environment(self) -> dict[str, str]:
        """Return the variables of the files, in order, overridden by those of the options."""
        variables: dict[str, str] = {}
        for file in self.env_files:
            # Values may contain the other characters at which `splitlines` splits, such as form feeds.
            for number, line in enumerate(read_text(file).replace("\r\n", "\n").split("\n"), 1):
                if not line.strip() or line.startswith("#"):
                    continue
                found = variable_of(line)
                if found is None:
                    raise Failure(text("cli.not_variable_in", file=file, number=number), ExitCode.USAGE)
                variables[found[0]] = found[1]
        return variables | dict(self.env)


def program_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options that describe a program, as one argument `program`."""

    @wraps(function)
    def with_program(**options: Json) -> None:
        program = {each.name: options.pop(each.name) for each in fields(ProgramOptions)}
        function(program=ProgramOptions(**program), **options)

    for option in reversed(_OPTIONS):
        option(with_program)
    return with_program


_seconds = Seconds()
_OPTIONS = (
    click.option("--language", type=LanguageName(), help="Language; by default that of the file extension."),
    click.option(
        "--runtime",
        metavar="NAME",
        help="Version or environment of the language, such as python+numpy; see `runtimes list`.",
    ),
    click.option(
        "--file",
        "files",
        type=click.Path(path_type=Path, exists=True),
        multiple=True,
        help="File or directory to upload with the program; may be repeated.",
    ),
    click.option(
        "--artifact",
        "artifacts",
        metavar="PATTERN",
        multiple=True,
        help="Files to save after the run, such as 'out/*.png'; may be repeated.",
    ),
    click.option(
        "--timeout", type=_seconds, help="Wall time limit, such as 10s; without a unit, in seconds."
    ),
    click.option(
        "--build-timeout", type=_seconds, help="Wall time limit of the build, for compiled languages."
    ),
    click.option("--cpu", type=_seconds, help="CPU time limit."),
    click.option("--memory", type=Memory(), help="Memory limit, such as 512MiB; without a unit, in MiB."),
    click.option(
        "--tag",
        "tags",
        type=Tag(),
        metavar="NAME=VALUE",
        multiple=True,
        help="Tag of the job; may be repeated.",
    ),
    click.option(
        "--env",
        "-e",
        type=Variable(),
        metavar="NAME[=VALUE]",
        multiple=True,
        help="Environment variable; without a value, that of this command. May be repeated.",
    ),
    click.option(
        "--env-file",
        "env_files",
        type=click.Path(path_type=Path, dir_okay=False),
        multiple=True,
        help="File of environment variables, one per line; may be repeated.",
    ),
    click.option("--project", default="cli", show_default=True, help="Project of the job."),
)


def text_of(stdin: bytes) -> str:
    """Return an input as text.

    Raises:
        Failure: The input is not UTF-8, or too long to be sent as text.
    """
    found = _short_text(stdin)
    if found is None:
        raise Failure(text("cli.stdin_too_long"), ExitCode.USAGE)
    return found


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else max(round(seconds * 1000), 1)


def language_of(file: Path) -> str:
    """Return the language with the extension of a file.

    Raises:
        Failure: There is no such language.
    """
    for language in LANGUAGES.values():
        if language.extension == file.suffix:
            return language.name
    raise Failure(text("cli.unknown_language", file=file), ExitCode.USAGE)


def program_input(option: str | None, program: Path | None = None) -> bytes:
    """Return the stdin of a program.

    Args:
        option: A text, `-` for the command's stdin, or `@` and the name of a file. With None, the command's
            stdin is read if it is a pipe, a file or, for a program that reads input, a terminal, but not if
            it is a device such as /dev/null.
        program: The program that gets the input, if it is run at once.

    Raises:
        Failure: The file cannot be read.
    """
    if option is None:
        return _own_stdin() if _is_given() or (program is not None and _is_typed(program)) else b""
    if option == "-":
        return _own_stdin()
    if option.startswith("@"):
        return read_bytes(Path(option[1:]))
    return option.encode()


def _is_given() -> bool:
    if sys.stdin is None:
        return False
    mode = os.fstat(sys.stdin.fileno()).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode)


def _is_typed(program: Path) -> bool:
    """Whether a program seems to read its input, and stdin is a terminal to type it on."""
    return sys.stdin is not None and sys.stdin.isatty() and bool(_READS_INPUT.search(read_text(program)))


def _own_stdin() -> bytes:
    if sys.stdin is None:  # closed by the parent process
        return b""
    if sys.stdin.isatty():
        note(text("cli.reads_until_eof"))
    try:
        return sys.stdin.buffer.read()
    except OSError as error:
        raise unreadable("stdin", error) from error


def _short_text(data: bytes) -> str | None:
    """Return data as text; None if it is not UTF-8, or too long to be sent as text."""
    try:
        return data.decode() if len(data) <= _TEXT_BYTES else None
    except UnicodeDecodeError:
        return None
