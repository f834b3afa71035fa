import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from threading import Lock

from adapters.local_engine.sandbox.bubblewrap import Bubblewrap
from adapters.local_engine.sandbox.capture import CapturedOutput
from adapters.local_engine.sandbox.compiler_pool import CompilerPool
from adapters.local_engine.sandbox.files import sealed_file
from adapters.local_engine.sandbox.isolation import Isolation
from adapters.local_engine.sandbox.launcher import Connection, Launcher
from adapters.local_engine.sandbox.outcome import Observation, classify, refuse
from adapters.local_engine.sandbox.program import NOTHING, Program, compose
from adapters.local_engine.sandbox.rootfs import HOOKS as HOOKS_IN_BOX
from adapters.local_engine.sandbox.run_monitor import BufferUntilStarted, NullObserver, RunMonitor
from adapters.local_engine.sandbox.supervisor.protocol import RunEvent
from adapters.local_engine.sandbox.supervisor_process import SupervisorProcess
from adapters.local_engine.sandbox.unsandboxed_process import UnsandboxedProcess
from adapters.local_engine.sandbox.warm_pool_manager import WarmPoolManager
from adapters.local_engine.sandbox.work_area import WorkArea
from adapters.local_engine.toolchains import Toolchain, Toolchains
from application.errors import ApplicationError, DependencyUnavailable
from application.ports.execution_engine import (
    EngineDescription,
    EngineReport,
    ExecutionEngine,
    ExecutionObserver,
    ExecutionRequest,
    LanguageSupport,
)
from application.ports.object_store import ObjectStore
from application.ports.output_feed import OutputChunk, Stream
from application.retry_policy import RetryPolicy
from domain.execution import ExecutionResult, Output
from domain.job_lifecycle import Reason
from domain.language import Language
from domain.limits import STANDARD_LIMITS, Limits
from domain.values import ExecutionId, JobId

_MIB = 1 << 20
_ONCE = RetryPolicy()
_USUAL_LIMITS = STANDARD_LIMITS.resolve({})
_ROOT = Path(__file__).parents[2]
_NOT_ISOLATED = (
    "programs are NOT isolated: they run as this service's user, read its files and reach its network; "
    "for development only"
)

_CANNOT_ISOLATE = (
    "this machine does not let programs be isolated. It takes user namespaces: in a container, allow them "
    "(Docker: --security-opt seccomp=unconfined --security-opt apparmor=unconfined --cap-add SYS_ADMIN); AWS "
    "Fargate has none, so use another launch type or an HTTP engine there. SERVICE_SERVER_SANDBOX=off runs "
    "programs without isolation, for development."
)

_log = logging.getLogger("service_server.local_engine")


