"""The output of a job's program on the terminal, live or from the log."""

import base64
import codecs
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from application.retry_policy import RetryPolicy
from domain.catalogue.text import text
from entrypoints.cli.client import Json, ServerSentEvent, ServiceClient
from entrypoints.cli.errors import Failure
from entrypoints.cli.terminal import printable

# A cancelled job ends at once, but its program ends a little later, with its output in a log.
_RESULT_OF_CANCELLED = RetryPolicy((0.1, 0.2, 0.4, 0.8, 1.5, 3))


class ProgramOutput:
    """Writes the stdout of a program to stdout, and its stderr to stderr.

    Args:
        is_raw: Whether bytes are written unchanged, as if the program ran here. If not, characters that a
            terminal would act on are escaped on terminals.
        before_first: Called before the first byte is written.
    """

    def __init__(self, *, is_raw: bool, before_first: Callable[[], None] | None = None) -> None:
        self._before_first = before_first
        files = {"stdout": sys.stdout, "stderr": sys.stderr}
        self._streams = {name: _Stream(_writer(file, is_raw=is_raw)) for name, file in files.items()}

    def take(self, event: ServerSentEvent) -> None:
        """Write the output in an event of the job's output stream."""
        told = json.loads(event.data)
        if event.name == "execution":
            for stream in self._streams.values():
                stream.begin()
        elif event.name == "output" and told.get("exact", True):
            data = base64.b64decode(told["base64"]) if "base64" in told else told["text"].encode()
            self._write(told["stream"], told["offset"], data)

    def complete(self, client: ServiceClient, result: Json) -> None:
        """Write the output that was missing in the events, from the log."""
        if all(stream.position >= result[f"{name}_bytes"] for name, stream in self._streams.items()):
            return
        if result["log_key"] is None:
            raise Failure(text("cli.output_lost"))
        self.take_log(json.loads(client.get("/api/log", log_key=result["log_key"])))

    def take_log(self, log: Json) -> None:
        """Write the output in a log that was not written yet."""
        for name in self._streams:
            self._write(name, 0, _logged(log, name))

    def _write(self, name: str, offset: int, data: bytes) -> None:
        if self._before_first is not None and data:
            self._before_first()
            self._before_first = None
        self._streams[name].write(offset, data)


class _Stream:
    """One of the two streams, with the number of bytes that were written."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self.position = 0

    def begin(self) -> None:
        self.position = 0

    def write(self, offset: int, data: bytes) -> None:
        """Write new bytes. Bytes after a gap are written later, from the log."""
        new = data[self.position - offset :] if offset <= self.position else b""
        if new:
            self._write(new)
            self.position += len(new)


def _writer(file: TextIO, *, is_raw: bool) -> Callable[[bytes], object]:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def write_raw(data: bytes) -> None:
        file.buffer.write(data)
        file.buffer.flush()

    def write_printable(data: bytes) -> None:
        file.write(printable(decoder.decode(data)))
        file.flush()

    return write_raw if is_raw or not file.isatty() else write_printable


def _logged(log: Json, stream: str) -> bytes:
    exact = log.get(f"{stream}_base64")
    return base64.b64decode(exact) if exact is not None else str(log.get(stream) or "").encode()


def discard_output(closed: TextIO) -> None:
    """Discard further output to a closed stdout or stderr, including output at the interpreter's exit."""
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), closed.fileno())


def follow(client: ServiceClient, job_id: str, output: ProgramOutput) -> Json:
    """Write a job's output until the job has ended; return the job.

    Raises:
        Failure: The stream cannot be resumed, the rest of the output cannot be read, or the service refuses.
    """
    for event in client.events(f"/api/jobs/{job_id}/output", text("cli.lost_output", id=job_id)):
        output.take(event)
    job = client.get(f"/api/jobs/{job_id}")
    for delay_s in _RESULT_OF_CANCELLED.delays():
        if "result" in job["data"] or job["run_started_at"] is None:
            break
        time.sleep(delay_s)
        job = client.get(f"/api/jobs/{job_id}")
    if "result" in job["data"]:
        output.complete(client, job["data"]["result"])
    return job
