"""The engine that has HTTP runners run programs."""

import logging
import ssl
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from threading import Event, Lock

import httpcore

from adapters.common.circuit_breaker import CircuitBreaker
from adapters.http_engine import outcome
from adapters.http_engine.addresses import RunnerAddress
from adapters.http_engine.client import EngineClient
from adapters.http_engine.engine_errors import NothingStarted
from adapters.http_engine.outcome import CancelReply
from adapters.http_engine.request_deadline import RequestDeadline, RequestStopped
from adapters.http_engine.runner import Runner
from application.errors import DependencyUnavailable
from application.ports.execution_engine import (
    EngineDescription,
    EngineReport,
    ExecutionEngine,
    ExecutionObserver,
    ExecutionRequest,
    LanguageSupport,
)
from application.ports.tracing import NO_TRACING, Tracing
from application.retry_policy import RetryPolicy
from domain.catalogue.text import text
from domain.job_lifecycle import Reason
from domain.language import parse_language
from domain.limits import Limits
from domain.values import ExecutionId, JobId

logger = logging.getLogger("service_server.engine")

DEFAULT_LANGUAGES = ("python", "node", "java")
CONNECT_TIMEOUT_S = 3.0
# How long a request may take that runs no program: /health and /cancel.
CONTROL_TIMEOUT_S = 2.0
MAX_ANSWER_BYTES = 32 << 20
INLINE_BYTES = 64 << 10
MAX_IDLE_CONNECTIONS = 64
RETRIES = RetryPolicy.exponential(0.2, 2.0, retries=4, jitter=0.5)
BREAKER_THRESHOLD = 10
BREAKER_RESET_S = 5.0

_WATCHED = {
    "timeout_ms": text("engine.answer_in_time"),
    "output_mb": text("engine.counted_in_answer"),
}


@dataclass(slots=True, eq=False)
class _Running:
    """An execution that this process waits for, and the state of its cancellation."""

    runner: Runner
    deadline: RequestDeadline
    is_being_cancelled: bool = False
    reply: CancelReply = CancelReply.NO_ANSWER
    has_reply: Event = field(default_factory=Event)


