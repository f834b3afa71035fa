"""A fake of the existing runner services and of their failures, on a free port of 127.0.0.1.

As a program, it is a runner fleet for trying the service out:
`python -m tests.support.runner --port 9000 --code PLACE --logs PLACE`,
where a place is a directory or the URL of a bucket; boto3 finds the bucket's credentials.
"""

import argparse
import asyncio
import json
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit
from uuid import uuid4

from tests.support.loop_thread import LoopThread
from tests.support.object_places import objects_at

COMMANDS = {
    "python": (sys.executable, "-I", "{file}"),
    "node": ("node", "{file}"),
    "java": ("java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "{file}"),  # half of the time
}
MIB = b"x" * (1 << 20)

FetchCode = Callable[[str], bytes]
WriteLog = Callable[[str, bytes], None]


@dataclass(frozen=True)
class Ran:
    """The result of a program."""

    stdout: str = ""
    stderr: str = ""
    exit_code: int = 0
    milliseconds: int = 1


@dataclass
class Exchange:
    """One request, and the connection for its response."""

    runner: "FakeRunner"
    writer: asyncio.StreamWriter
    method: str
    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]

    @property
    def language(self) -> str:
        """The language in the path."""
        return self.path.split("/")[-2] or self.runner.only

    async def reply(
        self, status: int, body: bytes | str, content_type: str = "application/json", **headers: str
    ) -> None:
        """Send a complete response."""
        data = body.encode() if isinstance(body, str) else body
        await self.send(head(status, content_type, len(data), **headers) + data)

    async def send(self, data: bytes) -> None:
        """Send bytes unchanged."""
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> None:
        """End the connection with RST."""
        linger = struct.pack("ii", 1, 0)
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.writer.transport.abort()


Behaviour = Callable[[Exchange], Awaitable[None]]


