import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from threading import Lock

from adapters.http_engine import outcome
from adapters.http_engine.breaker import CircuitBreaker
from adapters.http_engine.call import Call, CallStopped, DeadlinePassed
from adapters.http_engine.client import Answer, EngineClient
from adapters.http_engine.retries import Retries
from adapters.http_engine.runner import Runner
from adapters.http_engine.spool import Spool
from adapters.http_engine.troubles import EngineTrouble
from application.errors import DependencyUnavailable
from application.ports.execution_engine import (
    EngineDescription,
    EngineReport,
    ExecutionEngine,
    ExecutionObserver,
    ExecutionRequest,
    LanguageSupport,
)
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
STANDARD_RETRIES = Retries()
BREAKER_THRESHOLD = 10
BREAKER_RESET_S = 5.0

_WATCHED = {
    "timeout_ms": "the whole answer must have come; the runner is told, and told again to stop",
    "output_mb": "counted when the answer has come",
}


class HttpEngine(ExecutionEngine):
    """Runs programs on HTTP runners, which fetch the code by its key and answer when it has ended.

    A request is sent again only where the program cannot have started: when no byte of it left (refused,
    unreachable, unresolved, an open circuit) or the engine said that it has no room (429, 503). Any other
    5xx, a connection that breaks and an answer that cannot be read leave it open whether the program ran: the
    report says that the engine lost it. So one execution starts its program once, and a job's attempts can be
    counted. `observer.started()` is called before the first byte leaves, for what happens after that nobody
    can know but the engine.

    Runners know jobs and not executions: told to stop a job, they stop whatever they run of it. So nobody is
    told but by `cancel`, not even when the time is up: the job may be somebody else's by then.

    All tries together have the job's wall time. A runner takes nothing but the code: a job with arguments or
    environment variables is refused, for without them it would be another program; one with stdin, which
    existing clients send, runs without it, and its result says so.

    Args:
        base_url: The address that the runners share.
        languages: The languages that there is a runner for.
        connect_timeout_s: How long one connection may take to be made.
        control_timeout_s: How long /health and /cancel may take.
        max_answer_bytes: How much is read of one answer.
        inline_bytes: How much of each stream a result carries.
        max_idle_connections: How many connections are kept open for the next request.
        retries: How often and when a request is sent again.
        breaker_threshold: After how many failures in a row a language's runner is given a rest.
        breaker_reset_s: How long it is between trials then.
        spool_directory: Where answers wait that are too large for memory; None for the system's own place.

    Raises:
        ValueError: The address is not one.
        InvalidValue: A language is unknown.
    """

    def __init__(
        self,
        base_url: str,
        languages: Collection[str] = DEFAULT_LANGUAGES,
        *,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        control_timeout_s: float = CONTROL_TIMEOUT_S,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
        inline_bytes: int = INLINE_BYTES,
        max_idle_connections: int = MAX_IDLE_CONNECTIONS,
        retries: Retries = STANDARD_RETRIES,
        breaker_threshold: int = BREAKER_THRESHOLD,
        breaker_reset_s: float = BREAKER_RESET_S,
        spool_directory: Path | None = None,
    ) -> None:
        spool = Spool(spool_directory)
        self._client = EngineClient(
            base_url, connect_timeout_s, max_answer_bytes, max_idle_connections, spool
        )
        self._control_timeout_s = control_timeout_s
        self._runners = {
            name: Runner(
                name,
                self._client,
                retries,
                CircuitBreaker(breaker_threshold, breaker_reset_s),
                inline_bytes,
                spool,
            )
            for name in languages
        }
        self._languages = tuple(LanguageSupport(parse_language(name), version=None) for name in languages)
        self._lock = Lock()
        self._calls: dict[ExecutionId, Call] = {}

    @property
    def name(self) -> str:
        """What the engine is called, for people."""
        return "http"

    @property
    def starts_at_once(self) -> bool:
        """Whether a claim is a start: there is nothing to do before a request is sent."""
        return True

    def languages(self) -> Sequence[LanguageSupport]:
        """Return the languages that there is a runner for. Runners do not tell their versions."""
        return self._languages

    def describe(self) -> EngineDescription:
        """Say which limits are watched from here; what confines programs, the runners do not say."""
        limits = {field.name: "left to the runner" for field in fields(Limits)} | _WATCHED
        return EngineDescription(name=self.name, limits=limits)

    def execute(self, request: ExecutionRequest, observer: ExecutionObserver) -> EngineReport | None:
        """Have a program run; None if the engine has taken it with a 202 and will report its end."""
        runner = self._runners.get(request.spec.language.name)
        if runner is None:
            observer.not_started()
            return outcome.failed(Reason.ENGINE_ERROR, "This engine does not run the job's language.")
        if request.spec.args or request.spec.env:
            observer.not_started()
            message = "This engine passes programs neither arguments nor environment variables."
            return outcome.failed(Reason.ENGINE_ERROR, message)
        call = runner.call(request, observer)
        try:
            with self._stoppable(request.execution_id, call):
                return runner.run(request, observer, call)
        except CallStopped:
            if not call.has_begun:
                observer.not_started()
            return outcome.stopped()
        except DeadlinePassed:
            return outcome.out_of_time(call.elapsed_s, request.spec.limits)

    def cancel(self, execution_id: ExecutionId, job_id: JobId) -> None:
        """Give up waiting for an execution, and tell the engine, which need not understand it."""
        self.let_go(execution_id, job_id)
        self._tell_to_stop(execution_id, job_id)

    def let_go(self, execution_id: ExecutionId, job_id: JobId) -> None:  # noqa: ARG002 - the port's signature
        """Give up waiting for an execution."""
        with self._lock:
            call = self._calls.get(execution_id)
        if call is not None:
            call.stop()

    def check(self) -> None:
        """Ask the engine for its health.

        Raises:
            DependencyUnavailable: It is out of reach, late or not well.
        """
        try:
            answer = self._control("GET", "/health", {})
        except EngineTrouble as error:
            raise DependencyUnavailable("engine", "it is out of reach") from error
        except DeadlinePassed as error:
            raise DependencyUnavailable("engine", "it does not answer in time") from error
        if not answer.is_success:
            raise DependencyUnavailable("engine", f"it answers {answer.status}")

    def start(self) -> None:
        """Say in the log which limits are watched and which are not."""
        for limit, how in self.describe().limits.items():
            logger.info("limit %s: %s", limit, how)

    def stop(self) -> None:
        """Close the connections that are kept open."""
        self._client.close()

    @contextmanager
    def _stoppable(self, execution_id: ExecutionId, call: Call) -> Iterator[None]:
        with self._lock:
            self._calls[execution_id] = call
        try:
            yield
        finally:
            with self._lock:
                del self._calls[execution_id]

    def _tell_to_stop(self, execution_id: ExecutionId, job_id: JobId) -> None:
        try:
            answer = self._control("POST", f"/cancel/{job_id}", {"execution_id": str(execution_id)})
        except (EngineTrouble, DeadlinePassed) as error:
            logger.warning("the engine was not told to stop job %s: %r", job_id, error)
        else:
            logger.info("the engine answered %s to the wish to stop job %s", answer.status, job_id)

    def _control(self, method: str, path: str, params: Mapping[str, str]) -> Answer:
        with self._client.send(method, path, params, Call(self._control_timeout_s)) as answer:
            return answer
