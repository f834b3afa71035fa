"""The composition of a job's program from its stored code, files and input."""

from contextlib import ExitStack
from dataclasses import replace

from adapters.local_engine.compose import CommandTooLong, compose, compose_compiler, stripped
from adapters.local_engine.engine_reports import failure
from adapters.local_engine.job_files import packed_files, stored_stdin
from adapters.local_engine.sandbox.artifacts import WantedFiles
from adapters.local_engine.sandbox.program import Program
from adapters.local_engine.sandbox.sandbox import Sandbox
from adapters.local_engine.tools import JobTools
from application.blobs import read_blob
from application.errors import ApplicationError, DependencyUnavailable
from application.ports.execution_engine import EngineReport, ExecutionRequest
from application.ports.object_store import ObjectStore
from application.retry_policy import RetryPolicy
from domain.artifacts import ArtifactLimits, PathMatcher
from domain.blob import BlobRef
from domain.catalogue.text import said_by, text
from domain.execution import ExecutionResult
from domain.job_lifecycle import Reason
from domain.submission import JobSpec

_TOO_MANY_SOURCES = text("outcomes.too_many_sources")


class ProgramComposer:
    """Fetches the code, the files and the input of a job, and composes its program.

    Args:
        code_store: The store of the code.
        retry: The retry policy for fetching the code.
        artifact_limits: The limits on the files that a program may have kept.
        sandbox: Keeps the compilers of composed programs warm.
    """

    def __init__(
        self,
        code_store: ObjectStore,
        retry: RetryPolicy,
        artifact_limits: ArtifactLimits,
        sandbox: Sandbox,
    ) -> None:
        self._code_store = code_store
        self._retry = retry
        self._artifact_limits = artifact_limits
        self._sandbox = sandbox

    def compose(self, request: ExecutionRequest, tools: JobTools, held: ExitStack) -> Program | EngineReport:
        """Fetch the code, the files and the input of a program, and compose it.

        Args:
            request: The program.
            tools: The commands of its runtime.
            held: Closes the packed files of the program.

        Returns:
            The program, or the report of a failure.
        """

        def fetch(blob: BlobRef) -> bytes:
            return self._retry(lambda: read_blob(self._code_store, request.tenant, blob))

        spec, files = request.spec, None
        try:
            code = self._retry(lambda: self._code_store.get(spec.code_key, spec.max_code_bytes))
            if spec.entry is not None:
                files = held.enter_context(packed_files(spec, stripped(tools.toolchain, code), fetch))
            stdin = stored_stdin(spec, fetch)
        except DependencyUnavailable as error:
            return EngineReport(_without_code(error), is_startable=True)
        except ApplicationError as error:
            return EngineReport(_without_code(error))
        toolchain, executables = tools.toolchain, tools.executables
        if toolchain.compiler and tools.is_default:
            self._sandbox.keep_compiler(compose_compiler(toolchain, executables))
        try:
            program = compose(toolchain, executables, request, code, files=files, stdin=stdin)
        except CommandTooLong:
            return failure(Reason.COMPILE_ERROR, _TOO_MANY_SOURCES)
        program = replace(program, wanted=self._wanted(spec, program))
        # Warm pools are found by language and serve only the default runtime.
        return program if tools.is_default else replace(program, language=str(spec.runtime))

    def _wanted(self, spec: JobSpec, program: Program) -> WantedFiles | None:
        if not spec.artifacts:
            return None
        given = {program.source: BlobRef.of(program.code), **{file.path: file.blob for file in spec.files}}
        return WantedFiles(matcher=PathMatcher(spec.artifacts), given=given, limits=self._artifact_limits)


def _without_code(error: ApplicationError) -> ExecutionResult:
    return ExecutionResult.failed(
        Reason.STORAGE_ERROR, text("outcomes.code_not_fetched", cause=said_by(error))
    )
