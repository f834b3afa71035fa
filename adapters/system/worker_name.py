import os
import socket

from adapters.system.id_generator import Uuid7Generator


def worker_name() -> str:
    """Return a name for this process that no other has: its host, its number, and some letters."""
    return f"{socket.gethostname()}:{os.getpid()}:{Uuid7Generator().new().hex[-8:]}"
