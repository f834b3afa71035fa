"""An execution engine that runs programs on HTTP runners."""

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
# The timeout for requests that run no program: /health and /cancel.
CONTROL_TIMEOUT_S = 2.0
MAX_ANSWER_BYTES = 32 << 20
INLINE_BYTES = 64 << 10
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
    """Runs programs on HTTP runners, which fetch the code by its key and answer when the program has ended.

    A request is retried only if the program cannot have started: no byte was sent (connection refused, host
    unreachable, name not resolved, circuit open), or the engine has no capacity (429, 503). If the program
    cannot be started after a few attempts, the execution is reported as not started, and may be deferred.
    After any other 5xx, a broken connection or an unreadable answer, it is unknown whether the program ran;
    the execution is reported as lost by the engine. Thus an execution starts its program at most once, and a
    job's attempts can be counted. `observer.started()` is called before the first byte is sent, because
    afterwards only the engine knows what happens.

    Each runner address has its own connections, circuit breaker, health check and cancellation. An
    unavailable runner does not affect other languages.

    Runners know jobs and not executions: a request to stop a job stops every execution of it. Therefore only
    `cancel` sends this request. A timeout does not, because the job may have another execution by then.

    All attempts together share the job's wall time limit. A runner accepts only the code. A job with
    arguments or environment variables would be a different program without them: its upload is refused, and
    so is its execution, in case an earlier version accepted the upload. A job with stdin, which existing
    clients send, runs without stdin and gets a note.

    Args:
        base_url: The address shared by all runners that are not in `run_urls`; None if there are no such
            runners.
        languages: The languages with a runner at the shared address.
        run_urls: The full `/run` addresses of runners with their own address, by language.
        connect_timeout_s: The timeout for a connection, in seconds.
        control_timeout_s: The timeout for requests that run no program (health and cancellation), in seconds.
        max_answer_bytes: The maximum that is read of one answer.
        inline_bytes: The maximum size of each output stream in a result.
        retries: The delays between attempts.
        breaker_threshold: The number of consecutive failures that open a runner's circuit.
        breaker_reset_s: Seconds between trials while a circuit is open.
        spool_directory: The directory for answers that are too large for memory; None for the system's
            temporary directory.
        on_retry: Called before each retry.
        tracing: Records a span for each request.

    Raises:
        ValueError: An address is invalid, or there is none.
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
        retries: RetryPolicy = RETRIES,
        breaker_threshold: int = BREAKER_THRESHOLD,
        breaker_reset_s: float = BREAKER_RESET_S,
        spool_directory: Path | None = None,
        on_retry: Callable[[], None] | None = None,
        tracing: Tracing = NO_TRACING,
    ) -> None:
        addresses = _addresses(base_url, languages, run_urls or {})
        # All connections share one context: loading the certificates takes longer than a handshake.
        tls = _tls(addresses.values())

        def runner(address: RunnerAddress) -> Runner:
            return Runner(
                address,
                EngineClient(connect_timeout_s, max_answer_bytes, spool_directory, tls, tracing),
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
            LanguageSupport(parse_language(name), version=None, takes_files=False, takes_arguments=False)
            for name in addresses
        )
        self._lock = Lock()
        self._running: dict[ExecutionId, _Running] = {}

    @property
    def name(self) -> str:
        """The engine's display name."""
        return "http"

    @property
    def claim_implies_start(self) -> bool:
        """Whether claiming an execution also starts it. True: nothing precedes the request."""
        return True

    def languages(self) -> Sequence[LanguageSupport]:
        """Return the languages that have a runner, without versions: runners do not report them."""
        return self._languages

    def unreachable_queues(self) -> frozenset[str]:
        """Return the queues of the languages whose runner has not been reached since its circuit opened."""
        return frozenset(language for language, runner in self._runners.items() if runner.is_away)

    def paused_languages(self) -> frozenset[str]:
        """Return the languages whose runner's circuit is open."""
        return frozenset(language for language, runner in self._runners.items() if runner.is_resting)

    def startable_queues(self) -> frozenset[str] | None:
        """Return the queues of the languages whose runner may be called; None while all may be."""
        paused = self.paused_languages()
        return frozenset(self._runners.keys() - paused) if paused else None

    def describe(self) -> EngineDescription:
        """Describe which limits this engine enforces; the runners isolate programs in their own way."""
        limits = {field.name: text("engine.left_to_runner") for field in fields(Limits)} | _WATCHED
        addresses = tuple(dict.fromkeys(runner.address.shown for runner in self._runners.values()))
        return EngineDescription(name=self.name, limits=limits, addresses=addresses)

    def execute(self, request: ExecutionRequest, observer: ExecutionObserver) -> EngineReport | None:
        """Run a program on its runner; return None if the runner answers 202 and reports the end later."""
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
        """Stop waiting for an execution, and ask its runner to stop it. Not every runner supports this.

        If this process does not wait for the execution, its runner is unknown, so all runners are asked.
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
        """Check the health of all runners concurrently.

        Raises:
            DependencyUnavailable: A runner is unreachable, too slow or unhealthy.
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
        """Log which limits are enforced and which are not."""
        for limit, how in self.describe().limits.items():
            logger.info("limit %s: %s", limit, how)

    def stop(self) -> None:
        """Close the idle connections."""
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
        """Return the runner's reply to the cancellation of a program that is no longer waited for."""
        if not running.deadline.has_begun:
            return CancelReply.NOT_SENT
        if not running.is_being_cancelled:
            return CancelReply.NOT_ASKED
        running.has_reply.wait(2 * self._control_timeout_s)  # the cancelling thread takes up to half of that
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
        raise ValueError("no runner is configured for any language")
    return addresses


def _tls(addresses: Collection[RunnerAddress]) -> ssl.SSLContext | None:
    return httpcore.default_ssl_context() if any(address.is_tls for address in addresses) else None
