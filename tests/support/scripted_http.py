"""An HTTP server with scripted responses, for faults that a real server does not show on demand."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Answer:
    """One response. Its declared length may be wrong, and it may never be sent."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    claimed_bytes: int | None = None
    is_withheld: bool = False


class ScriptedServer(ThreadingHTTPServer):
    """Sends its responses in turn, then repeats the last one."""

    daemon_threads = True

    def __init__(self, answers: Sequence[Answer]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = list(answers)
        self.requests: list[tuple[str, str]] = []
        self.headers: list[Mapping[str, str]] = []
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self.address = f"http://127.0.0.1:{self.server_port}"

    def next_answer(self, method: str, path: str, headers: Mapping[str, str]) -> Answer:
        with self.lock:
            self.requests.append((method, path))
            self.headers.append(headers)
            return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@contextmanager
def scripted_server(*answers: Answer) -> Iterator[ScriptedServer]:
    """Serve on a thread until the context ends."""
    with ScriptedServer(answers) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.closing.set()
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _answer(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        answer = self.server.next_answer(self.command, self.path, self.headers)
        self.close_connection = answer.claimed_bytes is not None
        if answer.is_withheld:
            self.server.closing.wait()
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(answer.claimed_bytes or len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def __getattr__(self, name):
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def log_message(self, format, *args):  # noqa: A002  (the name is the base class's)
        """Send nothing."""
