"""The public interface of this package: runs programs isolated from the machine and within their limits."""

import logging
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from functools import reduce
from pathlib import Path
from threading import Lock

from adapters.common.obstacles import explain, refusal_of
from adapters.local_engine.sandbox import pump
from adapters.local_engine.sandbox.artifacts import CollectedFiles, WantedFiles, collect
from adapters.local_engine.sandbox.bubblewrap import Bubblewrap
from adapters.local_engine.sandbox.capture import CapturedOutput
from adapters.local_engine.sandbox.cds_archive import CdsArchive
from adapters.local_engine.sandbox.compiler_pool import Compiler, CompilerRecipe, PrewarmedCompiler
from adapters.local_engine.sandbox.files import sealed_file
from adapters.local_engine.sandbox.interpreter_pool import (
    InterpreterRecipe,
    PreloadHook,
    PrewarmedInterpreter,
)
from adapters.local_engine.sandbox.isolation import Isolation
from adapters.local_engine.sandbox.launch_script import ARCHIVE_DESCRIPTOR
from adapters.local_engine.sandbox.launcher import Connection, Launcher
from adapters.local_engine.sandbox.outcome import Observation, Outcome, classify, refuse
from adapters.local_engine.sandbox.program import NOTHING, Program
from adapters.local_engine.sandbox.run_monitor import (
    BufferUntilStarted,
    OnOutput,
    OnStart,
    OnUsage,
    RunMonitor,
    ignore,
)
from adapters.local_engine.sandbox.supervisor.protocol import RunEvent
from adapters.local_engine.sandbox.supervisor_process import SupervisorProcess
from adapters.local_engine.sandbox.trial import find_refusal
from adapters.local_engine.sandbox.unsandboxed_process import UnsandboxedProcess
from adapters.local_engine.sandbox.warm_pool import WarmPool
from adapters.local_engine.sandbox.work_area import WorkArea
from application.errors import DependencyUnavailable
from application.file_spool import FileSpool
from application.ports.execution_engine import WarmStarts
from application.ports.output_feed import OutputChunk, Stream
from domain.catalogue.text import Text, text
from domain.execution import ExecutionResult, Output
from domain.job_lifecycle import Reason
from domain.limits import Limits

_log = logging.getLogger("service_server.local_engine")

_MIB = 1 << 20
_COMPILERS_READY = 1


