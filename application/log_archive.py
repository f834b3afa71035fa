"""The log objects of executions: their format, and their writing."""

import base64
import codecs
import hashlib
import json
import logging
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any
from uuid import uuid5

from application.errors import DependencyUnavailable, NotFound, Unprocessable
from application.ports.execution_engine import EngineReport
from application.ports.job_queries import JobQueries
from application.ports.object_store import ObjectStore
from application.retry_policy import RetryPolicy
from domain.arrivals import Arrivals
from domain.catalogue.text import text
from domain.execution import ExecutionResult, Output
from domain.job import Job
from domain.job_lifecycle import JobStatus, Reason
from domain.values import ExecutionId, ObjectKey

logger = logging.getLogger("service_server.executions")

LOG_PREFIX = "logs/"
_PIECE_BYTES = 48 * 1024  # a multiple of three, so that pieces of base64 join without padding
_IN_MEMORY_BYTES = 256 * 1024
# The maximum size of an engine's own log that is inspected.
_LOOKED_INTO_BYTES = 4 << 20


class LogArchive:
    """Writes the log object of an execution: a JSON document with its figures and its whole output.

    `stdout` and `stderr` are text, in which U+FFFD replaces bytes that are not UTF-8; a stream with such
    bytes is also included exactly, as `stdout_base64` or `stderr_base64`. `arrivals` has the times at which
    output arrived. Output is processed in pieces, so that memory use does not depend on its size.

    A log's key is derived from its content, and no log replaces another: each of several reports about one
    execution has its own log, and the report that counts keeps the log that it names.

    An engine may have written the log itself, in any format. Its log is used if it exists and does not name
    another execution, its key is a log key outside other tenants' prefixes, and no other job has it. If that
    cannot be determined, a log is written here. In this way an engine cannot assign one job's log to another.

    Args:
        job_queries: Finds the jobs that own a log.
        log_store: The store of logs.
        retry: The retries of storing a log.
        spool_directory: The directory in which a log that is too large for memory is assembled; None for the
            system's default.
    """

    def __init__(
        self,
        job_queries: JobQueries,
        log_store: ObjectStore,
        retry: RetryPolicy,
        spool_directory: Path | None = None,
    ) -> None:
        self._job_queries = job_queries
        self._log_store = log_store
        self._retry = retry
        self._spool_directory = None if spool_directory is None else str(spool_directory)

    @contextmanager
    def compose(
        self, job: Job, execution_id: ExecutionId, report: EngineReport
    ) -> Iterator[tuple[ExecutionResult, IO[bytes] | None, int]]:
        """Yield an execution's result with the key of its log, the log to store under that key, and its size.

        The log is None if the engine has written it.

        Raises:
            OSError: The log cannot be assembled because the disk is full.
        """
        if report.result.log_key is not None:
            size = self._size_of_engines_log(job, execution_id, report.result.log_key)
            if size is not None:
                yield report.result, None, size
                return
        result = replace(report.result, log_key=None)
        digest = hashlib.sha256()
        with tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES, dir=self._spool_directory) as document:
            for piece in _document(_figures(job, execution_id, result, report.arrivals), report):
                digest.update(piece)
                document.write(piece)
            key = ObjectKey(
                f"{job.tenant.key_prefix}{LOG_PREFIX}{uuid5(execution_id, digest.hexdigest())}.json"
            )
            size = document.tell()
            document.seek(0)
            yield replace(result, log_key=key), document, size

    def store(self, key: ObjectKey, log: IO[bytes]) -> None:
        """Store a log, from its stream's current position to the end.

        Raises:
            StorageUnavailable: The log store is unavailable or full, or refuses the log.
        """
        start = log.tell()
        self._retry(lambda: self._put(key, log, start))

    def _size_of_engines_log(self, job: Job, execution_id: ExecutionId, key: ObjectKey) -> int | None:
        try:
            if not self._may_be_log(job, key):
                logger.warning(
                    "the service writes the log of execution %s: the engine named no valid log", execution_id
                )
                return None
            log = self._log_store.get(key, _LOOKED_INTO_BYTES)
        except (NotFound, Unprocessable, DependencyUnavailable) as error:
            logger.warning("the service writes the log of execution %s: %s", execution_id, error)
            return None
        if _is_another_s(log, _identity(job, execution_id)):
            logger.warning(
                "the service writes the log of execution %s: the engine named another execution's log",
                execution_id,
            )
            return None
        return len(log)

    def _may_be_log(self, job: Job, key: ObjectKey) -> bool:
        if not key.value.startswith((LOG_PREFIX, f"{job.tenant.key_prefix}{LOG_PREFIX}")):
            return False
        return all(owner.job_id == job.id for owner in self._job_queries.owners_of_log(key))

    def _put(self, key: ObjectKey, log: IO[bytes], start: int) -> None:
        log.seek(start)
        self._log_store.put(key, log, "application/json")  # an existing object has the same content


