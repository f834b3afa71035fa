import socket
from typing import Any

import uvicorn
from litestar import Litestar

from entrypoints.http.protocol import ProblemProtocol

# How long answers that are being sent may take to be sent when the server stops; streams end before.
_GRACE_S = 5
# Longer than load balancers keep a connection that carries nothing (Amazon's: 60 s, nginx: 60 s), or they
# would send a request on one that is just being closed here.
_KEEP_ALIVE_S = 75


class HttpServer(uvicorn.Server):
    """Serves the API. When it stops, streams and waits end at once rather than when their callers leave."""

    def __init__(self, app: Litestar, **options: Any) -> None:  # noqa: ANN401 - uvicorn's own options
        super().__init__(
            uvicorn.Config(
                app,
                access_log=False,
                http=ProblemProtocol,
                log_config=None,
                server_header=False,
                timeout_graceful_shutdown=_GRACE_S,
                timeout_keep_alive=_KEEP_ALIVE_S,
                ws="none",
                **options,
            )
        )
        self._signals = app.state.signals

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End what is open, and stop."""
        self._signals.close()
        await super().shutdown(sockets)
