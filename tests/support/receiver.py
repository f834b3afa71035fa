"""A receiver of webhooks on this host, which verifies events with the library of the specification."""

import json
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks.webhooks import Webhook

# Instead of a status code: close the connection without a response.
HANG_UP = 0


@dataclass(frozen=True)
class Event:
    """A received request, with its headers and its body."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """The id of the event, which is the same for each attempt."""
        return self.headers["webhook-id"]

    @property
    def content(self) -> dict[str, Any]:
        """The decoded body."""
        return json.loads(self.body)

    @property
    def type(self) -> str:
        """The type of the event."""
        return self.content["type"]

    @property
    def data(self) -> dict[str, Any]:
        """The subject of the event."""
        return self.content["data"]

    def verify(self, secret: str) -> None:
        """Verify the signature.

        Raises:
            WebhookVerificationError: No signature is valid.
        """
        Webhook(secret).verify(self.body, self.headers)


class Receiver(ThreadingHTTPServer):
    """Stores each request, and responds with a status code that a function chooses.

    Attributes:
        events: The requests in order, including refused ones.
        answered: The status codes of the responses, by the events' ids.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, answer: Callable[[Event], int]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.events: list[Event] = []
        self.answered: defaultdict[str, list[int]] = defaultdict(list)
        self.lock = threading.Lock()
        self.url = f"http://127.0.0.1:{self.server_port}/hook"

    def of_job(self, job_id: str) -> list[Event]:
        """Return the posts about a job, in their order."""
        with self.lock:
            return [event for event in self.events if event.data.get("job_id") == job_id]

    def handle_error(self, request, client_address) -> None:
        """Ignore a sender that was killed."""


@contextmanager
def receiver(answer: Callable[[Event], int] = lambda _event: 204) -> Iterator[Receiver]:
    """Receive on a thread until the context ends."""
    with Receiver(answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Receiver

    def do_POST(self):
        length = int(self.headers["Content-Length"])
        body = self.rfile.read(length)
        if len(body) < length:  # the sender was killed between the head and the body
            self.close_connection = True
            return
        event = Event(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
        with self.server.lock:
            self.server.events.append(event)
        status = self.server.answer(event)
        if status == HANG_UP:
            self.close_connection = True
            return
        with self.server.lock:
            self.server.answered[event.id].append(status)
        content = b"" if status == 204 else b"the answer <script>"
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format, *args):  # noqa: A002  (the name is the base class's)
        """Write nothing."""