class Sandbox:
    """Runs programs. Concurrent calls of `run` run programs side by side.

    Args:
        directory: A private directory of this service.
        isolated: Whether programs are isolated; if not, they are ordinary child processes.
        hidden: Directories that no program may see.
        inline_output_bytes: The number of bytes of each stream that a result holds.
        warm_starts: The number of prewarmed interpreters per language; 0 disables prewarmed compilers, too.
        usual_limits: The limits of most programs; prewarmed sandboxes are made for these.
        programs_at_once: The number of programs that run at once, at most.

    Attributes:
        pump: The executable that limits the output of one program to another; None if it is not available
            for this architecture.
    """

    def __init__(
        self,
        directory: Path,
        *,
        isolated: bool,
        hidden: Sequence[Path],
        inline_output_bytes: int,
        warm_starts: int,
        usual_limits: Limits,
        programs_at_once: int,
        views: Callable[[], Sequence[Path]] = tuple,
    ) -> None:
        self._directory = directory
        self._inline_output_bytes = inline_output_bytes
        self._bubblewrap = None
        if isolated:
            self._bubblewrap = Bubblewrap(directory, (directory, *hidden), programs_at_once, views)
        self.isolation: Isolation = self._bubblewrap or UnsandboxedProcess(WorkArea(directory))
        self._processors = os.sched_getaffinity(0)
        self.supervisor = SupervisorProcess(
            self._processors,
            self.isolation.clear,
            self.isolation.adopt,
            lambda: self.isolation.user_namespace,
        )
        self._launcher = Launcher(self.supervisor, self.isolation)
        self._warm_starts = warm_starts
        self._usual_limits = usual_limits
        self._lock = Lock()
        self._running = 0
        self._recipes: list[InterpreterRecipe] = []
        self.interpreters: dict[str, WarmPool[PrewarmedInterpreter]] = {}
        self.compilers: dict[str, WarmPool[PrewarmedCompiler]] = {}
        self._archives: dict[str, CdsArchive] = {}
        self.pump: Path | None = None

    def keep_interpreter(self, title: str, usual: Program, hook: PreloadHook) -> None:
        """Keep prewarmed interpreters of a language from `open` on, if programs are isolated."""
        if self._bubblewrap is not None:
            limits_of = self._bubblewrap.job_limits
            self._recipes.append(InterpreterRecipe(title, usual, hook, self._launcher, limits_of))

    def keep_compiler(self, compiler: Compiler) -> None:
        """Keep the CDS archive of a compiler and, if programs are isolated, a prewarmed compiler."""
        with self._lock:
            if compiler.language in self._archives:
                return
            sample = Path(__file__).with_name(compiler.sample)
            archive = CdsArchive(compiler.language, compiler.make_archive, sample, self._directory)
            self._archives[compiler.language] = archive
            if self._bubblewrap is not None and self._warm_starts > 0:
                recipe = CompilerRecipe(
                    compiler, archive, self._launcher, self._capture, self._usual_limits.build_cpu_time_ms
                )
                self.compilers[compiler.language] = WarmPool(recipe, _COMPILERS_READY, self._is_busy)

    def open(self) -> None:
        """Prepare to run programs.

        Raises:
            DependencyUnavailable: This machine cannot run programs; the message has the remedy.
        """
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            cause = text("engine.no_directory", cause=_cause(error))
            raise DependencyUnavailable("engine", cause) from error
        with ExitStack() as on_failure:
            on_failure.callback(self.close)
            self.isolation.open()
            try:
                self.pump = pump.install(self._directory)
            except OSError as error:
                cause = text("engine.unusable_directory", cause=_cause(error))
                raise DependencyUnavailable("engine", cause) from error
            self.check()
            self.isolation.find_control_groups(self.supervisor.pid)
            if self.isolation.is_isolated:
                self._try_out()
            on_failure.pop_all()
        if self.isolation.is_isolated and self._warm_starts > 0:
            self.interpreters = {
                recipe.title: WarmPool(recipe, self._warm_starts, self._is_busy) for recipe in self._recipes
            }

    def check(self) -> None:
        """Restart the supervisor if it has ended.

        Raises:
            DependencyUnavailable: The supervisor cannot be started.
        """
        try:
            self.supervisor.start()
        except OSError as error:
            cause = text("engine.no_supervisor", cause=_cause(error))
            raise DependencyUnavailable("engine", cause) from error

    def close(self) -> None:
        """Kill every program and release all resources. Does nothing if the sandbox is not open."""
        with self._lock:
            opened: list[WarmPool[PrewarmedInterpreter] | WarmPool[PrewarmedCompiler] | CdsArchive]
            opened = [*self.interpreters.values(), *self.compilers.values(), *self._archives.values()]
            self.interpreters, self.compilers, self._archives = {}, {}, {}
        for each in opened:
            each.close()
        self.supervisor.close()
        self.isolation.close()

    def wait_until_warm(self, timeout_s: float) -> bool:
        """Wait until all prewarmed interpreters are ready; return whether they are."""
        pools = [pool for pool in list(self.interpreters.values()) if not pool.is_idle]
        return all(pool.wait_until_full(timeout_s) for pool in pools)

    def warm_starts(self) -> Mapping[str, WarmStarts]:
        """Return the statistics of prewarmed interpreters and compilers."""
        with self._lock:
            starts = {kind: pool.starts for kind, pool in self.interpreters.items()}
            starts |= {f"{name} compiler": pool.starts for name, pool in self.compilers.items()}
        return starts

    @property
    def warm_start(self) -> Text:
        """The languages with a warm start, and the causes of missing ones."""
        if not self.isolation.is_isolated:
            return text("engine.warm_none", cause=text("groups.not_isolated"))
        if self._warm_starts == 0:
            return text("engine.warm_none", cause=text("engine.warm_off"))
        if not self._recipes:
            return text("engine.warm_none", cause=text("engine.warm_no_language"))
        return reduce(
            lambda first, second: text("engine.warm_both", first=first, second=second),
            map(self._warm_start_of, self._recipes),
        )

    def _warm_start_of(self, recipe: InterpreterRecipe) -> Text:
        pool = self.interpreters.get(recipe.title)
        if pool is not None and pool.trouble is not None:
            return text("engine.warm_cold", title=recipe.title, trouble=pool.trouble)
        title, ready = recipe.title, self._warm_starts
        if recipe.idle_s == math.inf:
            return text("engine.warm_ready", title=title, ready=ready)
        return text("engine.warm_ready_for", title=title, ready=ready, seconds=round(recipe.idle_s))

    def run(
        self,
        program: Program,
        monitor: RunMonitor,
        on_start: OnStart,
        on_output: OnOutput,
        on_usage: OnUsage | None = None,
    ) -> Outcome:
        """Run a program to its end.

        Args:
            program: The program, with its limits.
            monitor: Cancels the program from any thread.
            on_start: Called once before the first instruction of the program, which then runs unless it was
                cancelled meanwhile. An error in any of these callbacks kills the program and is raised.
            on_output: Called with each chunk of the output.
            on_usage: Called with the program's usage about once a second while it runs; None if the usage is
                not wanted.

        Raises:
            OSError: The machine could not run the program.
        """
        if (refusal := refuse(program)) is not None:
            return Outcome(refusal)
        program = replace(self.isolation.fitted(program), reports_usage=on_usage is not None)
        with self._counted(), self._compiled(program, monitor) as compiled:
            if isinstance(compiled, Outcome):
                _report_stderr(compiled, on_output)
                return compiled
            return self._run(compiled, monitor, on_start, on_output, on_usage or ignore)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        with self._lock:
            self._running += 1
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1

    def _is_busy(self) -> bool:
        """Whether the running programs occupy every processor."""
        return self._running >= len(self._processors)

    @contextmanager
    def _compiled(self, program: Program, monitor: RunMonitor) -> Iterator[Program | Outcome]:
        """Compile a program with a prewarmed compiler; without one, leave the build to its own sandbox."""
        archive, pool = self._archives.get(program.language), self.compilers.get(program.language)
        if archive is None or not program.build:
            yield program
            return
        with archive.opened() as classes:
            if classes is not None:
                descriptors = {ARCHIVE_DESCRIPTOR: classes}
                program = replace(program, build=program.archived_build, descriptors=descriptors)
            compiler = None if pool is None else pool.get(program)
            if compiler is None:
                yield program
            else:
                with compiler.compiled(program, monitor) as compiled:
                    yield compiled

    def _run(
        self,
        program: Program,
        monitor: RunMonitor,
        on_start: OnStart,
        on_output: OnOutput,
        on_usage: OnUsage = ignore,
    ) -> Outcome:
        with ExitStack() as on_failure:
            event, output = self._run_to_end(program, monitor, on_start, on_output, on_usage, on_failure)
            if event is None:
                ended = text("outcomes.supervisor_ended")
                return Outcome(ExecutionResult.failed(Reason.ENGINE_ERROR, ended))
            seen = Observation(
                event=event,
                limits=program.limits,
                stdout=output.stdout.output(),
                stderr=output.stderr.output(),
                output_bytes=output.budget.used,
                build_output_bytes=output.build_budget.used,
                build_output_mb=program.allowed_build_output_mb,
                build_spent_ms=program.build_spent_ms,
                compile_output=_compile_output(program, output),
                cancelled_after_ms=monitor.milliseconds_since_cancel(),
                is_offline=self.isolation.is_isolated,
                out_of_memory=program.out_of_memory,
                refused_from_mb=self._refused_from_mb(program),
            )
            result = classify(seen)
            on_failure.pop_all()
            if result.stderr is not result.compile_output:
                output.build.file.close()
                return Outcome(
                    result,
                    output.stdout.rewound(),
                    output.stderr.rewound(),
                    output.collected,
                    is_startable=seen.lacked_host,
                )
            output.stderr.file.close()
            outcome = Outcome(
                result, output.stdout.rewound(), output.build.rewound(), is_startable=seen.lacked_host
            )
            _report_stderr(outcome, on_output)
            return outcome

    def _refused_from_mb(self, program: Program) -> int | None:
        """Return the memory from which on a runtime may refuse more; None if only a control group does."""
        is_counted = "AS" in program.rlimits and not self.isolation.limits_address_space
        return None if is_counted else program.refused_from_mb

    def _run_to_end(
        self,
        program: Program,
        monitor: RunMonitor,
        on_start: OnStart,
        on_output: OnOutput,
        on_usage: OnUsage,
        on_failure: ExitStack,
    ) -> tuple[RunEvent | None, CapturedOutput]:
        starts_at_once = self.isolation.starts_at_once(program)
        interpreter = None if starts_at_once else self._interpreter(program)
        if interpreter is not None:
            output = self._capture_of(program)
            on_failure.callback(output.close)
            buffer = BufferUntilStarted(on_output)
            with closing(interpreter):
                on_start()
                if interpreter.start(program, monitor):
                    event = monitor.follow(
                        interpreter.connection, output, buffer.started, buffer.output, on_usage
                    )
                    if event is None or event.was_ready:
                        return event, output
            on_failure.close()  # drops the output of an interpreter that failed before the job's program
            buffer = BufferUntilStarted(on_output)
            on_start, on_output = buffer.started, buffer.output
        output = self._capture_of(program)
        on_failure.callback(output.close)
        if starts_at_once:
            on_start()
        with (
            sealed_file("stdin", program.stdin) as stdin,
            self._launcher.launched(program, stdin) as connection,
        ):
            event = monitor.follow(connection, output, on_start, on_output, on_usage)
            if program.wanted is not None and event is not None and event.was_ready:
                output.collected = _collected(connection, program.wanted)
                on_failure.callback(output.collected.spool.close)
            return event, output

    def _interpreter(self, program: Program) -> PrewarmedInterpreter | None:
        taken = (pool.get(program) for pool in list(self.interpreters.values()))
        return next((interpreter for interpreter in taken if interpreter is not None), None)

    def _capture(self, allowed: int, build_allowed: int | None = None) -> CapturedOutput:
        return CapturedOutput(allowed, self._inline_output_bytes, self._directory, build_allowed)

    def _capture_of(self, program: Program) -> CapturedOutput:
        return self._capture(program.limits.output_mb * _MIB, program.allowed_build_output_mb * _MIB)

    def _try_out(self) -> None:
        """Run a program that does nothing, which also makes the root filesystem before the first job.

        Raises:
            DependencyUnavailable: This machine cannot isolate programs.
        """
        trouble = self._trouble_of(NOTHING)
        refusal = find_refusal(trouble) if trouble else None
        if trouble and not refusal and self.isolation.drop_control_groups(trouble):
            trouble = self._trouble_of(NOTHING)
        if trouble:
            cause = explain(refusal) if refusal else trouble.rstrip(".")
            raise DependencyUnavailable("engine", text("engine.cannot_isolate", cause=cause))
        if self._bubblewrap is not None and self._bubblewrap.use_plans():
            trouble = self._trouble_of(NOTHING)
            if trouble:
                self._bubblewrap.drop_plans(trouble)

    def _trouble_of(self, program: Program) -> str | None:
        outcome = self._run(program, RunMonitor(), lambda: None, lambda _: None)
        for stream in (outcome.stdout, outcome.stderr):
            if stream is not None:
                stream.close()
        return outcome.result.error_message