def without_log(result: ExecutionResult) -> ExecutionResult:
    """Return the result to use if its log cannot be stored: FAILED, unless the execution was cancelled."""
    if result.status is JobStatus.CANCELLED:
        return replace(result, log_key=None)
    return replace(
        result,
        status=JobStatus.FAILED,
        reason=Reason.STORAGE_ERROR,
        log_key=None,
        error=text("outcomes.log_not_stored"),
    )


def _identity(job: Job, execution_id: ExecutionId) -> Mapping[str, str]:
    return {
        "job_id": str(job.id),
        "execution_id": str(execution_id),
        "code_key": job.spec.code_key.value,
    }


def _is_another_s(log: bytes, identity: Mapping[str, str]) -> bool:
    try:
        fields = json.loads(log)
    except (ValueError, RecursionError):  # in a format of the engine's own
        return False
    if not isinstance(fields, dict):
        return False
    return any(fields.get(name) not in (None, value) for name, value in identity.items())


def _figures(
    job: Job, execution_id: ExecutionId, result: ExecutionResult, arrivals: Arrivals | None
) -> Mapping[str, Any]:
    resource = result.resource
    return {
        **_identity(job, execution_id),
        "status": result.status,
        "reason": result.reason,
        "exit_code": result.exit_code,
        "signal": result.signal,
        "execution_time_ms": resource and resource.execution_time_ms,
        "cpu_time_ms": resource and resource.cpu_time_ms,
        "cpu_percent": resource and resource.cpu_percent,
        "memory_mb": resource and resource.memory_mb,
        "error_message": result.error_message,
        "stdout_bytes": result.stdout.total_bytes,
        "stderr_bytes": result.stderr.total_bytes,
        "compile_output": result.compile_output and result.compile_output.text,
        "notes": result.notes,
        "arrivals": arrivals and arrivals.as_json(),
    }


def _document(figures: Mapping[str, Any], report: EngineReport) -> Iterator[bytes]:
    yield json.dumps(figures).encode()[:-1]
    yield from _stream("stdout", report.stdout, report.result.stdout)
    yield from _stream("stderr", report.stderr, report.result.stderr)
    yield b"}"


def _stream(name: str, whole: IO[bytes] | None, inline: Output) -> Iterator[bytes]:
    if whole is None:
        yield f', "{name}": {json.dumps(inline.text)}'.encode()
        return
    yield f', "{name}": "'.encode()
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    is_exact = True
    for piece in _pieces(whole):
        text = decoder.decode(piece)
        is_exact = is_exact and "\N{REPLACEMENT CHARACTER}" not in text
        yield _json_text(text)
    tail = decoder.decode(b"", final=True)
    yield _json_text(tail) + b'"'
    if not is_exact or tail:
        yield f', "{name}_base64": "'.encode()
        yield from map(base64.b64encode, _pieces(whole))
        yield b'"'


def _pieces(stream: IO[bytes]) -> Iterator[bytes]:
    stream.seek(0)
    while piece := stream.read(_PIECE_BYTES):
        yield piece


def _json_text(text: str) -> bytes:
    """Return the inside of a JSON string, in UTF-8: escapes would double the size of non-ASCII text."""
    return json.dumps(text, ensure_ascii=False).encode()[1:-1]
