import resource

from entrypoints.cli.errors import Failure

# The database, its pool, the stores, the engine's descriptors for each program, and some connections.
MIN_OPEN_FILES = 256


def ensure_open_files() -> None:
    """Let this process open as many files as it needs.

    Raises:
        Failure: The system does not.
    """
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed >= MIN_OPEN_FILES:
        return
    if most < MIN_OPEN_FILES:
        raise Failure(
            f"this process may have {most} files open, and needs {MIN_OPEN_FILES} or more; raise the limit: "
            "ulimit -n 4096, LimitNOFILE=4096 of a systemd unit, or --ulimit nofile=4096 of a container"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (MIN_OPEN_FILES, most))
