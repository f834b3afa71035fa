"""Secret key of an installation, in a file of the data directory."""

import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path

from application.errors import DependencyUnavailable

_BYTES = 32


def read_or_make_key(path: Path) -> bytes:
    """Return the key in a file, and create the file with a new key if it is missing.

    All processes get the same key. The file is accessible only to its owner, and survives a power failure.

    Raises:
        DependencyUnavailable: The file cannot be read or created, or is too short.
    """
    try:
        if not path.exists():
            _make(path)
        key = path.read_bytes()
    except OSError as error:
        raise DependencyUnavailable("data directory", f"{path}: {error.strerror}") from error
    if len(key) < _BYTES:
        raise DependencyUnavailable(
            "data directory",
            f"{path} is truncated; remove it to create a new key, which invalidates existing links",
        )
    return key


def _make(path: Path) -> None:
    """Create the file with a new key atomically, unless another process has created it meanwhile."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}-") as draft:  # mode 0600
        draft.write(secrets.token_bytes(_BYTES))
        draft.flush()
        os.fsync(draft.fileno())
        with suppress(FileExistsError):
            os.link(draft.name, path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
