"""The translation of a request and a row of the table of languages into a program for the sandbox."""

import codecs
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


def compose(
    toolchain: Toolchain, executables: Mapping[str, str], request: ExecutionRequest, code: bytes
) -> Program:
    """Fill in a row of the table for a request.

    Raises:
        SecretsUnavailable: The program's secrets do not open here.
    """
    spec = request.spec
    program = compose_without_job(toolchain, executables, spec.limits, code)
    return replace(
        program,
        arguments=spec.args,
        stdin=request.stdin.encode(),
        variables=spec.env,
        secrets=request.open_secrets(),
    )


def compose_without_job(
    toolchain: Toolchain, executables: Mapping[str, str], limits: Limits, code: bytes = b""
) -> Program:
    """Fill in a row of the table as far as that does not depend on a request beside its code."""
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
    program: Program, toolchain: Toolchain, executables: Mapping[str, str], limits: Limits
) -> Program:
    """Return a program with other limits, some of which its command line has, too."""
    if limits == program.limits:
        return program
    other = compose_without_job(toolchain, executables, limits, program.code)
    return replace(program, run=other.run, settings=other.settings, limits=limits, rlimits=other.rlimits)


def _stripped(code: bytes, parts: Sequence[str]) -> bytes:
    """Leave out marks of other systems' editors, which the language has no use for."""
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
    """Fill in a row of the table for a compiler that is kept ready, and for the archive of its classes."""
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
