"""A program that is built once, and run for many cases."""

import os
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Lock, Thread
from typing import IO, Self

from adapters.local_engine.processor_usage import ProcessorUsage
from adapters.local_engine.sandbox import pump
from adapters.local_engine.sandbox.files import append, append_file, memory_file, read_all, seal
from adapters.local_engine.sandbox.program import Program
from adapters.local_engine.sandbox.run_monitor import RunMonitor
from adapters.local_engine.sandbox.sandbox import Sandbox
from adapters.local_engine.sandbox.supervisor.packed_files import (
    LONGEST_PATH,
    PackedFile,
    directory_record,
    file_header,
    pack,
)
from adapters.local_engine.turns import Turns
from application.errors import DependencyUnavailable
from application.ports.execution_engine import BuiltProgram, CaseInput, EngineReport, Interaction
from application.ports.output_feed import OutputChunk
from domain.catalogue.text import said_by, text
from domain.execution import ExecutionResult, LimitHit, Note, Output
from domain.job_lifecycle import JobStatus, Reason
from domain.limits import Limits

_COPY_TIMEOUT_MS = 60_000
_TAR = ("--create", "--format=gnu", "--hard-dereference", "--file=-", ".")
# The packed files of a build are in memory while its cases run, and a second time while they are stored.
MOST_TREE_MB = 128
CASE_DIRECTORY = ".case"
# Size of a file's entry in the archive without the content: headers, path and padding to a block.
_ENTRY_BYTES = 4 << 10
_MIB = 1 << 20
_MS_PER_S = 1_000
_PIECE_BYTES = 1 << 20
_FILES = frozenset({tarfile.REGTYPE, tarfile.AREGTYPE})
_LONG_NAMES = frozenset({tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK})
_LEFT_OUT = frozenset({tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE})
_CANCELLED = ExecutionResult(
    status=JobStatus.CANCELLED, reason=Reason.CANCELLED, error=text("outcomes.not_started")
)
# Mode of the pipes: programs run as another user than the owner of the pipe, and may open /dev/stdin.
_EVERYBODY_MAY_OPEN = 0o666
# Interval at which a program that waits for memory tries again.
_ROOM_EVERY_S = 0.02
_TIME_LIMITS = frozenset({Reason.WALL_TIME_LIMIT, Reason.CPU_TIME_LIMIT})
# How long a program that runs alone waits for the running programs to end.
_QUIET_WITHIN_S = 5.0

# Reserves memory for a run, given its limits and the size of its packed files.
Reserve = Callable[[Limits, int], AbstractContextManager[bool]]


def tree_copier(program: Program, tar: str) -> Program:
    """Return a program with the same build, which writes the files of the build to stdout."""
    limits = replace(
        program.limits,
        timeout_ms=_COPY_TIMEOUT_MS,
        cpu_time_ms=_COPY_TIMEOUT_MS,
        output_mb=-(-(_most_bytes(program.limits) + _ENTRY_BYTES * _most_entries(program.limits)) // _MIB),
        processes=max(program.limits.processes, 2),
    )
    return replace(
        program,
        run=(tar, *_TAR),
        arguments=(),
        stdin=b"",
        settings={},
        variables={},
        secrets={},
        limits=limits,
        build_output_mb=program.limits.output_mb,
        rlimits={},
        out_of_memory=(),
    )


class TreeTooLarge(Exception):
    """The files of a build do not fit the program's directory."""


class NameTaken(Exception):
    """A build left a file with the name of the case directory."""


def read_tree(archive: IO[bytes], limits: Limits, packed: int) -> None:
    """Read the files of a build from the archive that was written in its sandbox, and pack them.

    Links are skipped, because no compiler makes any. The archive is untrusted: a compiler can be made to run
    the caller's code, which can write an archive of its own. So sizes in headers are checked against the
    limits, and reading takes linear time and little memory.

    Args:
        archive: An archive in GNU tar's format.
        limits: The limits of the program, whose directory the files must fit. Holes in files count.
        packed: The descriptor of the file to write the packed files to.

    Raises:
        ValueError: The archive has another format.
        TreeTooLarge: There are too many files, or they are too large.
        NameTaken: A file has the name of the case directory.
    """
    left_bytes = _most_bytes(limits)
    for number, member in enumerate(_members(archive)):
        if number == _most_entries(limits):
            raise TreeTooLarge
        path = member.name.removeprefix("./").rstrip("/")
        if path.partition("/")[0] == CASE_DIRECTORY:
            raise NameTaken
        if member.isdir() and path not in {"", "."}:
            append(packed, directory_record(path))
        elif member.type in _FILES:
            left_bytes -= member.size
            if left_bytes < 0:
                raise TreeTooLarge
            append(packed, file_header(path, member.size, is_executable=bool(member.mode & 0o100)))
            _copy_padded(archive, member.size, packed)


def _most_bytes(limits: Limits) -> int:
    return min(limits.disk_mb, MOST_TREE_MB) * _MIB


def _most_entries(limits: Limits) -> int:
    return limits.files + 1  # the directory itself


def _members(archive: IO[bytes]) -> Iterator[tarfile.TarInfo]:
    """Yield the members of an archive. The caller reads the content of a file before the next member.

    The tarfile module would trust the sizes in headers, and takes quadratic time for some archives.
    """
    long_name: str | None = None
    while (header := _read_exactly(archive, tarfile.BLOCKSIZE)).strip(b"\0"):
        try:
            member = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
        except (tarfile.TarError, OverflowError) as error:
            raise ValueError("its archive is damaged") from error
        if member.type in _LONG_NAMES:
            if not 0 <= member.size <= LONGEST_PATH:
                raise ValueError("a path is too long")
            name = os.fsdecode(_read_padded(archive, member.size).split(b"\0", 1)[0])
            if member.type == tarfile.GNUTYPE_LONGNAME:
                long_name = name
            continue
        is_known = member.isdir() or member.type in _FILES | _LEFT_OUT
        if not is_known or member.size < 0 or (member.size and member.type not in _FILES):
            raise ValueError("its archive has an entry of an unknown kind")
        if long_name is not None:
            member.name, long_name = long_name, None
        yield member


def _read_padded(archive: IO[bytes], size: int) -> bytes:
    content = _read_exactly(archive, size)
    _read_exactly(archive, -size % tarfile.BLOCKSIZE)
    return content


def _copy_padded(archive: IO[bytes], size: int, packed: int) -> None:
    for offset in range(0, size, _PIECE_BYTES):
        append(packed, _read_exactly(archive, min(_PIECE_BYTES, size - offset)))
    _read_exactly(archive, -size % tarfile.BLOCKSIZE)


def _read_exactly(archive: IO[bytes], size: int) -> bytes:
    content = archive.read(size)
    if len(content) != size:
        raise ValueError("its archive is truncated")
    return content


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
        compile_output: Output | None = None,
    ) -> None:
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
            _Conversation(self._sandbox.pump, given.limits.output_mb, monitor) as conversation,
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
        return EngineReport(outcome.result, outcome.stdout, outcome.stderr)

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


