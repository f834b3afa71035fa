"""Query: read a program's whole output from its log."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass

from application.errors import Conflict, NotFound
from application.output_cache import LogOutputs, OutputBytes, OutputCache
from application.ports.job_queries import JobQueries
from application.ports.object_store import ObjectStore
from application.ports.output_feed import Stream
from domain.arrivals import Arrivals
from domain.caller import Caller
from domain.catalogue.text import text
from domain.values import ExecutionId, JobId, ObjectKey


@dataclass(frozen=True, slots=True)
class ArchivedOutput:
    """The whole output of a program on one stream. It never changes, so the execution's id identifies it."""

    execution_id: ExecutionId
    content: OutputBytes
    arrivals: Arrivals | None


class ReadOutput:
    """Reads the output of a program on one stream, byte for byte, after it has ended."""

    def __init__(
        self, job_queries: JobQueries, log_store: ObjectStore, max_bytes: int, cache: OutputCache
    ) -> None:
        self._job_queries = job_queries
        self._log_store = log_store
        self._max_bytes = max_bytes
        self._cache = cache

    def __call__(self, caller: Caller, job_id: JobId, stream: Stream) -> ArchivedOutput:
        """Return the output of the job's latest execution.

        Raises:
            NotFound: There is no such job, it never ran, or its log is gone or has an unknown format.
            Conflict: The job has not ended.
            Unprocessable: The log is larger than `max_bytes`.
        """
        details = self._job_queries.details(caller, job_id)
        if details is None:
            raise NotFound("job", job_id)
        if not details.job.status.is_terminal:
            raise Conflict(text("problems.output_not_ended"))
        execution = details.latest
        if execution is None or execution.result is None:
            raise NotFound("output of job", job_id)
        log_key = execution.result.log_key
        if log_key is not None:
            outputs = self._cache.get(log_key, lambda: self._archived(job_id, log_key))
            if stream in outputs.streams:
                return ArchivedOutput(execution.id, outputs.streams[stream], outputs.arrivals)
        output = execution.result.stdout if stream is Stream.STDOUT else execution.result.stderr
        if output.truncated:
            raise NotFound("log of job", job_id)
        return ArchivedOutput(execution.id, OutputBytes(output.text.encode()), None)

    def _archived(self, job_id: JobId, log_key: ObjectKey) -> LogOutputs[bytes]:
        try:
            document = self._log_store.get(log_key, self._max_bytes)
        except NotFound:
            raise NotFound("log of job", job_id) from None
        return _streams_in(document)


def _streams_in(document: bytes) -> LogOutputs[bytes]:
    """Return the streams of a log; streams that a runner wrote in another format are missing."""
    try:
        log = json.loads(document)
    except (ValueError, RecursionError):
        return LogOutputs({})
    if not isinstance(log, dict):
        return LogOutputs({})
    found = {stream: _stream_in(log, stream) for stream in Stream}
    streams = {stream: content for stream, content in found.items() if content is not None}
    return LogOutputs(streams, Arrivals.from_json(log.get("arrivals")))


def _stream_in(log: Mapping[str, object], stream: Stream) -> bytes | None:
    exact, text = log.get(f"{stream}_base64"), log.get(stream)
    try:
        if exact is not None:
            return base64.b64decode(exact, validate=True) if isinstance(exact, str) else None
        return text.encode() if isinstance(text, str) else None
    except ValueError:
        return None
