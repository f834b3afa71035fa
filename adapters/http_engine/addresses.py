"""Addresses of runners: a base address with a path per language, or a full address per language."""

from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

EXAMPLE = "http://host:8080/run"


def without_credentials(url: str) -> str:
    """Return an address without user name, password and query, as it may be shown and traced."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


@dataclass(frozen=True, slots=True)
class RunnerAddress:
    """The three addresses of one runner: to run a program, to check its health, and to cancel a job.

    Attributes:
        base_url: The address shared with runners of other languages; None if the runner has its own address.

    Raises:
        ValueError: `run_url` is invalid. The message does not repeat it, since it may contain a password.
    """

    run_url: str
    health_url: str
    cancel_url: str
    base_url: str | None = None

    def __post_init__(self) -> None:
        parts = urlsplit(self.run_url)
        is_plain = (
            parts.scheme in {"http", "https"} and parts.hostname and not (parts.query or parts.fragment)
        )
        if not is_plain or not parts.path.strip("/"):
            raise ValueError(f"a runner's address must be like {EXAMPLE}")
        _ = parts.port  # raises ValueError if it is not a number
        (parts.hostname or "").encode("idna")

    @classmethod
    def below(cls, base_url: str, language: str) -> Self:
        """Build the addresses of a language's runner behind a base address."""
        base = base_url.rstrip("/")
        return cls(f"{base}/{language}/run", f"{base}/health", f"{base}/cancel", base)

    @classmethod
    def of(cls, run_url: str) -> Self:
        """Build the addresses of a runner from its `/run` address; the others have the same parent path."""
        url = run_url.rstrip("/")
        parent = url.rpartition("/")[0]
        return cls(url, f"{parent}/health", f"{parent}/cancel")

    @property
    def shown(self) -> str:
        """The address that the operator has configured, without user name and password."""
        return without_credentials(self.base_url or self.run_url)

    @property
    def is_tls(self) -> bool:
        """Whether the runner is reached over TLS."""
        return self.run_url.startswith("https:")
