"""The HTTP server: uvicorn, with limits and a stop that ends streams."""

import resource
import socket
from collections.abc import Sequence
from functools import partial
from typing import Any

import uvicorn
from litestar import Litestar

from entrypoints.http.protocol import CallersTurn, GuardedProtocol

# How long answers that are being sent may take to be sent when the server stops; streams end before.
_GRACE_S = 5
# Longer than load balancers keep a connection that carries nothing (Amazon's: 60 s, nginx: 60 s), or they
# would send a request on one that is just being closed here.
_KEEP_ALIVE_S = 75
# Of the files that a process may have open, those that are left for all but connections.
_OTHER_FILES = 256


class HttpServer(uvicorn.Server):
    """Serves the API. At its stop, streams and waits end at once rather than when their clients leave."""

    def __init__(
        self,
        app: Litestar,
        trusted_proxies: Sequence[str] = (),
        **options: Any,  # noqa: ANN401 - uvicorn's own options
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                access_log=False,
                forwarded_allow_ips=list(trusted_proxies),
                http=partial(GuardedProtocol, CallersTurn()),  # type: ignore[arg-type]  # it is called, no more
                limit_concurrency=_max_connections(),
                log_config=None,
                server_header=False,
                timeout_graceful_shutdown=_GRACE_S,
                timeout_keep_alive=_KEEP_ALIVE_S,
                ws="none",
                **options,
            )
        )
        self._notifier = app.state.notifier

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End streams and waits, and stop."""
        self._notifier.close()
        await super().shutdown(sockets)


def max_streams(wanted: int) -> int:
    """Return the number of streams, reduced so that connections are left for other requests."""
    return min(wanted, _max_connections() * 3 // 4)


def _max_connections() -> int:
    """Return the number of connections that leaves files to open for their requests."""
    files, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(files - _OTHER_FILES, files // 2)
