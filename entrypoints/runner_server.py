"""An HTTP runner (docs/runner.md), which runs the programs of other services on this machine's engine."""

import json
import logging
import time
from collections.abc import Mapping
from http import HTTPStatus
from threading import BoundedSemaphore, Thread
from typing import IO, Any
from urllib.parse import parse_qsl, urlsplit
from uuid import uuid4

from application.ports.execution_engine import (
    EngineReport,
    ExecutionEngine,
    ExecutionObserver,
    ExecutionRequest,
)
from application.ports.output_feed import OutputChunk
from domain.errors import InvalidValue
from domain.execution import Output
from domain.job_lifecycle import Reason
from domain.language import LANGUAGES, Language
from domain.limits import LimitPolicy
from domain.submission import JobSpec
from domain.values import ExecutionId, JobId, ObjectKey, parse_execution_id, parse_job_id
from entrypoints.metrics_server import HEALTH_PATH
from entrypoints.plain_http_server import PlainHttpHandler, PlainHttpServer

logger = logging.getLogger("service_server.runner")

# The limit of each stream, so that a service can read the answer: JSON writes up to six bytes for one.
_STREAM_BYTES = 2 << 20
_READ_TIMEOUT_S = 30.0
# Connections in addition to those of running programs: refusals, health checks and cancellations.
OTHERS_AT_ONCE = 32
_RETRY_AFTER_S = "1"
# More digits than any time has. Python refuses to parse numbers of several thousand digits.
_MOST_DIGITS = 15
_TIMES = {Reason.WALL_TIME_LIMIT, Reason.CPU_TIME_LIMIT}
_BUILDS = {Reason.COMPILE_ERROR, Reason.BUILD_LIMIT}