class LocalEngine(ExecutionEngine):
    """Runs programs on this machine, each call of `execute` one, as many at a time as it is called.

    Args:
        code_store: Where the code is.
        work_directory: Where programs have their private directories.
        inline_output_bytes: How much of each stream a result holds.
        max_code_bytes: How large the code may be.
        isolated: Whether programs are kept in boxes; if not, they are ordinary child processes.
        retrying: How often the store is asked for the code.
        warm_starts: How many interpreters of a language are kept ready for its next jobs; 0 for none.
        usual_limits: The limits that most jobs have, which such interpreters are made for.
        hidden: Directories that no program may see, beside those of this service's code and of its work.
    """

    def __init__(
        self,
        code_store: ObjectStore,
        work_directory: Path,
        *,
        inline_output_bytes: int = 65_536,
        max_code_bytes: int = 16 * _MIB,
        isolated: bool = False,
        retrying: RetryPolicy = _ONCE,
        warm_starts: int = 0,
        usual_limits: Limits = _USUAL_LIMITS,
        hidden: Sequence[Path] = (),
    ) -> None:
        self._code_store = code_store
        self._work_directory = work_directory
        self._inline_output_bytes = inline_output_bytes
        self._max_code_bytes = max_code_bytes
        self._retrying = retrying
        processors = os.sched_getaffinity(0)
        self._toolchains = Toolchains(hooks=HOOKS_IN_BOX) if isolated else Toolchains()
        bubblewrap = Bubblewrap(work_directory, hidden=(_ROOT, work_directory, *hidden)) if isolated else None
        self._isolation: Isolation = bubblewrap or UnsandboxedProcess(WorkArea(work_directory))
        self._supervisor = SupervisorProcess(processors, self._isolation.clear)
        self._launcher = Launcher(self._supervisor, self._isolation)
        self._running: dict[ExecutionId, RunMonitor] = {}
        self._warm_pools = WarmPoolManager(
            self._launcher,
            bubblewrap,
            self._toolchains,
            warm_starts,
            usual_limits,
            is_busy=lambda: len(self._running) >= len(processors),
        )
        self._usual_limits = usual_limits
        self._keeps_compilers = isolated and warm_starts > 0
        self._compilers: dict[Language, CompilerPool] = {}
        self._lock = Lock()
        for toolchain, executables in self._toolchains.available():
            if toolchain.compiler:
                self._compiler(toolchain, executables)
        # What is the matter with it; None once it is ready.
        self._trouble: str | None = "it has not been started"

    @property
    def name(self) -> str:
        """What the engine is called, and what confines its programs."""
        return f"local engine, {self._isolation.name}"

    def start(self) -> None:
        """Make the engine ready, and say what stands between programs and this machine.

        Raises:
            DependencyUnavailable: Programs cannot be run here; the message says what to do.
        """
        try:
            self._open()
        except DependencyUnavailable as error:
            self._trouble = error.detail
            raise
        self._toolchains.start()
        description = self.describe()
        if description.warning:
            _log.warning("%s", description.warning)
        for limit, how in description.limits.items():
            _log.info("limit %s: %s", limit, how)
        _log.info("warm start: %s", description.warm_start)

    def _open(self) -> None:
        try:
            self._work_directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DependencyUnavailable("engine", f"no work directory: {error.strerror}") from error
        self._isolation.open()
        self._trouble = None
        self.check()
        if self._isolation.is_isolated:
            self._try_out()
            self._warm_pools.start()

    def stop(self) -> None:
        """Kill every program and let go of everything. An engine that was not started is no error."""
        self._trouble = "it has been stopped"
        self._warm_pools.stop()
        for compiler in self._compilers.values():
            compiler.close()
        self._supervisor.close()
        self._isolation.close()

    def describe(self) -> EngineDescription:
        """Say what confines programs, and how each limit is enforced."""
        isolated = self._isolation.is_isolated
        return EngineDescription(
            name=self.name,
            is_isolated=isolated,
            limits=self._isolation.limits(),
            warning=None if isolated else _NOT_ISOLATED,
            warm_start=self._warm_pools.describe(),
            control_groups=self._isolation.control_groups,
        )

    def wait_until_warm(self, timeout_s: float) -> bool:
        """Wait until every interpreter that is started ahead is ready; return whether that is so."""
        return self._warm_pools.wait_until_ready(timeout_s)

    def languages(self) -> Sequence[LanguageSupport]:
        """Return the languages of the table, as this machine has them."""
        return self._toolchains.support()

    def check(self) -> None:
        """Find out whether the supervisor is there, and start it again if it is not."""
        if self._trouble is not None:
            raise DependencyUnavailable("engine", self._trouble)
        try:
            self._supervisor.start()
        except OSError as error:
            raise DependencyUnavailable("engine", f"its supervisor cannot start: {error.strerror}") from error

    def cancel(self, execution_id: ExecutionId, job_id: JobId) -> None:  # noqa: ARG002 - the port's signature
        """Kill a program and all its processes."""
        with self._lock:
            running = self._running.get(execution_id)
        if running is not None:
            running.cancel()

    def execute(self, request: ExecutionRequest, observer: ExecutionObserver) -> EngineReport:
        """Run a program to its end."""
        language = request.spec.language
        toolchain, support = self._toolchains.find(language)
        if support.unavailable_because is not None:
            return _failure(Reason.ENGINE_UNAVAILABLE, support.unavailable_because)
        try:
            code = self._retrying(lambda: self._code_store.get(request.spec.code_key, self._max_code_bytes))
        except DependencyUnavailable as error:
            return EngineReport(_without_code(error), is_startable=True)
        except ApplicationError as error:
            return EngineReport(_without_code(error))
        try:
            with self._registered(request.execution_id) as running:
                return self._build_and_run(toolchain, request, code, running, observer)
        except DependencyUnavailable as error:
            failure = ExecutionResult.failed(Reason.INTERNAL, f"The program was not started, for {error}.")
            return EngineReport(failure, is_lost=True)
        except OSError as error:
            _log.exception("an execution could not be run")
            return _failure(Reason.ENGINE_ERROR, f"The engine could not run the program: {error.strerror}.")

    def _build_and_run(
        self,
        toolchain: Toolchain,
        request: ExecutionRequest,
        code: bytes,
        running: RunMonitor,
        observer: ExecutionObserver,
    ) -> EngineReport:
        if (refusal := refuse(code, toolchain, request.spec.limits)) is not None:
            return EngineReport(refusal)
        if toolchain.build:
            observer.building()
        executables = self._toolchains.executables(toolchain.language)
        compiler = self._compiler(toolchain, executables) if toolchain.compiler else None
        if compiler is None:
            program = compose(toolchain, executables, request, code)
            return self._run(program, request.stdin, running, observer, toolchain.out_of_memory)
        with compiler.archive.opened() as archive:
            program = compose(toolchain, executables, request, code, archive)
            with compiler.build(program, running) as built:
                if isinstance(built, EngineReport):
                    _tell_of_stderr(built, observer)
                    return built
                return self._run(built, request.stdin, running, observer, toolchain.out_of_memory)

    def _compiler(self, toolchain: Toolchain, executables: Mapping[str, str]) -> CompilerPool:
        """Return what compiles programs of a language ahead, which may have been installed a moment ago."""
        with self._lock:
            if toolchain.language not in self._compilers:
                self._compilers[toolchain.language] = CompilerPool(
                    toolchain,
                    executables,
                    self._launcher,
                    self._work_directory,
                    is_kept_ready=self._keeps_compilers,
                    usual_limits=self._usual_limits,
                    inline_output_bytes=self._inline_output_bytes,
                )
            return self._compilers[toolchain.language]

    @contextmanager
    def _registered(self, execution_id: ExecutionId) -> Iterator[RunMonitor]:
        running = RunMonitor()
        with self._lock:
            self._running[execution_id] = running
        try:
            yield running
        finally:
            with self._lock:
                del self._running[execution_id]

    def _try_out(self) -> None:
        """Run a program that does nothing: no job has to wait then until the view of this machine is made.

        Raises:
            DependencyUnavailable: This machine does not let programs be isolated.
        """
        trouble = self._trouble_of(NOTHING)
        if trouble and self._isolation.drop_control_groups(trouble):
            trouble = self._trouble_of(NOTHING)
        if trouble:
            self.stop()
            raise DependencyUnavailable("engine", f"{_CANNOT_ISOLATE} {trouble}")

    def _trouble_of(self, program: Program) -> str | None:
        """Run a program for nobody; return what went wrong."""
        with self._run(program, "", RunMonitor(), NullObserver()) as report:
            return report.result.error_message

    def _run(
        self,
        program: Program,
        stdin: str,
        running: RunMonitor,
        observer: ExecutionObserver,
        out_of_memory: Sequence[str] = (),
    ) -> EngineReport:
        with ExitStack() as on_failure:
            event, output = self._run_to_its_end(program, stdin, running, observer, on_failure)
            if event is None:
                return _failure(Reason.ENGINE_ERROR, "The engine's supervisor ended; the program was killed.")
            result = classify(
                Observation(
                    event=event,
                    limits=program.limits,
                    stdout=output.stdout.output(),
                    stderr=output.stderr.output(),
                    output_bytes=output.used,
                    build_output_bytes=output.build_used,
                    build_spent_ms=program.build_spent_ms,
                    compile_output=_compile_output(program, output),
                    cancelled_after_ms=running.milliseconds_since_cancel(),
                    is_offline=self._isolation.is_isolated,
                    out_of_memory=out_of_memory,
                )
            )
            on_failure.pop_all()
            if result.stderr is not result.compile_output:
                output.build.file.close()
                return EngineReport(result, output.stdout.rewound(), output.stderr.rewound())
            output.stderr.file.close()
            report = EngineReport(result, output.stdout.rewound(), output.build.rewound())
            _tell_of_stderr(report, observer)
            return report

    def _run_to_its_end(
        self,
        program: Program,
        stdin: str,
        running: RunMonitor,
        observer: ExecutionObserver,
        on_failure: ExitStack,
    ) -> tuple[RunEvent | None, CapturedOutput]:
        box = self._warm_pools.take(program)
        if box is not None:
            output = self._capture(program, on_failure)
            with closing(box):
                observer.started()  # its job starts when it has it
                running.start(box.connection.control_socket)
                if box.hand_over(program, stdin):
                    event = _follow(box.connection, running, output, BufferUntilStarted(observer))
                    if event is None or event.announced:
                        return event, output
            on_failure.close()  # what an interpreter says that never came to its job is not the job's
            observer = BufferUntilStarted(observer)
        output = self._capture(program, on_failure)
        with (
            sealed_file("stdin", stdin.encode()) as source,
            self._launcher.launched(program, source) as connection,
        ):
            return _follow(connection, running, output, observer), output

    def _capture(self, program: Program, on_failure: ExitStack) -> CapturedOutput:
        allowed = program.limits.output_mb * _MIB
        output = CapturedOutput(allowed, self._inline_output_bytes, self._work_directory)
        on_failure.callback(output.close)
        return output