class _Conversation:
    """Two pipes between two programs, and the order in which the programs end.

    The service holds the ends of each program open until that program has ended. So the other program cannot
    see end of file before the order is recorded. After the first program has ended, the service reads its
    input until the second program ends, which would otherwise fail with a broken pipe.

    Args:
        pump_path: The executable that limits the first program's output; None for no limit.
        output_mb: The limit, in mebibytes.
        monitor: Cancels the first program when it exceeds the limit.

    Attributes:
        ended_first: The number of the program that ended first.
        is_exceeded: Whether the first program exceeded the limit; known when the context has ended.
    """

    def __init__(self, pump_path: Path | None, output_mb: int, monitor: RunMonitor | None) -> None:
        self.ended_first: int | None = None
        self.is_exceeded = False
        self._pump_path = pump_path
        self._output_bytes = output_mb * _MIB
        self._monitor = monitor
        self._watcher: Thread | None = None
        self._lock = Lock()
        self._held = ExitStack()
        self._ends: list[ExitStack] = []
        self._pipes: list[tuple[int, int]] = []

    def __enter__(self) -> Self:
        (reader, other_writer), (other_reader, writer) = os.pipe2(os.O_CLOEXEC), os.pipe2(os.O_CLOEXEC)
        if self._pump_path is not None:
            target, (source, writer) = writer, os.pipe2(os.O_CLOEXEC)
            try:
                self._start_pump(self._pump_path, source, target)
            except OSError:
                for end in (reader, other_writer, other_reader, writer):
                    os.close(end)
                raise
        self._pipes = [(reader, writer), (other_reader, other_writer)]
        for pipes in self._pipes:
            ends = self._held.enter_context(ExitStack())
            self._ends.append(ends)
            for end in pipes:
                ends.callback(os.close, end)
                os.fchmod(end, _EVERYBODY_MAY_OPEN)  # see above
                if end == reader:  # drained after `writer` is closed: callbacks run in reverse order
                    ends.callback(_drain, end)
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()
        if self._watcher is not None:
            self._watcher.join()

    def _start_pump(self, path: Path, source: int, target: int) -> None:
        try:
            pid = pump.start(path, source, target, self._output_bytes)
        except OSError:
            os.close(target)
            raise
        finally:
            os.close(source)
        self._watcher = Thread(target=self._watch, args=(pid, target), name="pump")
        self._watcher.start()

    def _watch(self, pid: int, target: int) -> None:
        """Wait for the pump. If the limit is exceeded, record the first program's end and cancel it."""
        self.is_exceeded = pump.wait(pid)
        if self.is_exceeded:
            with self._lock:
                if self.ended_first is None:
                    self.ended_first = 0
        os.close(target)
        if self.is_exceeded and self._monitor is not None:
            self._monitor.cancel()

    @contextmanager
    def place(self, number: int) -> Iterator[tuple[int, int]]:
        """Yield the pipe ends of a program; when the context ends, record that the program has ended."""
        try:
            yield self._pipes[number]
        finally:
            with self._lock:
                if self.ended_first is None:
                    self.ended_first = number
            self._ends[number].close()


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


def _drain(reader: int) -> None:
    """Read from a pipe until nothing can write to it any more."""
    os.set_blocking(reader, True)  # the program shared the open file and may have changed its mode
    while os.read(reader, _MIB):
        continue


def was_slowed_down(result: ExecutionResult) -> bool:
    """Whether a program reached a time limit while the machine was busy."""
    return result.reason in _TIME_LIMITS and Note.MACHINE_BUSY in result.notes


def _nothing() -> None:
    """Ignore the start of a run: only the start of the first one is recorded, by the caller."""


def _no_output(_chunk: OutputChunk) -> None:
    """Ignore the output of a run: it is not streamed."""
