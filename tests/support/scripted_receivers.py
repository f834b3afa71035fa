"""In-memory receivers of webhooks, with scripted responses."""

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

from application.ports.webhook_sender import PostFailed, ReceiverAnswer, WebhookSender


@dataclass(frozen=True)
class Received:
    """A received request."""

    url: str
    headers: dict[str, str]
    body: bytes


@dataclass
class ScriptedReceivers(WebhookSender):
    """Responds to each request as a function chooses: with a status code, or an error's text."""

    answer: Callable[[Received], int | str] = lambda _post: 200
    posts: list[Received] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    def post(self, url, headers, body):
        """Store a request, and respond to it."""
        received = Received(url.value, dict(headers), body)
        with self.lock:
            self.posts.append(received)
        answer = self.answer(received)
        if isinstance(answer, str):
            raise PostFailed(answer)
        return ReceiverAnswer(answer, "the answer")
