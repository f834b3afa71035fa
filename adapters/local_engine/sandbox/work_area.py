"""The private directories of programs, and the removal of directories that a killed engine left behind."""

import logging
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from adapters.local_engine.sandbox.files import lock_directory, remove_tree

_log = logging.getLogger("service_server.local_engine")
_PREFIX = "engine-"


class WorkArea:
    """Makes private directories for programs in the engine's own directory.

    An engine locks its directory as long as its process lives. The next engine that opens removes the
    directories of killed engines.
    """

    def __init__(self, shared: Path) -> None:
        self._shared = shared
        self._name = _PREFIX + secrets.token_hex(8)
        self._parent = -1
        self._own = -1

    @property
    def path(self) -> Path:
        """The engine's own directory."""
        return self._shared / self._name

    def open(self) -> None:
        """Make the engine's own directory and remove the directories of engines that have ended.

        Raises:
            OSError: The shared directory cannot be written to.
        """
        self._shared.mkdir(parents=True, exist_ok=True)
        self._parent = os.open(self._shared, os.O_RDONLY | os.O_DIRECTORY)
        os.mkdir(self._name, mode=0o700, dir_fd=self._parent)
        self._own = lock_directory(self._name, parent=self._parent)
        for name in os.listdir(self._parent):  # noqa: PTH208 - pathlib cannot list a descriptor
            if name.startswith(_PREFIX) and name != self._name:
                self._sweep(name)

    def close(self) -> None:
        """Remove the engine's own directory."""
        if self._own < 0:
            return
        remove_tree(self._parent, self._name)
        os.close(self._own)
        os.close(self._parent)
        self._own = self._parent = -1

    @contextmanager
    def directory(self) -> Iterator[Path]:
        """Make a new directory that no other user can access, and remove it when the context ends."""
        name = secrets.token_hex(16)
        os.mkdir(name, mode=0o700, dir_fd=self._own)
        try:
            yield self.path / name
        finally:
            remove_tree(self._own, name)

    def _sweep(self, name: str) -> None:
        try:
            lock = lock_directory(name, parent=self._parent)
            try:
                remove_tree(self._parent, name)
            finally:
                os.close(lock)
        except OSError as error:
            _log.debug("%s was not removed: %s", name, error.strerror)