def head(status: int, content_type: str, length: int, **headers: str) -> bytes:
    """Build the head of a response."""
    lines = [f"HTTP/1.1 {status} Some Reason", f"Content-Type: {content_type}", f"Content-Length: {length}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


# The runners' responses when a program has ended.


def python_form(ran: Ran) -> dict[str, Any]:
    return {
        "stdout": ran.stdout,
        "stderr": ran.stderr,
        "execution_time_ms": ran.milliseconds,
        "cpu_percent": 0.0,
        "memory_mb": 31.4,
    }


def node_form(ran: Ran) -> dict[str, Any]:
    return python_form(ran) | {"cpu_percent": "12.50", "memory_mb": "48.20"}


def java_form(ran: Ran) -> dict[str, Any]:
    return {
        "stdout": ran.stdout + ran.stderr,
        "stderr": "Runtime error" if ran.exit_code else "",
        "execution_time_ms": ran.milliseconds,
    }


def modern_form(ran: Ran) -> dict[str, Any]:
    return python_form(ran) | {"exit_code": ran.exit_code}


FORMS: Mapping[str, Callable[[Ran], dict[str, Any]]] = {
    "python": python_form,
    "node": node_form,
    "java": java_form,
}


def runs(
    form: Callable[[Ran], dict[str, Any]] | None = None,
    dump: Callable[[Any], str] = json.dumps,
    **fields: Any,
) -> Behaviour:
    """Run the program and respond, by default in the form of its language's runner. `fields` override it."""

    async def behave(exchange: Exchange) -> None:
        try:
            ran = await exchange.runner.run_program(exchange)
        except LookupError:
            await exchange.reply(500, json.dumps({"error": "The code could not be fetched"}))
            return
        answer = (form or FORMS[exchange.language])(ran) | {"code_key": exchange.params["code_key"]}
        answer |= exchange.runner.write_log(answer) | fields
        await exchange.reply(200, dump(answer))

    return behave


def literal() -> Behaviour:
    """Respond with a Python literal, as the oldest runners do."""
    return runs(python_form, repr)


def python_runner(limit_s: float) -> Behaviour:
    """Run Python programs as the existing runner does, whose errors are its responses."""

    async def behave(exchange: Exchange) -> None:
        runner = exchange.runner
        with tempfile.TemporaryDirectory(prefix="runner-") as directory:
            command = ["python3", str(runner.fetch(exchange.params["code_key"], directory))]
            try:
                ran = await asyncio.to_thread(
                    subprocess.run,
                    command,
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    text=True,
                    encoding="utf-8",
                    timeout=limit_s,
                    check=False,
                )
            except (subprocess.SubprocessError, UnicodeError) as error:
                await exchange.reply(500, str(error), "text/plain")
                return
        await exchange.reply(200, json.dumps(python_form(Ran(ran.stdout, ran.stderr))))

    return behave


def cuts_output(at_bytes: int = 1 << 20) -> Behaviour:
    """Run the program and respond as the Node runner does, with its output cut at a size."""

    async def behave(exchange: Exchange) -> None:
        ran = await exchange.runner.run_program(exchange)
        cut = ran.stdout.encode()[:at_bytes].decode(errors="replace")
        await exchange.reply(200, json.dumps(node_form(replace(ran, stdout=cut))))

    return behave


# Other responses, and failures.


def replies(status: int, body: bytes | str, content_type: str = "text/plain", **headers: str) -> Behaviour:
    """Send this response without running anything."""

    async def behave(exchange: Exchange) -> None:
        await exchange.reply(status, body, content_type, **headers)

    return behave


def in_turn(*behaviours: Behaviour) -> Behaviour:
    """Behave differently for each request; repeat the last behavior."""
    left = list(behaviours)

    async def behave(exchange: Exchange) -> None:
        await (left.pop(0) if len(left) > 1 else left[0])(exchange)

    return behave


async def hang(_: Exchange) -> None:
    """Never respond."""
    await asyncio.Event().wait()


def drip(data: bytes, every_s: float) -> Behaviour:
    """Respond one byte at a time: with the body, or with the headers too if the data contains them."""

    async def behave(exchange: Exchange) -> None:
        if not data.startswith(b"HTTP/"):
            await exchange.send(head(200, "application/json", len(data)))
        for byte in data:
            await exchange.send(bytes([byte]))
            await asyncio.sleep(every_s)

    return behave


def pours(mebibytes: int) -> Behaviour:
    """Respond with a JSON text of this size."""

    async def behave(exchange: Exchange) -> None:
        await exchange.send(head(200, "application/json", mebibytes << 20))
        await exchange.send(b'{"stdout": "')
        for _ in range(mebibytes):
            await exchange.send(MIB)
            exchange.runner.poured_mib += 1

    return behave


async def reset_in_the_middle(exchange: Exchange) -> None:
    """Reset the connection after half of the response."""
    await exchange.send(head(200, "application/json", 1_000) + b'{"stdout": "half of')
    exchange.reset()


async def reset_at_once(exchange: Exchange) -> None:
    """Reset the connection after the request."""
    exchange.reset()


@dataclass
class FakeRunner:
    """Runners behind one address, on a separate thread.

    Attributes:
        behaviour: Responds to requests to run a program; may be replaced at any time.
        fetch_code: Returns the source code for a key, or raises LookupError; None means that no program is
            run.
        keep_log: Stores log objects by key; None means that the runner writes none.
        only: The language of a runner with its own address, `/run`; empty if the path names the language.
        health: The status code of its `/health`.
        gateway: The status code with which a gateway responds to everything; 0 for no gateway.
        can_cancel: Whether it supports `POST /cancel/{job_id}`.
        tls: Its certificate; None means plain HTTP.
        requests: The latest requests, in order.
        connections: The number of connections made to it.
        programs: The processes of running programs, by the ids of their jobs.
    """

    behaviour: Behaviour = field(default_factory=runs)
    fetch_code: FetchCode | None = None
    keep_log: WriteLog | None = None
    only: str = ""
    health: int = 200
    gateway: int = 0
    can_cancel: bool = False
    tls: ssl.SSLContext | None = None
    port: int = 0
    requests: deque[Exchange] = field(default_factory=lambda: deque(maxlen=10_000))
    connections: int = 0
    poured_mib: int = 0
    programs: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)
    _serving: set[asyncio.Task[None] | None] = field(default_factory=set)

    def __enter__(self) -> Self:
        self._loop = LoopThread("fake-runner")
        self._loop.run(self.listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.run(self.close())
        self._loop.close()

    @property
    def url(self) -> str:
        """The base address."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def asked(self, path_part: str) -> list[Exchange]:
        """Return the requests whose path contains a part."""
        return [request for request in self.requests if path_part in request.path]

    @contextmanager
    def away(self) -> Iterator[None]:
        """Refuse connections during the context, as if the runner's process had been killed."""
        self._loop.run(self._disappear())
        try:
            yield
        finally:
            self._loop.run(self.listen())

    async def listen(self) -> None:
        """Accept connections from now on."""
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self.port, backlog=256, ssl=self.tls
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Accept no more connections."""
        self._server.close()

    async def _disappear(self) -> None:
        """Close the port and every connection."""
        self._server.close()
        for serving in filter(None, self._serving):
            serving.cancel()

    async def run_program(self, exchange: Exchange) -> Ran:
        """Run the program of a request."""
        if self.fetch_code is None:
            return Ran(stdout=f"ran {exchange.params['code_key']}\n")
        with tempfile.TemporaryDirectory(prefix="runner-") as directory:
            return await self._run_file(self.fetch(exchange.params["code_key"], directory), exchange)

    def fetch(self, code_key: str, directory: str) -> Path:
        """Write the source code for a key into a directory; return the file."""
        file = Path(directory, Path(code_key).name)
        file.write_bytes(self.fetch_code(code_key))
        return file

    async def _run_file(self, file: Path, exchange: Exchange) -> Ran:
        began = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            *(part.format(file=file) for part in COMMANDS[exchange.language]),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        job_id = exchange.params.get("job_id", "")
        self.programs[job_id] = process
        try:
            stdout, stderr = await process.communicate()
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            self.programs.pop(job_id, None)
        milliseconds = round((time.monotonic() - began) * 1000)
        return Ran(
            stdout.decode(errors="replace"),
            stderr.decode(errors="replace"),
            process.returncode or 0,
            milliseconds,
        )

    def write_log(self, answer: Mapping[str, Any]) -> dict[str, str]:
        """Write the log object for a response; return the field that names it."""
        if self.keep_log is None:
            return {}
        key = f"logs/{uuid4()}.json"
        self.keep_log(key, json.dumps(answer).encode())
        return {"log_key": key}

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        # Keeps a reference: nothing else refers to a task that waits forever for a client that has left.
        self._serving.add(asyncio.current_task())
        try:
            while True:
                await self._answer(await reader.readuntil(b"\r\n\r\n"), writer)
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass  # the client has left, or the test has ended
        finally:
            writer.close()
            self._serving.discard(asyncio.current_task())

    async def _answer(self, request: bytes, writer: asyncio.StreamWriter) -> None:
        first, *lines = request.decode("latin-1").splitlines()
        method, target, _ = first.split(" ")
        parts = urlsplit(target)
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        exchange = Exchange(self, writer, method, parts.path, dict(parse_qsl(parts.query)), headers)
        self.requests.append(exchange)
        if self.gateway:
            await exchange.reply(self.gateway, "<html>", "text/html")
        elif exchange.path == "/health":
            await exchange.reply(self.health, json.dumps({"status": self.health}))
        elif "/cancel/" in exchange.path and self.can_cancel:
            await self._cancel(exchange)
        elif not exchange.path.endswith("/run"):
            await exchange.reply(404, "Not Found", "text/plain")
        elif "code_key" not in exchange.params:
            await exchange.reply(400, "missing code_key", "text/plain")
        else:
            await self.behaviour(exchange)

    async def _cancel(self, exchange: Exchange) -> None:
        process = self.programs.get(exchange.path.rpartition("/")[2])
        if process is not None:
            process.kill()
        await exchange.reply(200, "{}")


async def _main(arguments: argparse.Namespace) -> None:
    runner = FakeRunner(
        fetch_code=objects_at(arguments.code).read,
        keep_log=objects_at(arguments.logs).write if arguments.logs else None,
        can_cancel=True,
        port=arguments.port,
    )
    await runner.listen()
    print(f"runners for {', '.join(COMMANDS)} on {runner.url}", flush=True)  # noqa: T201 - for the user
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Runs programs as the HTTP runners do.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--code", required=True, help="where the code objects are")
    parser.add_argument("--logs", help="where the log objects go")
    with suppress(KeyboardInterrupt):
        asyncio.run(_main(parser.parse_args()))
