"""A client of one runner, with retries and a circuit breaker."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from adapters.common.certificate_errors import certificate_fault
from adapters.common.circuit_breaker import CircuitBreaker
from adapters.http_engine import outcome
from adapters.http_engine.addresses import RunnerAddress
from adapters.http_engine.answer import RunnerAnswer, believe, error_in, parse, reading
from adapters.http_engine.client import Answer, EngineClient
from adapters.http_engine.engine_errors import (
    EngineError,
    EngineRefused,
    MayHaveStarted,
    NoRoom,
    NothingStarted,
    NotRecorded,
)
from adapters.http_engine.failures import recognise
from adapters.http_engine.messages import error_message, error_of
from adapters.http_engine.outcome import CancelReply
from adapters.http_engine.request_deadline import DeadlineExceeded, RequestDeadline
from application.errors import DependencyUnavailable
from application.ports.execution_engine import EngineReport, ExecutionObserver, ExecutionRequest
from application.ports.output_feed import OutputChunk, Stream
from application.retry_policy import RetryPolicy
from domain.catalogue.text import Text, said_by, text
from domain.execution import Note
from domain.values import ExecutionId, JobId

logger = logging.getLogger("service_server.engine")

PIECE_BYTES = 64 << 10
# The maximum honored `Retry-After`, in seconds.
MAX_REST_S = 300.0

_ACCEPTED = 202
_SERVER_ERROR = 500
# RFC 9110, 15.6.4, and RFC 6585, 4: the server has no capacity for the request and has not begun it.
_NO_ROOM = frozenset({429, 503})
# A gateway's status when the server behind it is unreachable or does not answer: RFC 9110, 15.6.
_GATEWAY_ERRORS = frozenset({502, 503, 504})
_NOT_FOUND = 404
_NOT_IMPLEMENTED = 501
# In these languages, a program that reads stdin waits forever if the runner does not close stdin.
_WAIT_FOR_STDIN = frozenset({"node", "java"})
_NO_STDIN = text("outcomes.no_stdin")


class Runner:
    """A runner: sends it requests to run programs, retries them where that is safe, and reads the answers.

    Attributes:
        address: The addresses of its requests.
    """

    def __init__(
        self,
        address: RunnerAddress,
        client: EngineClient,
        retries: RetryPolicy,
        breaker: CircuitBreaker,
        inline_bytes: int,
        spool_directory: Path | None,
        control_timeout_s: float,
        on_retry: Callable[[], None] | None = None,
    ) -> None:
        self.address = address
        self._client = client
        self._retries = retries
        self._breaker = breaker
        self._inline_bytes = inline_bytes
        self._spool_directory = spool_directory
        self._control_timeout_s = control_timeout_s
        self._on_retry = on_retry
        self._cannot_cancel = False

    @property
    def is_away(self) -> bool:
        """Whether the runner has not been reached since its circuit opened."""
        return not self._breaker.is_closed

    @property
    def is_resting(self) -> bool:
        """Whether its circuit admits no request now, not even a trial."""
        return self._breaker.is_open

    def deadline(self, request: ExecutionRequest, observer: ExecutionObserver) -> RequestDeadline:
        """Start the deadline of a program, whose observer is called before the first byte is sent.

        If the observer cannot record the start, nothing is sent, and `run` reports the failure.
        """

        def before_sending(is_first: bool) -> None:  # noqa: FBT001 - never passed by name
            self._breaker.reached()
            if is_first:
                try:
                    observer.started()
                except DependencyUnavailable as error:
                    raise NotRecorded(text("outcomes.not_recorded", cause=said_by(error))) from error
                if request.stdin:
                    observer.note(Note.STDIN_NOT_PASSED)

        return RequestDeadline(request.spec.limits.timeout_ms / 1000, before_sending)

    def run(
        self, request: ExecutionRequest, observer: ExecutionObserver, deadline: RequestDeadline
    ) -> EngineReport | None:
        """Run a program; return None if the engine will report its end later.

        Raises:
            RequestStopped: The request was stopped.
        """
        delays = self._retries.delays()
        tries = 0
        while True:
            tries += 1
            try:
                return self._try(request, observer, deadline)
            except DeadlineExceeded:
                return self._out_of_time(request, deadline)
            except NothingStarted as error:
                if not deadline.has_begun:
                    observer.start_failed()
                delay = None if self._breaker.is_open else next(delays, None)
                if delay is None or not deadline.pause(delay):
                    # Only the last try counts: a runner that is unavailable by then starts no other program.
                    is_refused = isinstance(error, NoRoom)
                    return outcome.not_started(_message(error, tries), is_refused=is_refused)
                if self._on_retry is not None:
                    self._on_retry()
            except EngineError as error:
                if not deadline.has_begun:
                    observer.start_failed()
                is_lost = isinstance(error, MayHaveStarted)
                return outcome.failed(error.reason, _message(error, tries), is_lost=is_lost)

    def cancel(self, execution_id: ExecutionId, job_id: JobId) -> CancelReply:
        """Ask the runner to stop every execution of a job, and return its reply."""
        url = f"{self.address.cancel_url}/{job_id}"
        try:
            status = self._control("POST", url, {"execution_id": str(execution_id)})
        except (EngineError, DeadlineExceeded) as error:
            logger.warning("the runner did not respond to the request to stop job %s: %r", job_id, error)
            return CancelReply.NO_ANSWER
        logger.info("the runner responded %s to the request to stop job %s", status, job_id)
        reply = CancelReply.of_status(status)
        self._cannot_cancel = reply is CancelReply.NOT_SUPPORTED
        return reply

    def check(self) -> None:
        """Check that the runner is reachable, without running a program.

        Any answer below 500 counts as reachable. With path-based routing, `/health` may not exist. The check
        then requests `/run` without a key: a runner answers 400, and a gateway answers 502, 503 or 504 if the
        runner is unavailable.

        Raises:
            NothingStarted: The runner is unreachable or unhealthy. The message reads as a predicate after its
                name.
        """
        try:
            status = self._control("GET", self.address.health_url, {})
            if status == _NOT_FOUND:
                status = self._control("GET", self.address.run_url, {})
        except EngineError as error:
            fault = certificate_fault(error)
            raise NothingStarted(f"cannot be reached: {fault}" if fault else "is not responding") from error
        except DeadlineExceeded as error:
            raise NothingStarted("did not respond in time") from error
        if status >= _SERVER_ERROR and status != _NOT_IMPLEMENTED:
            raise NothingStarted(f"answers {status}")

    def close(self) -> None:
        """Close the idle connections."""
        self._client.close()

    def _try(
        self, request: ExecutionRequest, observer: ExecutionObserver, deadline: RequestDeadline
    ) -> EngineReport | None:
        with self._ask(request, deadline) as answer:
            if answer.status == _ACCEPTED:
                return None
            if not answer.is_success:
                return self._failure(answer)
            if not answer.is_whole:
                return outcome.too_large(answer.size)
            with reading(answer.size):
                return self._read(answer, request, observer)

    def _failure(self, answer: Answer) -> EngineReport:
        known = recognise(error_of(answer))
        if known is not None:
            return EngineReport(known)
        if answer.status in _GATEWAY_ERRORS:
            self._breaker.failed()
            self._suspect()
        kind = MayHaveStarted if answer.status >= _SERVER_ERROR else EngineRefused
        raise kind(_refusal(answer))

    def _read(self, answer: Answer, request: ExecutionRequest, observer: ExecutionObserver) -> EngineReport:
        fields = parse(answer.body.read())
        error = error_in(fields)
        known = None if error is None else recognise(error)
        if known is not None:
            return EngineReport(known)
        believed = believe(fields, _identity(request))
        _show(believed, observer)
        return outcome.report(believed, request.spec.limits, self._inline_bytes, self._spool_directory)

    def _ask(self, request: ExecutionRequest, deadline: RequestDeadline) -> Answer:
        self._admit()
        params = {**_identity(request), "timeout_ms": str(request.spec.limits.timeout_ms)}
        try:
            answer = self._client.send("GET", self.address.run_url, params, deadline)
        except NothingStarted:
            self._breaker.failed()
            raise
        except MayHaveStarted:
            self._suspect()
            raise
        if answer.status in _NO_ROOM:
            rest_s = answer.retry_after_s
            self._breaker.failed(None if rest_s is None else min(rest_s, MAX_REST_S))
            with answer:
                raise NoRoom(_refusal(answer))
        if answer.status not in _GATEWAY_ERRORS:
            self._breaker.answered()
        return answer

    def _admit(self) -> None:
        """Admit a program if the circuit is closed, or as a trial if the runner is reachable again.

        During an outage no program is sent, because neither a gateway error nor a broken connection shows
        whether the program ran.
        """
        is_trial = not self._breaker.is_closed
        if not self._breaker.admits():
            raise NothingStarted(text("outcomes.not_responding"))
        if is_trial and not self._is_reachable():
            self._breaker.trip()
            raise NothingStarted(text("outcomes.not_responding"))

    def _suspect(self) -> None:
        """Open the circuit after a broken request if the runner is unreachable."""
        try:
            self.check()
        except NothingStarted:
            self._breaker.trip()

    def _is_reachable(self) -> bool:
        """Check the route that programs take: without a key, `/run` runs nothing and answers 400."""
        try:
            return self._control("GET", self.address.run_url, {}) not in _GATEWAY_ERRORS
        except (EngineError, DeadlineExceeded):
            return False

    def _out_of_time(self, request: ExecutionRequest, deadline: RequestDeadline) -> EngineReport:
        waits = bool(request.stdin) or request.spec.language.name in _WAIT_FOR_STDIN
        report = outcome.out_of_time(deadline.elapsed_s, request.spec.limits, _NO_STDIN if waits else None)
        notes: tuple[Note, ...] = (Note.STDIN_NOT_PASSED,) if waits else ()
        if self._cannot_cancel:
            notes += CancelReply.NOT_SUPPORTED.notes
        report.result = replace(report.result, notes=notes)
        return report

    def _control(self, method: str, url: str, params: Mapping[str, str]) -> int:
        """Send a request that runs no program, and return the status of the answer."""
        with self._client.send(method, url, params, RequestDeadline(self._control_timeout_s)) as answer:
            return answer.status


def _identity(request: ExecutionRequest) -> dict[str, str]:
    return {
        "code_key": request.spec.code_key.value,
        "job_id": str(request.job_id),
        "execution_id": str(request.execution_id),
    }


def _refusal(answer: Answer) -> Text:
    said = error_message(answer)
    if said:
        return text("outcomes.answered_said", status=answer.status, said=said)
    return text("outcomes.answered", status=answer.status)


def _message(error: EngineError, tries: int) -> Text:
    said = said_by(error)
    if tries == 1:
        return text("outcomes.sentence", sentence=said)
    return text("outcomes.attempts", sentence=said, tries=tries)


def _show(answer: RunnerAnswer, observer: ExecutionObserver) -> None:
    """Send all output of a program to its observer."""
    for stream, data in ((Stream.STDOUT, answer.stdout), (Stream.STDERR, answer.stderr)):
        for offset in range(0, len(data), PIECE_BYTES):
            observer.output(OutputChunk(stream, offset, data[offset : offset + PIECE_BYTES]))
