"""Options of database connections."""

from dataclasses import dataclass
from typing import Any

# Names of an engine's execution options.
READ_ONLY = "service_server_read_only"
OPTIONS = "service_server_options"


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseOptions:
    """The limits and settings of a process's connections. Times are in seconds.

    Attributes:
        pool_size: The most connections of a process.
        pool_timeout_s: The wait of a caller for one of them.
        recycle_s: The age at which a connection is replaced.
        read_timeout_s: The bound of a statement when a server hangs.
        lock_wait_s: The wait of a statement for a lock of another transaction.
        tls_ca: The file of the authority that signed the server's certificate. None means encryption if the
            server offers it, without a check of its identity.
        synchronous: Whether SQLite waits at a commit until it is on the disk, `full`, or not, `normal`: then
            a power cut may undo the commits of the minutes before.
    """

    pool_size: int = 10
    pool_timeout_s: float = 2.0
    recycle_s: int = 1_800
    connect_timeout_s: int = 2
    read_timeout_s: int = 2
    write_timeout_s: int = 2
    lock_wait_s: int = 1
    tls_ca: str | None = None
    synchronous: str = "full"

    def for_engine(self) -> dict[str, Any]:
        """Return SQLAlchemy's arguments for any database. Values never appear in its messages."""
        return {
            "pool_size": self.pool_size,
            "max_overflow": 0,
            "pool_timeout": self.pool_timeout_s,
            "hide_parameters": True,
            "execution_options": {OPTIONS: self},
        }
