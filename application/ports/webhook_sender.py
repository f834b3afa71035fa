"""The port to the receivers of webhooks."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from domain.webhook_url import WebhookUrl


@dataclass(frozen=True, slots=True)
class ReceiverAnswer:
    """A receiver's response: its status, and the beginning of its body as text."""

    status: int
    text: str


class PostFailed(Exception):
    """An event was not posted or not answered; the message is a sentence for the webhook's owner."""


class WebhookSender(ABC):
    """Posts events to callers' URLs, which may be hostile."""

    @abstractmethod
    def post(self, url: WebhookUrl, headers: Mapping[str, str], body: bytes) -> ReceiverAnswer:
        """Post a body once, within seconds, and return the response.

        Raises:
            PostFailed: The URL leads to a refused address, or no response came in time.
        """
