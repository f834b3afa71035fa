"""TLS connections to MySQL."""

import ssl
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pymysql


class SharingConnection(pymysql.Connection):
    """A connection that shares its TLS context with connections that have the same TLS settings.

    PyMySQL loads all CA certificates for each connection. This takes 25 ms of processor time, most of the
    cost of a connection.
    """

    _contexts: ClassVar[dict[Hashable, ssl.SSLContext]] = {}

    def _create_ssl_ctx(self, sslp: Mapping[str, Any]) -> ssl.SSLContext:
        file = sslp.get("ca")
        # The modification time makes a replaced file be loaded again.
        written_at = None if file is None else Path(file).stat().st_mtime_ns
        key = (*sorted(sslp.items()), written_at)
        if (context := self._contexts.get(key)) is None:
            context = super()._create_ssl_ctx(sslp)  # type: ignore[misc]  # the stubs have nothing private
            self._contexts[key] = context
        return context
