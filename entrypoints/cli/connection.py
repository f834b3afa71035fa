from collections.abc import Iterator
from contextlib import contextmanager

from entrypoints.cli.client import ServiceClient


@contextmanager
def connect(server: str | None, *, works: bool = False) -> Iterator[ServiceClient]:
    """Speak to a server, or, with none named, to the same service inside this process.

    Args:
        server: The URL of a server.
        works: Whether the service inside this process runs programs, rather than only answer.
    """
    if server is not None:
        client = ServiceClient.at(server)
        try:
            yield client
        finally:
            client.close()
        return
    from entrypoints.cli.embedded import serve_embedded  # noqa: PLC0415 - loads the service, whole

    with serve_embedded(works=works) as client:
        yield client
