"""The outcome of a run, derived from the observation of its program."""

import errno
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import IO

from adapters.local_engine.sandbox.artifacts import CollectedFiles
from adapters.local_engine.sandbox.phrases import says
from adapters.local_engine.sandbox.program import BUILD_MEMORY_MB, Program
from adapters.local_engine.sandbox.supervisor.protocol import SHORTAGES, RunEvent
from domain.catalogue.text import Text, text
from domain.execution import ExecutionResult, LimitHit, Note, Output, ResourceUsage
from domain.job_lifecycle import JobStatus, Reason
from domain.limits import Limits

_MIB = 1 << 20
# Messages of C libraries, runtimes and common tools about an unreachable network.
_NO_NETWORK = (
    "Network is unreachable",
    "Temporary failure in name resolution",
    "Name or service not known",
    "Could not resolve host",
    "failed to lookup address information",
    "UnknownHostException",
    "ENETUNREACH",
    "EAI_AGAIN",
    "dial tcp: lookup",
    "php_network_getaddresses",
)
# The words of bubblewrap and the shell when the host has no further process, or no further open file.
_SHORTAGE_PHRASES = (os.strerror(errno.EAGAIN), os.strerror(errno.ENFILE))
# If a build reached its time limit with a smaller share of processor time, a busy machine slowed it down.
_BUSY_SHARE = 0.5
# A machine is busy if tasks waited for a processor during at least this share of a run. The share is only
# meaningful for runs of at least this duration.
_BUSY_PRESSURE = 0.25
_LEAST_OF_PRESSURE_MS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """The measurements of a program that has ended.

    Attributes:
        output_bytes: The size of both streams.
        build_output_bytes: The size of the build's output.
        build_output_mb: The limit of the build's output; None for the limit of the program's.
        build_spent_ms: The time that an earlier attempt at the build took.
        cancelled_after_ms: The time from the cancellation to the end of the last process; None if the run was
            not cancelled.
        compile_output: The messages of the build; None if there was no build.
        is_offline: Whether the program had no network.
        out_of_memory: The phrases with which the runtime reports on stderr that it is out of memory.
        refused_from_mb: The memory usage from which on the runtime or RLIMIT_AS may refuse more memory; None
            if only the control group limits it, which kills the program.
    """

    event: RunEvent
    limits: Limits
    stdout: Output
    stderr: Output
    output_bytes: int
    build_output_bytes: int = 0
    build_output_mb: int | None = None
    build_spent_ms: int = 0
    compile_output: Output | None = None
    cancelled_after_ms: int | None = None
    is_offline: bool = False
    out_of_memory: Sequence[str] = ()
    refused_from_mb: int | None = None

    @property
    def is_build_at_fault(self) -> bool:
        """Whether the build failed, so that there is no program to run."""
        return self.event.in_build and not self.event.was_ready

    @property
    def memory_mb(self) -> int:
        """The measured peak, rounded up: of all processes together or of the largest one, if that is more."""
        return -(-max(self.event.memory_kb, self.event.tree_memory_kb) // 1024)

    @property
    def pressure(self) -> float:
        """The share of the run in which some task of the machine waited for a processor; 0.0 if unknown."""
        event = self.event
        if not event.was_ready or event.waited_ms is None or event.wall_ms < _LEAST_OF_PRESSURE_MS:
            return 0.0
        return min(1.0, event.waited_ms / event.wall_ms)

    @property
    def lacked_memory(self) -> bool:
        """Whether stderr reports that the runtime was out of memory, which any program can write."""
        return self.event.exit_code != 0 and says(self.stderr.text, self.out_of_memory)

    @property
    def lacked_host(self) -> bool:
        """Whether the program did not start because the host lacked processes, descriptors or memory for it.

        Before the program is ready, only the programs that make its sandbox write to stderr.
        """
        event = self.event
        if event.was_ready or event.limit is not None or self.cancelled_after_ms is not None:
            return False
        if event.error or event.in_build or event.is_shortage:
            return event.is_shortage
        # The exit code of a launch plan is the error number of the refused call.
        return event.exit_code in SHORTAGES or says(self.stderr.text, _SHORTAGE_PHRASES)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a run, with all that the program wrote.

    Attributes:
        stdout: The whole stream, positioned at its start; None if the program was not started.
        stderr: The same for stderr.
        collected: The wanted files that the program wrote; None if none are wanted.
        is_startable: Whether the program did not start, for want of room on the host, and may start later.
    """

    result: ExecutionResult
    stdout: IO[bytes] | None = None
    stderr: IO[bytes] | None = None
    collected: CollectedFiles | None = None
    is_startable: bool = False


@dataclass(frozen=True, slots=True)
class Cause:
    """The cause of a program's end, with a message for people."""

    status: JobStatus
    reason: Reason | None
    message: Text | None
    limit: LimitHit | None = None


def classify(seen: Observation) -> ExecutionResult:
    """Return the result of an execution. The first rule that applies determines the cause."""
    cause = next(cause for rule in _RULES if (cause := rule(seen)) is not None)
    event = seen.event
    is_cut = cause.reason is Reason.BUILD_LIMIT  # there was no program to have an exit code
    return ExecutionResult(
        status=cause.status,
        reason=cause.reason,
        stdout=seen.stdout,
        stderr=seen.compile_output if seen.is_build_at_fault and seen.compile_output else seen.stderr,
        compile_output=seen.compile_output,
        exit_code=None if is_cut else event.exit_code,
        signal=None if is_cut else event.signal,
        resource=_resource(event) if event.was_ready else None,
        limit=cause.limit,
        error=cause.message,
        notes=_notes(seen),
    )


def _notes(seen: Observation) -> tuple[Note, ...]:
    """Return the notes on a missing network, judged by the output, and on a busy machine."""
    missed = seen.is_offline and any(says(each.text, _NO_NETWORK) for each in (seen.stderr, seen.stdout))
    noted = {Note.NO_NETWORK: missed, Note.MACHINE_BUSY: seen.pressure >= _BUSY_PRESSURE}
    return tuple(note for note, applies in noted.items() if applies)


def refuse(program: Program) -> ExecutionResult | None:
    """Return the result of a program whose code exceeds its file size limit; None if the program may start.

    Programs with a build are not checked, because a compiler's files have their own limit.
    """
    size, allowed = len(program.code), program.limits.file_size_mb
    if program.build or size <= allowed * _MIB:
        return None
    return ExecutionResult(
        status=JobStatus.FAILED,
        reason=Reason.SIGNAL,
        limit=LimitHit("file_size_mb", -(-size // _MIB), allowed),
        error=text("outcomes.code_too_large", allowed=allowed),
    )


def _resource(event: RunEvent) -> ResourceUsage:
    return ResourceUsage(
        execution_time_ms=event.wall_ms,
        cpu_time_ms=event.cpu_ms,
        cpu_percent=round(100 * event.cpu_ms / max(event.wall_ms, 1), 1),
        memory_mb=round(event.memory_kb / 1024, 1),
    )


def _failed(reason: Reason, message: Text, limit: LimitHit | None = None) -> Cause:
    return Cause(JobStatus.FAILED, reason, message, limit)


def _cancelled(seen: Observation) -> Cause | None:
    if seen.cancelled_after_ms is None:
        return None
    message = text("outcomes.cancelled_gone", ms=seen.cancelled_after_ms)
    return Cause(JobStatus.CANCELLED, Reason.CANCELLED, message)


def _not_supervised(seen: Observation) -> Cause | None:
    if not seen.event.error:
        return None
    cause = seen.event.error
    not_started = text("outcomes.not_startable", cause=cause)
    message = text("outcomes.not_followed", cause=cause) if seen.event.was_ready else not_started
    return _failed(Reason.ENGINE_ERROR, message)


def _not_ready(seen: Observation) -> Cause | None:
    if seen.event.was_ready:
        return None
    if not seen.is_build_at_fault:
        words = seen.stderr.text.strip().splitlines()[-1:]
        message = text("outcomes.no_sandbox")
        return _failed(Reason.ENGINE_ERROR, _both(message, words[0]) if words else message)
    return _failed(Reason.COMPILE_ERROR, text("outcomes.not_compiled"))


def _build_time(seen: Observation) -> Cause | None:
    if seen.event.limit != "build_timeout_ms":
        return None
    allowed, used_ms = seen.limits.build_timeout_ms, seen.event.cpu_ms
    measured = seen.event.wall_ms + seen.build_spent_ms
    message = text("outcomes.build_time", allowed=allowed)
    if used_ms < _BUSY_SHARE * measured:
        message = _both(message, text("outcomes.build_busy", used=used_ms))
    return _failed(Reason.BUILD_LIMIT, message, LimitHit("build_timeout_ms", measured, allowed))


def _build_cpu_time(seen: Observation) -> Cause | None:
    if seen.event.limit != "build_cpu_time_ms":
        return None
    allowed = seen.limits.build_cpu_time_ms
    message = text("outcomes.build_cpu_time", allowed=allowed)
    return _failed(Reason.BUILD_LIMIT, message, LimitHit("build_cpu_time_ms", seen.event.cpu_ms, allowed))


def _build_memory(seen: Observation) -> Cause | None:
    if seen.event.limit != "build_memory_mb":
        return None
    measured = -(-seen.event.tree_memory_kb // 1024)
    message = text("outcomes.build_memory", allowed=BUILD_MEMORY_MB)
    return _failed(Reason.BUILD_LIMIT, message, LimitHit("build_memory_mb", measured, BUILD_MEMORY_MB))


def _build_output(seen: Observation) -> Cause | None:
    allowed = seen.limits.output_mb if seen.build_output_mb is None else seen.build_output_mb
    if not seen.is_build_at_fault or seen.build_output_bytes <= allowed * _MIB:
        return None
    message = text("outcomes.build_output", allowed=allowed)
    hit = LimitHit("output_mb", -(-seen.build_output_bytes // _MIB), allowed)
    return _failed(Reason.BUILD_LIMIT, message, hit)


def _output(seen: Observation) -> Cause | None:
    allowed = seen.limits.output_mb
    if seen.output_bytes <= allowed * _MIB:
        return None
    hit = LimitHit("output_mb", -(-seen.output_bytes // _MIB), allowed)
    return _failed(Reason.OUTPUT_LIMIT, text("outcomes.output", allowed=allowed), hit)


def _wall_time(seen: Observation) -> Cause | None:
    if seen.event.limit != "timeout_ms":
        return None
    allowed = seen.limits.timeout_ms
    hit = LimitHit("timeout_ms", seen.event.wall_ms, allowed)
    message = text("outcomes.wall_time", allowed=allowed)
    if seen.pressure >= _BUSY_PRESSURE:
        message = _both(message, text("outcomes.busy", share=f"{seen.pressure:.0%}"))
    return Cause(JobStatus.TIMEOUT, Reason.WALL_TIME_LIMIT, message, hit)


def _cpu_time(seen: Observation) -> Cause | None:
    used, allowed = seen.event.cpu_ms, seen.limits.cpu_time_ms
    was_ended = seen.event.signal == signal.SIGXCPU and used >= allowed  # any program can send this signal
    if seen.event.limit != "cpu_time_ms" and not was_ended:
        return None
    return _failed(
        Reason.CPU_TIME_LIMIT,
        text("outcomes.cpu_time", allowed=allowed),
        LimitHit("cpu_time_ms", used, allowed),
    )


def _memory(seen: Observation) -> Cause | None:
    least = seen.refused_from_mb
    was_refused = seen.lacked_memory and least is not None and seen.memory_mb >= least
    if seen.event.limit != "memory_mb" and not was_refused:
        return None
    allowed = seen.limits.memory_mb
    hit = LimitHit("memory_mb", seen.memory_mb, allowed)
    return _failed(Reason.MEMORY_LIMIT, text("outcomes.memory", allowed=allowed), hit)


def _processes(seen: Observation) -> Cause | None:
    if seen.event.limit != "processes" or seen.event.exit_code == 0:
        return None
    allowed = seen.limits.processes
    message = text("outcomes.processes", allowed=allowed)
    return _failed(Reason.PROCESS_LIMIT, message, LimitHit("processes", allowed, allowed))


def _signal(seen: Observation) -> Cause | None:
    number = seen.event.signal
    if number is None:
        return None
    name = _signal_name(number)
    ended = text("outcomes.signal", signal=name)
    if number == signal.SIGXFSZ:  # not counted by the kernel, and any program can send this signal
        ended = text("outcomes.file_size_signal", signal=name, allowed=seen.limits.file_size_mb)
    return _failed(Reason.SIGNAL, _with_lack_of_memory(seen, ended))


def _with_lack_of_memory(seen: Observation, message: Text) -> Text:
    peak, allowed = seen.memory_mb, seen.limits.memory_mb
    if seen.event.is_shortage:
        return _both(message, text("outcomes.host_memory", peak=peak, allowed=allowed))
    if not seen.lacked_memory:
        return message
    return _both(message, text("outcomes.memory_claim", peak=peak, allowed=allowed))


def _both(first: Text, second: Text | str) -> Text:
    return text("outcomes.both", first=first, second=second)


def _signal_name(number: int) -> Text | str:
    try:
        return signal.Signals(number).name
    except ValueError:  # real-time signals have no names
        return text("outcomes.signal_number", number=number)


def _exit(seen: Observation) -> Cause | None:
    code = seen.event.exit_code
    if code == 0:
        return Cause(JobStatus.SUCCESS, None, None)
    ended = text("outcomes.exit_code", code=code)
    return _failed(Reason.NONZERO_EXIT, _with_lack_of_memory(seen, ended))


_RULES: tuple[Callable[[Observation], Cause | None], ...] = (
    _cancelled,
    _not_supervised,
    _build_time,
    _build_cpu_time,
    _build_memory,
    _build_output,
    _not_ready,
    _output,
    _wall_time,
    _cpu_time,
    _memory,
    _processes,
    _signal,
    _exit,
)
