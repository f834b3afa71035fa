"""A real identity provider in a separate process: `oidc-provider-mock`, which runs Authlib's server."""

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from tests.support.no_tls import NO_TLS
from tests.support.ports import free_port
from tests.support.processes import ENDS_WITH_ITS_PARENT

_START_S = 90


@dataclass(frozen=True)
class OidcProvider:
    """The provider. Tests register its users."""

    address: str

    def register(self, subject: str, claims: Mapping[str, Any]) -> None:
        """Register a user with its claims."""
        httpx.put(f"{self.address}/users/{subject}", json=dict(claims), verify=NO_TLS).raise_for_status()


@contextmanager
def oidc_provider() -> Iterator[OidcProvider]:
    """Run a provider until the block ends."""
    port = free_port()
    # Ignores a warning in the library about its own dependency.
    command = [
        *ENDS_WITH_ITS_PARENT,
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "oidc_provider_mock",
        "--port",
        str(port),
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://localhost:{port}"
    try:
        _wait_for(address, process)
        yield OidcProvider(address)
    finally:
        process.terminate()
        process.wait(90)


def _wait_for(address: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + _START_S
    while True:
        try:
            httpx.get(f"{address}/.well-known/openid-configuration", verify=NO_TLS).raise_for_status()
        except httpx.HTTPError:
            assert process.poll() is None, "the provider has ended"
            assert time.monotonic() < deadline, "the provider does not answer"
            time.sleep(0.05)
        else:
            return
