"""The engine that runs programs on this machine, in a sandbox."""

import logging
import os
import shutil
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import reduce
from pathlib import Path
from threading import Lock

from adapters.local_engine.builds import build_key, pack_build, tree_too_large
from adapters.local_engine.built_program import LocalProgram
from adapters.local_engine.built_tree import tree_copier
from adapters.local_engine.compose import compose_without_job, with_limits
from adapters.local_engine.engine_reports import failure, report_of
from adapters.local_engine.memory_budget import MemoryBudget
from adapters.local_engine.processor_usage import ProcessorUsage
from adapters.local_engine.program_composer import ProgramComposer
from adapters.local_engine.runtimes import Runtimes
from adapters.local_engine.sandbox.files import fill, new_memory_file
from adapters.local_engine.sandbox.program import BUILD_MEMORY_MB, SYSTEM_PATH, Program
from adapters.local_engine.sandbox.rootfs import HOOKS
from adapters.local_engine.sandbox.run_monitor import OnOutput, OnStart, OnUsage, RunMonitor
from adapters.local_engine.sandbox.sandbox import Sandbox
from adapters.local_engine.sandbox.supervisor.protocol import is_shortage
from adapters.local_engine.toolchains import Toolchain, Toolchains
from adapters.local_engine.tools import JobTools, ToolFinder
from adapters.local_engine.turns import Turns
from application.errors import DependencyUnavailable
from application.ports.execution_engine import (
    BuiltProgram,
    EngineDescription,
    EngineReport,
    ExecutionEngine,
    ExecutionObserver,
    ExecutionRequest,
    KnownBuilds,
    LanguageSupport,
    RuntimeSupport,
    WarmStarts,
    no_builds,
)
from application.ports.object_store import ObjectStore
from application.retry_policy import RetryPolicy
from domain.artifacts import ArtifactLimits
from domain.catalogue.text import Text, said_by, text
from domain.execution import ExecutionResult, Output
from domain.job_lifecycle import JobStatus, Reason
from domain.limits import STANDARD_LIMITS, Limits
from domain.runtime import queue_of
from domain.submission import JobSpec
from domain.values import ExecutionId, JobId

_MIB = 1 << 20
# After a job whose runtime is missing was claimed, none of that runtime is claimed for this long.
_LACKING_FOR_S = 60.0
_ONCE = RetryPolicy()
_ARTIFACTS = ArtifactLimits()
_USUAL_LIMITS = STANDARD_LIMITS.resolve({})
_ROOT = Path(__file__).parents[2]
_NO_ROOM = ExecutionResult.failed(
    Reason.ENGINE_UNAVAILABLE,
    text("outcomes.no_room"),
)

_log = logging.getLogger("service_server.local_engine")