class RunnerServer:
    """Serves `/run`, `/health` and `/cancel`, also below the name of a language.

    Args:
        engine: The engine that runs the programs; it must have been started.
        limits: The limits of programs. A request may choose the timeout.
        programs: The number of programs at once; further requests are answered with 503.
    """

    def __init__(self, engine: ExecutionEngine, limits: LimitPolicy, programs: int) -> None:
        self._engine, self._limits, self._programs = engine, limits, programs

    def listen(self, host: str, port: int) -> None:
        """Bind the port.

        Raises:
            OSError: The port is in use, or the address does not belong to this machine.
        """
        self._server = _Server((host, port), self._engine, self._limits, self._programs)
        self._thread = Thread(target=self._server.serve_forever, name="runner-server", daemon=True)

    @property
    def port(self) -> int:
        """The port that the server listens on."""
        return self._server.port

    def start(self) -> None:
        """Start to serve requests."""
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Accept no more requests, and wait for the running programs."""
        self._server.shutdown()
        deadline = time.monotonic() + timeout_s
        for _ in range(self._programs):
            self._server.room.acquire(timeout=max(deadline - time.monotonic(), 0))
        self._server.server_close()


class _Observer(ExecutionObserver):
    """Observer of a program of which only the end is reported."""

    def started(self) -> None:
        """Do nothing: the service counts the request as the start."""

    def output(self, chunk: OutputChunk) -> None:
        """Do nothing: the answer has the output."""


class _Server(PlainHttpServer):
    def __init__(
        self, address: tuple[str, int], engine: ExecutionEngine, limits: LimitPolicy, programs: int
    ) -> None:
        self.engine, self.limits = engine, limits
        self.room = BoundedSemaphore(programs)
        super().__init__(address, _Handler, programs + OTHERS_AT_ONCE, _READ_TIMEOUT_S, logger)


class _Handler(PlainHttpHandler):
    server: _Server

    def do_GET(self) -> None:  # noqa: N802 - the library's
        """Run a program, or report the health."""
        url = urlsplit(self.path)
        *above, name = url.path.strip("/").split("/")
        if name == "health" or url.path == HEALTH_PATH:
            self._answer(HTTPStatus.OK, {"status": "healthy"})
        elif name == "run" and len(above) <= 1:
            self._run(dict(parse_qsl(url.query)), above)
        else:
            self._answer(HTTPStatus.NOT_FOUND, {"error": "the paths are /run, /health and /cancel/{job_id}"})

    def do_POST(self) -> None:  # noqa: N802 - the library's
        """Cancel a program."""
        url = urlsplit(self.path)
        *_above, name, job_id = ["", *url.path.strip("/").split("/")]
        asked = dict(parse_qsl(url.query))
        if name != "cancel" or "execution_id" not in asked:
            error = "cancel with POST /cancel/{job_id}?execution_id={execution_id}"
            self._answer(HTTPStatus.NOT_FOUND, {"error": error})
            return
        try:
            execution = parse_execution_id(asked["execution_id"])
            self.server.engine.cancel(execution, parse_job_id(job_id))
        except InvalidValue as error:
            self._answer(HTTPStatus.BAD_REQUEST, {"error": str(error)})
        else:
            self._answer(HTTPStatus.OK, {})

    def _run(self, asked: Mapping[str, str], above: list[str]) -> None:
        try:
            request = _request(asked, above, self.server.limits)
        except InvalidValue as error:
            self._answer(HTTPStatus.BAD_REQUEST, {"error": str(error)})
            return
        if not self.server.room.acquire(blocking=False):
            self._answer_unavailable("all slots are in use")
            return
        try:
            report = self.server.engine.execute(request, _Observer())
        except Exception:
            logger.exception("execution %s failed", request.execution_id)
            self._answer(HTTPStatus.INTERNAL_SERVER_ERROR, {"error": "the runner failed"})
            return
        else:
            if report is None:  # only from an engine that reports its result later
                self._answer(HTTPStatus.INTERNAL_SERVER_ERROR, {"error": "the runner has no result"})
                return
            with report:
                self._answer_report(request, report)
        finally:
            self.server.room.release()

    def _answer_report(self, request: ExecutionRequest, report: EngineReport) -> None:
        result, usage = report.result, report.result.resource
        if report.is_startable:
            self._answer_unavailable(result.error_message or "the program cannot be started")
            return
        ids = {
            "code_key": request.spec.code_key.value,
            "job_id": str(request.job_id),
            "execution_id": str(request.execution_id),
        }
        error = _error(report, request.spec.limits.timeout_ms)
        if error is not None:
            self._answer(HTTPStatus.INTERNAL_SERVER_ERROR, {"error": error, **ids})
            return
        figures = {
            "execution_time_ms": usage and usage.execution_time_ms,
            "cpu_percent": usage and usage.cpu_percent,
            "memory_mb": usage and usage.memory_mb,
        }
        self._answer(
            HTTPStatus.OK,
            {
                "stdout": _text(report.stdout, result.stdout),
                "stderr": _text(report.stderr, result.stderr),
                "exit_code": result.exit_code,
                **{name: figure for name, figure in figures.items() if figure is not None},
                **ids,
            },
        )

    def _answer_unavailable(self, error: str) -> None:
        self._answer(HTTPStatus.SERVICE_UNAVAILABLE, {"error": error}, {"Retry-After": _RETRY_AFTER_S})

    def _answer(
        self, status: HTTPStatus, fields: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> None:
        content = json.dumps(fields).encode()
        self.answer(status, content, {"Content-Type": "application/json", **(headers or {})})


def _request(asked: Mapping[str, str], above: list[str], limits: LimitPolicy) -> ExecutionRequest:
    """Parse a request to run a program.

    Raises:
        InvalidValue: A parameter is missing or invalid.
    """
    if "code_key" not in asked:
        raise InvalidValue("code_key", "is missing")
    key = ObjectKey(asked["code_key"])
    timeout = asked.get("timeout_ms")
    if timeout is not None and not (timeout.isdecimal() and len(timeout) <= _MOST_DIGITS):
        raise InvalidValue("timeout_ms", "must be a number of milliseconds")
    return ExecutionRequest(
        execution_id=_id(asked, "execution_id"),
        job_id=JobId(parse_job_id(asked["job_id"])) if "job_id" in asked else JobId(uuid4()),
        spec=JobSpec(
            code_key=key,
            language=_language(key, above),
            limits=limits.resolve({} if timeout is None else {"timeout_ms": int(timeout)}),
        ),
        stdin="",
    )


def _id(asked: Mapping[str, str], name: str) -> ExecutionId:
    return parse_execution_id(asked[name]) if name in asked else ExecutionId(uuid4())


def _language(key: ObjectKey, above: list[str]) -> Language:
    """Return the language in the path, or else the language with the extension of the key.

    Raises:
        InvalidValue: There is no such language.
    """
    for language in LANGUAGES.values():
        if language.name in above or (not above and key.value.endswith(language.extension)):
            return language
    raise InvalidValue("code_key", "does not belong to a known language")


def _error(report: EngineReport, timeout_ms: int) -> str | None:
    """Return the failure in words that services recognize; None if the program ended on its own."""
    result = report.result
    message = result.error_message or ""
    if report.is_lost:
        return message or "the runner failed"
    if result.reason in _TIMES:
        return f"Command 'program' timed out after {timeout_ms / 1_000:g} seconds"
    if result.reason in _BUILDS:
        output = "" if result.compile_output is None else f"\n{result.compile_output.text}"
        return f"Compilation failed: {message}{output}"
    if result.reason is Reason.OUTPUT_LIMIT:
        return "stdout maxBuffer length exceeded"
    if result.exit_code is None:
        return f"Command 'program' died with <Signals.SIGKILL: {result.signal or 9}>. {message}"
    return None


def _text(stream: IO[bytes] | None, inline: Output) -> str:
    if stream is None:
        return inline.text
    return stream.read(_STREAM_BYTES).decode(errors="replace")
