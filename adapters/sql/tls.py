"""Encrypted connections to MySQL."""

import ssl
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pymysql


class SharingConnection(pymysql.Connection):
    """A connection that shares its context for TLS with others that trust the same authorities.

    PyMySQL reads the certificates of all authorities for each connection, which takes 25 ms of processor
    time, most of what a connection costs.
    """

    _contexts: ClassVar[dict[Hashable, ssl.SSLContext]] = {}

    def _create_ssl_ctx(self, sslp: Mapping[str, Any]) -> ssl.SSLContext:
        file = sslp.get("ca")
        # A file that is replaced is read again.
        written_at = None if file is None else Path(file).stat().st_mtime_ns
        key = (*sorted(sslp.items()), written_at)
        if (context := self._contexts.get(key)) is None:
            context = super()._create_ssl_ctx(sslp)  # type: ignore[misc]  # the stubs have nothing private
            self._contexts[key] = context
        return context