class LocalEngine(ExecutionEngine):
    """Runs programs on this machine: each call of `execute` runs one, and calls may overlap.

    Args:
        code_store: The store of the code.
        work_directory: The parent of the programs' private directories.
        inline_output_bytes: The number of bytes of each stream that a result holds.
        isolated: Whether programs are isolated; if not, they are ordinary child processes.
        retry: The retry policy for fetching the code.
        warm_starts: The number of prewarmed interpreters per language; 0 disables prewarmed compilers, too.
        usual_limits: The limits of most jobs; prewarmed sandboxes are made for these.
        hidden: Directories that no program may see, in addition to the service's code and work directories.
        artifact_limits: The limits on the files that a program may have kept.
        memory_mb: The sum of the memory limits of all running programs, at most; None for no bound.
        runtimes: The directory with the descriptions of additional runtimes; None for none.
        programs_at_once: The number of programs that run at once, at most.
        elsewhere: Languages that other processes run, on machines that may have tools which this one lacks.
    """

    def __init__(
        self,
        code_store: ObjectStore,
        work_directory: Path,
        *,
        inline_output_bytes: int = 65_536,
        isolated: bool = False,
        retry: RetryPolicy = _ONCE,
        warm_starts: int = 0,
        usual_limits: Limits = _USUAL_LIMITS,
        hidden: Sequence[Path] = (),
        artifact_limits: ArtifactLimits = _ARTIFACTS,
        memory_mb: int | None = None,
        runtimes: Path | None = None,
        programs_at_once: int = 8,
        elsewhere: Collection[str] = (),
    ) -> None:
        self._elsewhere = frozenset(elsewhere)
        self._memory = MemoryBudget(memory_mb, usual_limits.memory_mb)
        self._toolchains = Toolchains(hooks=HOOKS) if isolated else Toolchains()
        unseen = (_ROOT, work_directory, *hidden)
        self._runtimes = Runtimes(runtimes, self._toolchains.table, unseen, isolated=isolated)
        self._tools = ToolFinder(self._toolchains, self._runtimes)
        self.sandbox = Sandbox(
            work_directory,
            isolated=isolated,
            hidden=(_ROOT, *hidden),
            views=self._runtimes.views,
            inline_output_bytes=inline_output_bytes,
            warm_starts=warm_starts,
            usual_limits=usual_limits,
            programs_at_once=programs_at_once,
        )
        self._composer = ProgramComposer(code_store, retry, artifact_limits, self.sandbox)
        for toolchain, executables in self._toolchains.available():
            if toolchain.warm is not None:
                usual = compose_without_job(toolchain, executables, usual_limits)
                self.sandbox.keep_interpreter(toolchain.title, usual, toolchain.warm)
        # Queues of missing runtimes, with the time from which their executions may be claimed again.
        self._lacking: dict[str, float] = {}
        self._running: dict[ExecutionId, RunMonitor] = {}
        self._built_programs: dict[LocalProgram, tuple[ExecutionId, JobId]] = {}
        self._lock = Lock()
        self._turns = Turns()
        self._usage = ProcessorUsage()
        # None once the engine is ready.
        self._trouble: Text | str | None = text("engine.not_started")

    @property
    def name(self) -> str:
        """The name of the engine and of its isolation."""
        return f"local engine, {self.sandbox.isolation.name}"

    def start(self) -> None:
        """Make the engine ready, and log the isolation of programs.

        Raises:
            DependencyUnavailable: This machine cannot run programs; the message has the remedy.
        """
        try:
            self.sandbox.open()
        except DependencyUnavailable as error:
            self._trouble = error.cause
            raise
        self._trouble = None
        self._toolchains.start()
        description = self.describe()
        if description.warning:
            _log.warning("%s", description.warning)
        for limit, how in description.limits.items():
            _log.info("limit %s: %s", limit, how)
        _log.info("warm start: %s", description.warm_start)
        if self._memory.room_mb is not None:
            _log.info("concurrent programs are limited to %d MiB of memory in total", self._memory.room_mb)

    def stop(self) -> None:
        """Kill every program and release all resources. Does nothing if the engine was not started."""
        self._trouble = text("engine.stopped")
        self._toolchains.stop()
        self._runtimes.stop()
        self.sandbox.close()

    def describe(self) -> EngineDescription:
        """Describe the isolation of programs, and how each limit is enforced."""
        isolation = self.sandbox.isolation
        missing = isolation.missing()
        warning = None if isolation.is_isolated else text("engine.not_isolated")
        if missing:
            names = reduce(
                lambda first, second: text("engine.not_found_both", first=first, second=second),
                (each.values["guarantee"] for each in missing),
            )
            warning = text("engine.partly_isolated", missing=names)
        return EngineDescription(
            name=self.name,
            is_isolated=isolation.is_isolated,
            limits=self._limits(),
            missing=missing,
            warning=warning,
            warm_start=self.sandbox.warm_start,
            control_groups=isolation.control_groups,
            measures_while_running=True,
        )

    def _limits(self) -> Mapping[str, Text]:
        limits = dict(self.sandbox.isolation.limits())
        if self._memory.room_mb is not None:
            how, room_mb = limits["memory_mb"], self._memory.room_mb
            limits["memory_mb"] = text("engine.memory_shared", how=how, room_mb=room_mb)
        return limits

    def warm_starts(self) -> Mapping[str, WarmStarts]:
        """Return the statistics of prewarmed sandboxes by kind."""
        return self.sandbox.warm_starts()

    def wait_until_warm(self, timeout_s: float) -> bool:
        """Wait until all prewarmed interpreters are ready; return whether they are."""
        return self.sandbox.wait_until_warm(timeout_s)

    def languages(self) -> Sequence[LanguageSupport]:
        """Return all languages, with their support on this machine or on the others."""
        return [
            replace(each, unavailable_because=None) if each.language.name in self._elsewhere else each
            for each in self._toolchains.support()
        ]

    def runtimes(self) -> Sequence[RuntimeSupport]:
        """Return the default runtime of each language and the runtimes described on this machine."""
        presets = {toolchain.language: tuple(toolchain.presets) for toolchain in self._toolchains.table}
        default = [replace(each, presets=presets[each.language]) for each in super().runtimes()]
        return [*default, *(runtime.support for runtime in self._runtimes.all().values())]

    def lacks(self, spec: JobSpec) -> Text | str | None:
        """Explain why this machine lacks a job's runtime; None if it does not."""
        return self._tools.find(spec).lacking

    def unreachable_queues(self) -> frozenset[str]:
        """Return the queues of the runtimes that recent jobs needed and this machine lacks."""
        now = time.monotonic()
        with self._lock:
            self._lacking = {queue: until for queue, until in self._lacking.items() if until > now}
            lacking = frozenset(self._lacking)
        if not lacking:
            return lacking
        return lacking.difference(queue_of(each.name) for each in self.runtimes() if each.is_available)

    def startable_queues(self) -> frozenset[str] | None:
        """Return the queues to claim from; None, for all, while no runtime is missing."""
        if self._memory.is_short():
            return frozenset()
        return self.served_queues() if self.unreachable_queues() else None

    def _not_here(self, spec: JobSpec, tools: JobTools) -> EngineReport | None:
        """Return the report of a job that cannot run here, and pause its queue if its runtime is missing."""
        if tools.refusal is not None:
            return failure(Reason.ENGINE_UNAVAILABLE, tools.refusal)
        if tools.lacking is None:
            return None
        with self._lock:
            self._lacking[spec.queue] = time.monotonic() + _LACKING_FOR_S
        report = failure(Reason.ENGINE_UNAVAILABLE, tools.lacking)
        report.is_startable = True
        return report

    def regained_room(self) -> bool:
        """Whether there is memory again for the programs that wait; true once per shortage."""
        return self._memory.regained_room()

    def check(self) -> None:
        """Check that programs can run, and restart the supervisor if it has ended."""
        if self._trouble is not None:
            raise DependencyUnavailable("engine", self._trouble)
        self.sandbox.check()

    def cancel(self, execution_id: ExecutionId, job_id: JobId) -> None:
        """Kill an execution's program with all its processes, and every program built for its job."""
        self._stop(execution_id, lambda _, job: job == job_id)

    def detach(self, execution_id: ExecutionId, job_id: JobId) -> None:  # noqa: ARG002 - the port's signature
        """Kill the programs of one execution, and of no other execution of its job."""
        self._stop(execution_id, lambda execution, _: execution == execution_id)

    def _stop(self, execution_id: ExecutionId, is_meant: Callable[[ExecutionId, JobId], bool]) -> None:
        with self._lock:
            monitor = self._running.get(execution_id)
            built = [program for program, owner in self._built_programs.items() if is_meant(*owner)]
        if monitor is not None:
            monitor.cancel()
        for program in built:
            program.cancel()

    def execute(self, request: ExecutionRequest, observer: ExecutionObserver) -> EngineReport:
        """Run a program to its end."""
        tools = self._tools.find(request.spec)
        if (report := self._not_here(request.spec, tools)) is not None:
            return report
        with self._memory.reserved(self._memory_mb(tools.toolchain, request.spec)) as has_room:
            if not has_room:
                return EngineReport(_NO_ROOM, is_startable=True)
            return self._execute(request, observer, tools)

    def _memory_mb(self, toolchain: Toolchain, spec: JobSpec) -> int:
        """Return the memory that a program and its build may use."""
        limits, files_bytes = spec.limits, sum(file.blob.size for file in spec.files)
        if toolchain.build:
            limits = replace(limits, memory_mb=max(limits.memory_mb, BUILD_MEMORY_MB))
        return self._memory_of_run_mb(limits, files_bytes)

    def _memory_of_run_mb(self, limits: Limits, files_bytes: int) -> int:
        """Return the memory that a run may use, with the files in its directory.

        The files that the run is given are in memory twice, packed and in its directory, and no control group
        counts them as the program's. Files below one mebibyte in all are neglected. The files that the
        program writes are added where no control group counts them.
        """
        written_mb = 0 if self.sandbox.isolation.counts_files else limits.disk_mb
        return limits.memory_mb + written_mb + 2 * files_bytes // _MIB

    def refuses_cases(self) -> Text | None:
        """Return None: this engine runs cases."""
        return None

    def build(
        self,
        request: ExecutionRequest,
        observer: ExecutionObserver,
        tree: bytes | None = None,
        known: KnownBuilds = no_builds,
    ) -> BuiltProgram | EngineReport:
        """Build a program in an ordinary sandbox, and keep the files that the build left."""
        tools = self._tools.find(request.spec)
        if (report := self._not_here(request.spec, tools)) is not None:
            return report
        with ExitStack() as files:
            program = self._composer.compose(request, tools, files)
            if isinstance(program, EngineReport):
                return program
            return self._build(request, observer, tools, program, tree, known)

    def _build(
        self,
        request: ExecutionRequest,
        observer: ExecutionObserver,
        tools: JobTools,
        program: Program,
        tree: bytes | None,
        known: KnownBuilds,
    ) -> BuiltProgram | EngineReport:
        key, compile_output = build_key(program, tools.version), None
        if tree is None and key is not None and (kept := known(key)) is not None:
            tree, compile_output = kept.tree, kept.compile_output
        with ExitStack() as on_failure:
            files = None
            if tree is not None or program.build:
                files = new_memory_file("files")
            elif program.files is not None:
                files = os.dup(program.files)
            if files is not None:
                on_failure.callback(os.close, files)
            if tree is not None and files is not None:
                fill(files, tree)
            elif program.build and files is not None:
                # The files are packed after the build's sandbox is gone, which may have used more memory.
                memory_mb = self._memory_mb(tools.toolchain, request.spec)
                with self._memory.reserved(memory_mb) as has_room:
                    if not has_room:
                        return EngineReport(_NO_ROOM, is_startable=True)
                    observer.building()
                    built = self._built(request, program, files)
                if isinstance(built, EngineReport):
                    return built
                compile_output = built
            on_failure.pop_all()
        return self._local_program(request, tools, program, files, key, compile_output)

    def _built(self, request: ExecutionRequest, program: Program, packed: int) -> Output | EngineReport:
        """Build a program and pack the files that the build left; return the messages of the compiler."""
        tar = shutil.which("tar", path=SYSTEM_PATH)
        if tar is None:
            return failure(Reason.ENGINE_UNAVAILABLE, f"tar was not found in {SYSTEM_PATH}")
        report = self._run(request, tree_copier(program, tar), _ignore, lambda _: None)
        if report.result.reason is Reason.OUTPUT_LIMIT:  # the limit of the copier, not of the program
            with report:
                return tree_too_large(program.limits)
        if report.result.status is not JobStatus.SUCCESS or report.stdout is None:
            return report
        with report:
            refusal = pack_build(report.stdout, program.limits, packed)
            return refusal or report.result.compile_output or Output()

    def _local_program(
        self,
        request: ExecutionRequest,
        tools: JobTools,
        program: Program,
        files: int | None,
        build_key: str | None,
        compile_output: Output | None,
    ) -> LocalProgram:
        def forget(program: LocalProgram) -> None:
            with self._lock:
                del self._built_programs[program]

        local = LocalProgram(
            sandbox=self.sandbox,
            program=replace(
                program, build=(), archived_build=(), files=None, wanted=None, starts_at_once=True
            ),
            files=files,
            reserve=lambda limits, size: self._memory.reserved(self._memory_of_run_mb(limits, size)),
            limited=lambda program, limits: with_limits(
                program, tools.toolchain, tools.executables, request.spec, limits
            ),
            forget=forget,
            turns=self._turns,
            usage=self._usage,
            build_key=build_key,
            compile_output=compile_output,
        )
        with self._lock:
            self._built_programs[local] = request.execution_id, request.job_id
        return local

    def _execute(
        self, request: ExecutionRequest, observer: ExecutionObserver, tools: JobTools
    ) -> EngineReport:
        with ExitStack() as files:
            program = self._composer.compose(request, tools, files)
            if isinstance(program, EngineReport):
                return program
            if program.build:
                observer.building()
            return self._run(request, program, observer.started, observer.output, observer.usage)

    def _run(
        self,
        request: ExecutionRequest,
        program: Program,
        on_start: OnStart,
        on_output: OnOutput,
        on_usage: OnUsage | None = None,
    ) -> EngineReport:
        monitor = RunMonitor()
        try:
            with self._turns.shared(), self._registered(request.execution_id, monitor):
                outcome = self.sandbox.run(program, monitor, on_start, on_output, on_usage)
            if outcome.is_startable:
                _log.warning("an execution waits: %s", outcome.result.error_message)
            return report_of(outcome)
        except DependencyUnavailable as error:
            message = text("outcomes.not_started_for", cause=said_by(error))
            return EngineReport(ExecutionResult.failed(Reason.INTERNAL, message), is_lost=True)
        except OSError as error:
            _log.exception("an execution could not be run")
            report = failure(Reason.ENGINE_ERROR, text("outcomes.cannot_run", cause=error.strerror))
            report.is_startable = report.is_refused = is_shortage(error) and not monitor.has_followed
            return report

    @contextmanager
    def _registered(self, execution_id: ExecutionId, monitor: RunMonitor) -> Iterator[None]:
        with self._lock:
            self._running[execution_id] = monitor
        try:
            yield
        finally:
            with self._lock:
                del self._running[execution_id]


def _ignore() -> None:
    """Ignore the start of a build: it is not the start of the program."""