def _collected(connection: Connection, wanted: WantedFiles) -> CollectedFiles:
    """Collect the wanted files; none if there was no room to receive the descriptor of their directory."""
    if not connection.received:
        return CollectedFiles(FileSpool(), left_out=1)
    try:
        return collect(connection.received[0], wanted)
    except OSError as error:  # the program has ended, so its result counts without them
        _log.warning("the files that a program wrote are lost: %s", error.strerror)
        return CollectedFiles(FileSpool(), are_lost=True)


def _cause(error: OSError) -> Text | str:
    refusal = refusal_of(error)
    if refusal is not None:
        return explain(refusal)
    return error.strerror.lower() if error.strerror else text("engine.no_reason")


def _compile_output(program: Program, output: CapturedOutput) -> Output | None:
    """Return the output of a build, in this sandbox or in a prewarmed compiler; None without a build."""
    if not program.build:
        return None
    written = output.build.output()
    return program.compile_output if program.compile_output and not written.total_bytes else written


def _report_stderr(outcome: Outcome, on_output: OnOutput) -> None:
    """Report the compiler's messages, once it is known that stderr has nothing else."""
    if outcome.stderr is None:
        return
    offset = 0
    while data := outcome.stderr.read(_MIB):
        on_output(OutputChunk(Stream.STDERR, offset, data))
        offset += len(data)
    outcome.stderr.seek(0)
