from adapters.http_engine import outcome
from adapters.http_engine.answer import RunnerAnswer, read_answer
from adapters.http_engine.breaker import CircuitBreaker
from adapters.http_engine.call import Call
from adapters.http_engine.client import Answer, EngineClient
from adapters.http_engine.retries import Retries
from adapters.http_engine.spool import Spool, in_memory
from adapters.http_engine.troubles import (
    EngineRefused,
    EngineTrouble,
    MayHaveStarted,
    NothingStarted,
    NotRecorded,
)
from adapters.http_engine.wording import what_it_says
from application.errors import DependencyUnavailable
from application.ports.execution_engine import EngineReport, ExecutionObserver, ExecutionRequest
from application.ports.output_feed import OutputChunk, Stream

PIECE_BYTES = 64 << 10

_ACCEPTED = 202
_SERVER_ERROR = 500
# RFC 9110, 15.6.4, and RFC 6585, 4: the server has no room for the request now, and has not begun it.
_NO_ROOM = frozenset({429, 503})
_NO_STDIN = "This engine passes no stdin: the program found it empty."


class Runner:
    """One language's runner: asks it to run a program, again where that is safe, and reads the answer."""

    def __init__(
        self,
        language: str,
        client: EngineClient,
        retries: Retries,
        breaker: CircuitBreaker,
        inline_bytes: int,
        spool: Spool,
    ) -> None:
        self._path = f"/{language}/run"
        self._client = client
        self._retries = retries
        self._breaker = breaker
        self._inline_bytes = inline_bytes
        self._spool = spool

    def call(self, request: ExecutionRequest, observer: ExecutionObserver) -> Call:
        """Begin the time of a program; its observer hears of the start before the first byte leaves.

        A start that the observer cannot record is none: nothing is sent then, and `run` reports it.
        """

        def before_sending(is_first: bool) -> None:  # noqa: FBT001 - a call passes nothing else
            self._breaker.reached()
            if is_first:
                try:
                    observer.started()
                except DependencyUnavailable as error:
                    raise NotRecorded(f"The program was not started, for {error}.") from error

        return Call(request.spec.limits.timeout_ms / 1000, before_sending)

    def run(self, request: ExecutionRequest, observer: ExecutionObserver, call: Call) -> EngineReport | None:
        """Have a program run, or say why it was not; None if the engine will report its end.

        Raises:
            CallStopped: The call was stopped.
            DeadlinePassed: The engine has the program, and the job's time is up.
        """
        delays = self._retries.delays()
        tries = 0
        while True:
            tries += 1
            try:
                return self._try(request, observer, call)
            except EngineTrouble as trouble:
                if not call.has_begun:
                    observer.not_started()
                delay = next(delays, None) if isinstance(trouble, NothingStarted) else None
                if delay is None or not call.pause(delay):
                    is_lost = isinstance(trouble, MayHaveStarted)
                    return outcome.failed(trouble.reason, _told(trouble, tries), is_lost=is_lost)

    def _try(self, request: ExecutionRequest, observer: ExecutionObserver, call: Call) -> EngineReport | None:
        with self._ask(request, call) as answer:
            if answer.status == _ACCEPTED:
                return None
            if not answer.is_success:
                trouble = MayHaveStarted if answer.status >= _SERVER_ERROR else EngineRefused
                raise trouble(_refusal(answer))
            if not answer.is_whole:
                return outcome.too_large(answer.size)
            with in_memory(answer.size):
                return self._read(answer, request, observer)

    def _read(self, answer: Answer, request: ExecutionRequest, observer: ExecutionObserver) -> EngineReport:
        believed = read_answer(answer.body.read(), _identity(request))
        _show(believed, observer)
        note = _NO_STDIN if request.stdin else None
        return outcome.report(believed, request.spec.limits, self._inline_bytes, self._spool, note)

    def _ask(self, request: ExecutionRequest, call: Call) -> Answer:
        if not self._breaker.admits():
            raise NothingStarted("The engine has been out of reach and is being given a rest.")
        params = _identity(request) | {"timeout_ms": str(request.spec.limits.timeout_ms)}
        try:
            answer = self._client.send("GET", self._path, params, call)
        except NothingStarted:
            self._breaker.failed()
            raise
        if answer.status in _NO_ROOM:
            self._breaker.failed()
            with answer:
                raise NothingStarted(_refusal(answer))
        self._breaker.answered()
        return answer


def _identity(request: ExecutionRequest) -> dict[str, str]:
    return {
        "code_key": request.spec.code_key.value,
        "job_id": str(request.job_id),
        "execution_id": str(request.execution_id),
    }


def _refusal(answer: Answer) -> str:
    said = what_it_says(answer)
    return f"The engine answered {answer.status}" + (f": {said}." if said else ".")


def _told(trouble: EngineTrouble, tries: int) -> str:
    return str(trouble) if tries == 1 else f"{trouble} It was asked {tries} times."


def _show(answer: RunnerAnswer, observer: ExecutionObserver) -> None:
    """Pass on all that a program wrote, to those who follow it."""
    for stream, data in ((Stream.STDOUT, answer.stdout), (Stream.STDERR, answer.stderr)):
        for offset in range(0, len(data), PIECE_BYTES):
            observer.output(OutputChunk(stream, offset, data[offset : offset + PIECE_BYTES]))
