"""A program that is built once, and run for many cases."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from threading import Lock

from adapters.local_engine.conversation import Conversation
from adapters.local_engine.processor_usage import ProcessorUsage
from adapters.local_engine.sandbox.files import append, append_file, memory_file, read_all, seal
from adapters.local_engine.sandbox.program import Program
from adapters.local_engine.sandbox.run_monitor import RunMonitor
from adapters.local_engine.sandbox.sandbox import Sandbox
from adapters.local_engine.sandbox.supervisor.packed_files import PackedFile, pack
from adapters.local_engine.turns import Turns
from application.errors import DependencyUnavailable
from application.ports.execution_engine import BuiltProgram, CaseInput, EngineReport, Interaction
from application.ports.output_feed import OutputChunk
from domain.catalogue.text import said_by, text
from domain.execution import ExecutionResult, LimitHit, Note, Output
from domain.job_lifecycle import JobStatus, Reason
from domain.limits import Limits

_MS_PER_S = 1_000
_CANCELLED = ExecutionResult(
    status=JobStatus.CANCELLED, reason=Reason.CANCELLED, error=text("outcomes.not_started")
)
# Interval at which a program that waits for memory tries again.
_ROOM_EVERY_S = 0.02
_TIME_LIMITS = frozenset({Reason.WALL_TIME_LIMIT, Reason.CPU_TIME_LIMIT})
# How long a program that runs alone waits for the running programs to end.
_QUIET_WITHIN_S = 5.0

# Reserves memory for a run, given its limits and the size of its packed files.
Reserve = Callable[[Limits, int], AbstractContextManager[bool]]


class LocalProgram(BuiltProgram):
    """A built program of the local engine.

    Args:
        sandbox: The sandbox that runs the program.
        program: The program, without a build.
        files: A descriptor of the packed files of the build, which `close` closes; None if the program is
            only its source.
        reserve: Reserves memory for a run, if there is room.
        limited: Returns the program with limits other than the job's.
        forget: Called by `close`.
        turns: The turns of all programs of the engine.
        usage: The processor usage of the machine.
        build_key: The digest of all inputs of the build, if there was one.
        compile_output: The messages of the build, if there was one.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        program: Program,
        files: int | None,
        reserve: Reserve,
        limited: Callable[[Program, Limits], Program],
        forget: Callable[["LocalProgram"], None],
        turns: Turns,
        usage: ProcessorUsage,
        build_key: str | None,
        compile_output: Output | None,
    ) -> None:
        self.build_key = build_key
        self.compile_output = compile_output
        self._usage = usage
        self._held = ExitStack()
        self._held.enter_context(usage.watched())
        self._sandbox = sandbox
        self._reserve = reserve
        self._limited = limited
        self._forget = forget
        self._turns = turns
        self._lock = Lock()
        self._running: set[RunMonitor] = set()
        self._is_cancelled = False
        self._files = files
        self._files_bytes = 0 if files is None else os.fstat(files).st_size
        self._program = replace(program, files=files)

    @property
    def tree(self) -> bytes | None:  # type: ignore[override]  # may be large, so it is read on demand
        """The packed files of the build; None if there are none."""
        return None if self._files is None else read_all(self._files)

    @property
    def limits(self) -> Limits:
        """The limits of the job."""
        return self._program.limits

    @property
    def program(self) -> Program:
        """The program, without a build."""
        return self._program

    def run(self, given: CaseInput) -> EngineReport:
        """Run the program in a new sandbox; run it again, alone, if it was too slow on a busy machine."""
        files_bytes = self.files_bytes(given)
        with self._admitted(given.limits, files_bytes), self._turns.shared(), self.registered() as monitor:
            begin = time.monotonic()
            report = self.run_once(given, monitor)
        if not was_slowed_down(report.result):
            return report
        first_processors = self._usage.between(begin, time.monotonic())
        most_s = given.limits.timeout_ms / _MS_PER_S
        with (
            self._admitted(given.limits, files_bytes),
            self._turns.alone(_QUIET_WITHIN_S, most_s) as is_alone,
        ):
            if not is_alone:
                return report
            with report, self.registered() as monitor:
                begin = time.monotonic()
                again = self.run_once(given, monitor)
                again.processors = self._usage.between(begin, time.monotonic())
        again.first_processors = first_processors
        if again.result.resource is not None and report.result.resource is not None:
            again.first_time_ms = report.result.resource.execution_time_ms
        return again

    def interact(self, given: CaseInput, other: BuiltProgram, other_given: CaseInput) -> Interaction:
        """Run two programs side by side, each with the other's output as its input."""
        if not isinstance(other, LocalProgram):
            raise TypeError("programs of different engines cannot communicate")
        interactor = other
        both = replace(given.limits, memory_mb=given.limits.memory_mb + other_given.limits.memory_mb)
        files_bytes = self.files_bytes(given) + interactor.files_bytes(other_given)
        with (
            self._admitted(both, files_bytes),
            self._turns.shared(),
            self.registered() as monitor,
            interactor.registered() as other_monitor,
            Conversation(self._sandbox.pump, given.limits.output_mb, monitor) as conversation,
            ThreadPoolExecutor(1, thread_name_prefix="interactor") as threads,
        ):

            def run_other() -> EngineReport:
                with conversation.place(1) as pipes:
                    report = interactor.run_once(other_given, other_monitor, pipes)
                # Only after the interactor's end is recorded, so that the cancelled program ends second.
                if report.result.status is not JobStatus.SUCCESS and monitor is not None:
                    monitor.cancel()
                return report

            running = threads.submit(run_other)
            with conversation.place(0) as pipes:
                report = self.run_once(given, monitor, pipes)
            other_report = running.result()
        if conversation.is_exceeded:
            report.result = _wrote_too_much(report.result, given.limits.output_mb)
        return Interaction(report, other_report, is_first=conversation.ended_first == 0)

    def run_once(
        self, given: CaseInput, monitor: RunMonitor | None, pipes: tuple[int, int] | None = None
    ) -> EngineReport:
        """Run the program for one case, without reserving memory.

        Args:
            given: The case.
            monitor: The monitor of the run; None if the program is cancelled.
            pipes: The program's stdin and stdout, in place of the case's input and the captured output.
        """
        if monitor is None:
            return EngineReport(_CANCELLED)
        program = self._limited(self._program, given.limits)
        arguments = program.arguments if given.args is None else given.args
        program = replace(program, stdin=given.stdin, arguments=arguments, pipes=pipes)
        with self._with_files(program, given.files) as program:
            try:
                outcome = self._sandbox.run(program, monitor, _nothing, _no_output)
            except DependencyUnavailable as error:
                failure = text("outcomes.not_started_for", cause=said_by(error))
                return EngineReport(ExecutionResult.failed(Reason.INTERNAL, failure), is_lost=True)
            except OSError as error:
                message = text("outcomes.cannot_run", cause=error.strerror)
                return EngineReport(ExecutionResult.failed(Reason.ENGINE_ERROR, message), is_lost=True)
        return EngineReport(outcome.result, outcome.stdout, outcome.stderr, is_lost=outcome.is_startable)

    def files_bytes(self, given: CaseInput) -> int:
        """Return the size of the packed files of a run."""
        return self._files_bytes + sum(map(len, given.files.values()))

    def cancel(self) -> None:
        """Kill all runs of the program, and start no more. Thread-safe."""
        with self._lock:
            self._is_cancelled = True
            running = list(self._running)
        for monitor in running:
            monitor.cancel()

    def close(self) -> None:
        """Free the program's files."""
        self._forget(self)
        self._held.close()
        if self._files is not None:
            os.close(self._files)
            self._files = None

    @contextmanager
    def _with_files(self, program: Program, files: Mapping[str, bytes]) -> Iterator[Program]:
        """Add files to the program's directory."""
        if not files:
            yield program
            return
        with memory_file("files") as packed:
            if program.files is None:
                append(packed, pack([PackedFile(program.source, program.code)]))
            else:
                append_file(packed, program.files)
            append(packed, pack(PackedFile(path, content) for path, content in files.items()))
            seal(packed)
            yield replace(program, files=packed)

    @contextmanager
    def _admitted(self, limits: Limits, files_bytes: int) -> Iterator[None]:
        """Wait until there is memory for a run, and reserve it."""
        while True:
            with self._reserve(limits, files_bytes) as has_room:
                if has_room or self._is_cancelled:
                    yield
                    return
            time.sleep(_ROOM_EVERY_S)

    @contextmanager
    def registered(self) -> Iterator[RunMonitor | None]:
        """Yield the monitor of a new run, which `cancel` reaches; None if the program is cancelled."""
        monitor = RunMonitor()
        with self._lock:
            if not self._is_cancelled:
                self._running.add(monitor)
        try:
            yield monitor if monitor in self._running else None
        finally:
            with self._lock:
                self._running.discard(monitor)


def _wrote_too_much(result: ExecutionResult, output_mb: int) -> ExecutionResult:
    """Return the result of a program that was killed because it wrote too much to the other program."""
    return ExecutionResult(
        status=JobStatus.FAILED,
        reason=Reason.OUTPUT_LIMIT,
        resource=result.resource,
        stderr=result.stderr,
        limit=LimitHit("output_mb", output_mb + 1, output_mb),
        error=text("outcomes.output", allowed=output_mb),
    )


def was_slowed_down(result: ExecutionResult) -> bool:
    """Whether a program reached a time limit while the machine was busy."""
    return result.reason in _TIME_LIMITS and Note.MACHINE_BUSY in result.notes


def _nothing() -> None:
    """Ignore the start of a run: only the start of the first one is recorded, by the caller."""


def _no_output(_chunk: OutputChunk) -> None:
    """Ignore the output of a run: it is not streamed."""
