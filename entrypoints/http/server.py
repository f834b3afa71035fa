"""The HTTP server: uvicorn, with limits, and a shutdown that ends streams."""

import resource
import socket
from collections.abc import Sequence
from functools import partial
from typing import Any

import uvicorn
from litestar import Litestar

from entrypoints.http.protocol import CallersTurn, GuardedProtocol

# How long responses may take to finish at shutdown; streams end before.
_GRACE_S = 5
# Longer than load balancers keep idle connections (Amazon's: 60 s, nginx: 60 s). Otherwise they would send
# requests on connections that are being closed here.
_KEEP_ALIVE_S = 75
# Open files reserved for uses other than connections.
_OTHER_FILES = 256


class HttpServer(uvicorn.Server):
    """Serves the API. At shutdown, streams and waits end at once instead of when their clients leave."""

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
                http=partial(GuardedProtocol, CallersTurn()),  # type: ignore[arg-type]  # it is only called
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
        """End streams and waits, then stop."""
        self._notifier.close()
        await super().shutdown(sockets)


def max_streams(wanted: int) -> int:
    """Return the number of streams, limited so that connections remain for other requests."""
    return min(wanted, _max_connections() * 3 // 4)


def _max_connections() -> int:
    """Return the number of connections that leaves enough open files for their requests."""
    files, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(files - _OTHER_FILES, files // 2)
