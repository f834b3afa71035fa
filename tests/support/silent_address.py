"""An address that does not answer."""

import socket
from contextlib import ExitStack, contextmanager


@contextmanager
def silent(address, port):
    """Have an address ignore new connections: its queue of accepted ones is full."""
    with socket.create_server((address, port), backlog=0) as listener, ExitStack() as stack:
        while True:
            filler = stack.enter_context(socket.socket())
            filler.settimeout(0.2)
            try:
                filler.connect((address, port))
            except TimeoutError:
                break
        yield listener
