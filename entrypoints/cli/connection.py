from collections.abc import Iterator
from contextlib import contextmanager

from entrypoints.cli.client import ServiceClient


@contextmanager
def connect(server: str | None, *, runs: bool = False) -> Iterator[ServiceClient]:
    """Speak to a server, or, with none named, to the same service inside this process.

    Args:
        server: The URL of a server.
        runs: Whether the service inside this process runs the programs that this process uploads.
    """
    if server is not None:
        client = ServiceClient.at(server)
        try:
            yield client
        finally:
            client.close()
        return
    from entrypoints.cli.embedded import serve_embedded  # noqa: PLC0415 - loads the service, whole

    with serve_embedded(runs=runs) as client:
        yield client
