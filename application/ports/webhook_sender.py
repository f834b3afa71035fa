"""The port to the receivers of webhooks."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from domain.webhook_url import WebhookUrl


@dataclass(frozen=True, slots=True)
class ReceiverAnswer:
    """The answer of a receiver: its status, and the beginning of its body as text."""

    status: int
    text: str


class PostFailed(Exception):
    """An event was not posted, or not answered; the message is a sentence for the webhook's owner."""


class WebhookSender(ABC):
    """Posts events to URLs of callers, which may be hostile."""

    @abstractmethod
    def post(self, url: WebhookUrl, headers: Mapping[str, str], body: bytes) -> ReceiverAnswer:
        """Post a body once, within seconds, and return the answer.

        Raises:
            PostFailed: The URL leads to an address that is refused, or no answer came in time.
        """