class HttpEngine(ExecutionEngine):
    """Runs programs on HTTP runners, which fetch the code by its key and answer when it has ended.

    A request is sent again only where the program cannot have started: when no byte of it left (refused,
    unreachable, unresolved, an open circuit) or the engine has no room (429, 503). A program that could
    not be started in a few tries is reported as that, and may wait. Any other 5xx, a connection that breaks
    and an answer that cannot be read leave it open whether the program ran: it is reported as lost by the
    engine. So one execution starts its program once, and a job's attempts can be counted.
    `observer.started()` is called before the first byte leaves, for only the engine
    knows the events after that.

    Each address of a runner has its own connections, circuit, health and cancellation: a runner that is away
    keeps no other language from running.

    Runners know jobs and not executions: asked to stop a job, they stop all that they run of it. So they are
    asked by `cancel` alone, and not when the time is up: the job may have another execution by then.

    All tries together have the job's wall time. A runner takes nothing but the code: a job with arguments or
    environment variables is refused, for without them it would be another program; one with stdin, which
    existing clients send, runs without it, with a note on it.

    Args:
        base_url: The address that runners share which have none of their own; None if all have.
        languages: The languages that there is a runner for at the shared address.
        run_urls: The full addresses of `/run` of runners with an address of their own, by language.
        connect_timeout_s: Seconds that a connection may take to be made.
        control_timeout_s: Seconds that a request may take that runs no program: health and cancellation.
        max_answer_bytes: The most that is read of one answer.
        inline_bytes: The most that a result carries of each stream.
        max_idle_connections: The most connections to a runner that are kept open for the next request.
        retries: The delays before a request is sent again.
        breaker_threshold: The failures in a row that open a runner's circuit.
        breaker_reset_s: Seconds between trials then.
        spool_directory: The directory of answers that are too large for memory; None for the system's own.
        on_retry: Called when a request is to be sent again.
        tracing: The traces that requests are spans of.

    Raises:
        ValueError: An address is not one, or there is none.
        InvalidValue: A language is unknown.
    """

    def __init__(
        self,
        base_url: str | None,
        languages: Collection[str] = DEFAULT_LANGUAGES,
        *,
        run_urls: Mapping[str, str] | None = None,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        control_timeout_s: float = CONTROL_TIMEOUT_S,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
        inline_bytes: int = INLINE_BYTES,
        max_idle_connections: int = MAX_IDLE_CONNECTIONS,
        retries: RetryPolicy = RETRIES,
        breaker_threshold: int = BREAKER_THRESHOLD,
        breaker_reset_s: float = BREAKER_RESET_S,
        spool_directory: Path | None = None,
        on_retry: Callable[[], None] | None = None,
        tracing: Tracing = NO_TRACING,
    ) -> None:
        addresses = _addresses(base_url, languages, run_urls or {})
        # One for all connections: reading the certificates takes longer than a handshake.
        tls = _tls(addresses.values())

        def runner(address: RunnerAddress) -> Runner:
            return Runner(
                address,
                EngineClient(
                    connect_timeout_s, max_answer_bytes, max_idle_connections, spool_directory, tls, tracing
                ),
                retries,
                CircuitBreaker("engine", breaker_threshold, breaker_reset_s),
                inline_bytes,
                spool_directory,
                control_timeout_s,
                on_retry,
            )

        by_address = {address: runner(address) for address in dict.fromkeys(addresses.values())}
        self._runners = {language: by_address[address] for language, address in addresses.items()}
        self._control_timeout_s = control_timeout_s
        self._languages = tuple(
            LanguageSupport(parse_language(name), version=None, takes_files=False) for name in addresses
        )
        self._lock = Lock()
        self._running: dict[ExecutionId, _Running] = {}

    @property
    def name(self) -> str:
        """The engine's name, for people."""
        return "http"

    @property
    def claim_implies_start(self) -> bool:
        """Whether a claim is a start: there is nothing to do before a request is sent."""
        return True

    def languages(self) -> Sequence[LanguageSupport]:
        """Return the languages that there is a runner for. Runners do not give their versions."""
        return self._languages

    def unreachable_languages(self) -> frozenset[str]:
        """Return the languages whose runner has not been reached since its circuit opened."""
        return frozenset(language for language, runner in self._runners.items() if runner.is_away)

    def paused_languages(self) -> frozenset[str]:
        """Return the languages whose runner's circuit is open."""
        return frozenset(language for language, runner in self._runners.items() if runner.is_resting)

    def describe(self) -> EngineDescription:
        """Describe which limits are watched from here; the confinement of programs is the runners' own."""
        limits = {field.name: text("engine.left_to_runner") for field in fields(Limits)} | _WATCHED
        addresses = tuple(dict.fromkeys(runner.address.shown for runner in self._runners.values()))
        return EngineDescription(name=self.name, limits=limits, addresses=addresses)

    def execute(self, request: ExecutionRequest, observer: ExecutionObserver) -> EngineReport | None:
        """Have a program run; None if the engine has taken it with a 202 and will report its end."""
        runner = self._runners.get(request.spec.language.name)
        if runner is None:
            observer.start_failed()
            return outcome.failed(Reason.ENGINE_ERROR, text("outcomes.no_language"))
        if request.spec.args or request.spec.env or request.spec.secrets is not None:
            observer.start_failed()
            message = text("outcomes.no_arguments")
            return outcome.failed(Reason.ENGINE_ERROR, message)
        running = _Running(runner, runner.deadline(request, observer))
        try:
            with self._stoppable(request.execution_id, running):
                return runner.run(request, observer, running.deadline)
        except RequestStopped:
            if not running.deadline.has_begun:
                observer.start_failed()
            return outcome.stopped(self._reply(running))

    def cancel(self, execution_id: ExecutionId, job_id: JobId) -> None:
        """Stop waiting for an execution, and ask its runner to stop it, which not every runner can.

        All runners are asked about an execution that is not waited for here: its runner is not known.
        """
        with self._lock:
            running = self._running.get(execution_id)
            if running is not None:
                running.is_being_cancelled = True
        if running is None:
            self._ask_all_to_stop(execution_id, job_id)
            return
        running.deadline.stop()
        try:
            running.reply = running.runner.cancel(execution_id, job_id)
        finally:
            running.has_reply.set()

    def detach(self, execution_id: ExecutionId, job_id: JobId) -> None:  # noqa: ARG002 - the port's signature
        """Stop waiting for an execution."""
        with self._lock:
            running = self._running.get(execution_id)
        if running is not None:
            running.deadline.stop()

    def check(self) -> None:
        """Ask every runner for its health, all at once.

        Raises:
            DependencyUnavailable: Some cannot be reached, are late or not well.
        """
        runners = self._distinct()
        with ThreadPoolExecutor(len(runners), thread_name_prefix="runner-health") as pool:
            troubles = dict(zip(runners, pool.map(_trouble_of, runners), strict=True))
        found = set(troubles.values())
        if len(found) == 1 and None not in found:
            raise DependencyUnavailable("engine", f"it {found.pop()}")
        away = [
            f"the {language} runner {troubles[runner]}"
            for language, runner in self._runners.items()
            if troubles[runner]
        ]
        if away:
            raise DependencyUnavailable("engine", ", ".join(away))

    def start(self) -> None:
        """Log which limits are watched and which are not."""
        for limit, how in self.describe().limits.items():
            logger.info("limit %s: %s", limit, how)

    def stop(self) -> None:
        """Close the connections that are kept open."""
        for runner in self._distinct():
            runner.close()

    @contextmanager
    def _stoppable(self, execution_id: ExecutionId, running: _Running) -> Iterator[None]:
        with self._lock:
            self._running[execution_id] = running
        try:
            yield
        finally:
            with self._lock:
                del self._running[execution_id]

    def _reply(self, running: _Running) -> CancelReply:
        """Return the runner's reply about a program that is not waited for any more."""
        if not running.deadline.has_begun:
            return CancelReply.NOT_SENT
        if not running.is_being_cancelled:
            return CancelReply.NOT_ASKED
        running.has_reply.wait(2 * self._control_timeout_s)  # the thread that asks has as long as once
        return running.reply

    def _ask_all_to_stop(self, execution_id: ExecutionId, job_id: JobId) -> None:
        for runner in {runner.address.cancel_url: runner for runner in self._runners.values()}.values():
            runner.cancel(execution_id, job_id)

    def _distinct(self) -> Sequence[Runner]:
        return tuple(dict.fromkeys(self._runners.values()))


def _trouble_of(runner: Runner) -> str | None:
    try:
        runner.check()
    except NothingStarted as error:
        return str(error)
    return None


def _addresses(
    base_url: str | None, languages: Collection[str], run_urls: Mapping[str, str]
) -> Mapping[str, RunnerAddress]:
    shared = {} if base_url is None else {name: RunnerAddress.below(base_url, name) for name in languages}
    addresses = shared | {name: RunnerAddress.of(url) for name, url in run_urls.items()}
    if not addresses:
        raise ValueError("there is no runner for any language")
    return addresses


def _tls(addresses: Collection[RunnerAddress]) -> ssl.SSLContext | None:
    return httpcore.default_ssl_context() if any(address.is_tls for address in addresses) else None
