"""Composition of a program for the sandbox from a request and a row of the table of languages."""

import codecs
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace

from adapters.local_engine import java_source
from adapters.local_engine.sandbox.cds_archive import ARCHIVE_FILE
from adapters.local_engine.sandbox.compiler_pool import Compiler
from adapters.local_engine.sandbox.launch_script import ARCHIVE_PATH
from adapters.local_engine.sandbox.program import ENVIRONMENT, HEAP_SHARE, Program, program_rlimits
from adapters.local_engine.toolchains import Toolchain, fill
from application.ports.execution_engine import ExecutionRequest
from domain.limits import Limits
from domain.submission import JobSpec

_MAIN_MODULE = "__main__.py"
_GO_TEST = "_test.go"
_TYPESCRIPT = re.compile(r"\.([mc]?)tsx?$")
# The launch script is a single argument, limited to 128 KiB (MAX_ARG_STRLEN).
_LONGEST_SOURCES = 96 << 10


class CommandTooLong(Exception):
    """The paths of a program's sources are too long for a command line."""


def compose(
    toolchain: Toolchain,
    executables: Mapping[str, str],
    request: ExecutionRequest,
    code: bytes,
    *,
    files: int | None = None,
    stdin: bytes | None = None,
) -> Program:
    """Compose the program of a request from a row of the table.

    Args:
        toolchain: The row.
        executables: The values of the row's placeholders.
        request: The request.
        code: The content of the entry.
        files: The descriptor of all packed files, if there are several.
        stdin: The program's input; None for the text of the request.

    Raises:
        SecretsUnavailable: This service cannot open the program's secrets.
        CommandTooLong: The paths of the sources are too long for a command line.
    """
    spec = request.spec
    program = _of_spec(toolchain, executables, spec, code)
    return replace(
        program,
        arguments=spec.args,
        stdin=request.stdin.encode() if stdin is None else stdin,
        files=files,
        variables=spec.env,
        secrets=request.open_secrets(),
    )


def _of_spec(toolchain: Toolchain, executables: Mapping[str, str], spec: JobSpec, code: bytes) -> Program:
    if spec.entry is None:
        return compose_without_job(toolchain, executables, spec.limits, code)
    return _compose_tree(toolchain, executables, spec, code)


def compose_without_job(
    toolchain: Toolchain, executables: Mapping[str, str], limits: Limits, code: bytes = b""
) -> Program:
    """Compose a program of one file from a row of the table, without a request."""
    names = _names(toolchain, executables, limits, code)
    return Program(
        language=toolchain.language.name,
        source=names["source"],
        code=_stripped(code, toolchain.strips),
        build=fill(toolchain.build, names),
        archived_build=fill(toolchain.build_with_archive("use"), names),
        run=fill(toolchain.run, names),
        env=ENVIRONMENT,
        settings=dict(zip(toolchain.env, fill(list(toolchain.env.values()), names), strict=True)),
        limits=limits,
        rlimits=program_rlimits(limits, toolchain.memory),
        out_of_memory=toolchain.out_of_memory,
    )


def with_limits(
    program: Program, toolchain: Toolchain, executables: Mapping[str, str], spec: JobSpec, limits: Limits
) -> Program:
    """Return a program with limits other than its job's, including those in its command line."""
    if limits == program.limits:
        return program
    other = _of_spec(toolchain, executables, replace(spec, limits=limits), program.code)
    return replace(program, run=other.run, settings=other.settings, limits=limits, rlimits=other.rlimits)


def stripped(toolchain: Toolchain, code: bytes) -> bytes:
    """Return the code without the byte order mark and carriage returns that its language rejects."""
    return _stripped(code, toolchain.strips)


def _compose_tree(
    toolchain: Toolchain, executables: Mapping[str, str], spec: JobSpec, code: bytes
) -> Program:
    """Compose a program of several files from a row of the table."""
    entry, tree = spec.entry or "", toolchain.tree
    paths = [entry, *(file.path for file in spec.files)]
    directory, _, name = entry.rpartition("/")
    build, run = tree.build or toolchain.build, tree.run or toolchain.run
    if tree.marker in paths:
        build = tree.build_with_marker
    if tree.run_directory and name == _MAIN_MODULE and _is_package(directory):
        run = tree.run_directory
    sources = sorted(path for path in paths if path.endswith(tuple(tree.sources)))
    if toolchain.language.name == "go":  # a package is a directory
        sources = [path for path in sources if path.rpartition("/")[0] == directory]
        sources = [path for path in sources if not path.endswith(_GO_TEST)]
    names = {
        **_names(toolchain, executables, spec.limits, code),
        "source": _word(entry),
        "package": directory,
        "module": directory.replace("/", "."),
        "javascript": _word(_TYPESCRIPT.sub(r".\1js", entry)),
    }
    words = list(map(_word, sources))
    if sum(len(shlex.quote(word)) + 1 for word in words) > _LONGEST_SOURCES:
        raise CommandTooLong
    program = compose_without_job(toolchain, executables, spec.limits, code)
    return replace(
        program,
        source=entry,
        build=_filled(build, names, words),
        archived_build=_filled(toolchain.with_archive(build, "use"), names, words),
        run=_filled(run, names, words),
    )


def _filled(template: Sequence[str], names: Mapping[str, str], sources: Sequence[str]) -> list[str]:
    """Fill in a command line, in which the word `{sources}` stands for the paths of all sources."""
    parts = (sources if part == "{sources}" else fill([part], names) for part in template)
    return [word for part in parts for word in part]


def _word(path: str) -> str:
    """Return a path in a form that no command parses as an option or an argument file."""
    return f"./{path}" if path.startswith(("-", "@")) else path


def _is_package(directory: str) -> bool:
    return bool(directory) and all(name.isidentifier() for name in directory.split("/"))


def _stripped(code: bytes, parts: Sequence[str]) -> bytes:
    """Remove the byte order mark ("bom") and carriage returns ("crlf"), as listed in the row."""
    if "bom" in parts:
        code = code.removeprefix(codecs.BOM_UTF8)
    return code.replace(b"\r\n", b"\n") if "crlf" in parts else code


def _names(
    toolchain: Toolchain, executables: Mapping[str, str], limits: Limits, code: bytes
) -> Mapping[str, str]:
    names = {
        **executables,
        "source": toolchain.source,
        "heap_mb": str(int(limits.memory_mb * HEAP_SHARE)),
        "archive": ARCHIVE_PATH,
        "compiler": toolchain.compiler.get("cold", ""),
    }
    if toolchain.is_named_by_its_code:
        java = java_source.inspect(code.decode("utf-8", "replace"))
        (source,) = fill([toolchain.source], {"source_class": java.source_class})
        names |= {"source": source, "main_class": java.main_class}
    return names


def compose_compiler(toolchain: Toolchain, executables: Mapping[str, str]) -> Compiler:
    """Compose the command of a prewarmed compiler, and the one that makes the CDS archive of its classes."""
    sample, harness = toolchain.archive["sample"], toolchain.compiler["ready"]
    cold = {**executables, "source": sample, "archive": ARCHIVE_FILE, "compiler": toolchain.compiler["cold"]}
    ready = {**executables, "source": "-", "archive": ARCHIVE_PATH, "compiler": harness}
    return Compiler(
        language=toolchain.language.name,
        title=toolchain.title,
        sample=sample,
        make_archive=fill(toolchain.build_with_archive("make"), cold),
        harness=harness,
        command=fill(toolchain.build_with_archive("use"), ready),
    )