def _follow(
    connection: Connection, running: RunMonitor, output: CapturedOutput, observer: ExecutionObserver
) -> RunEvent | None:
    streams = {connection.stdout: output.stdout, connection.stderr: output.stderr}
    if connection.build_output is not None:
        streams[connection.build_output] = output.build
    return running.follow(connection.control_socket, streams, output, observer)


def _compile_output(program: Program, output: CapturedOutput) -> Output | None:
    """Return what a build has written, here or where its compiler was ready; None if there was none."""
    if not program.build:
        return None
    written = output.build.output()
    return program.compile_output if program.compile_output and not written.total_bytes else written


def _tell_of_stderr(report: EngineReport, observer: ExecutionObserver) -> None:
    """Tell of the compiler's messages once they are known to be all that there is on stderr."""
    if report.stderr is None:
        return
    offset = 0
    while data := report.stderr.read(_MIB):
        observer.output(OutputChunk(Stream.STDERR, offset, data))
        offset += len(data)
    report.stderr.seek(0)


def _without_code(error: ApplicationError) -> ExecutionResult:
    return ExecutionResult.failed(Reason.STORAGE_ERROR, f"The code could not be fetched: {error}.")


def _failure(reason: Reason, message: str) -> EngineReport:
    return EngineReport(ExecutionResult.failed(reason, message))
