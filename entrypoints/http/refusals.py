"""Logs each refused host and origin once, with the setting that allows it."""

import logging

from entrypoints.settings import PREFIX

logger = logging.getLogger("service_server.http.refused")

# Callers choose the names, so the number and the length of those that are kept are bounded.
MAX_NAMES = 100
_MAX_CHARS = 255


class RefusalLog:
    """Logs each refused name once."""

    def __init__(self) -> None:
        self._hosts: set[str] = set()
        self._origins: set[str] = set()

    def host(self, name: str) -> None:
        """Log that requests for a host are refused."""
        self._log(self._hosts, name, "requests for the host", "ALLOWED_HOSTS")

    def origin(self, name: str) -> None:
        """Log that pages of an origin are not let in."""
        self._log(self._origins, name, "pages of the origin", "CORS_ORIGINS")

    @staticmethod
    def _log(known: set[str], name: str, kind: str, setting: str) -> None:
        name = name[:_MAX_CHARS]
        if name in known or len(known) >= MAX_NAMES:
            return
        known.add(name)
        logger.warning("%s %r are refused; %s lets them in. This is said once.", kind, name, PREFIX + setting)
        if len(known) == MAX_NAMES:
            logger.warning("no more than these %d are named", MAX_NAMES)
