"""Runs moto's server with one request at a time, because its threads corrupt each other's data."""

import os
import sys

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server


def main() -> None:
    """Serve until the process is killed; print the port once the server listens.

    The argument is the number of objects that an answer lists.
    """
    os.environ["MOTO_S3_DEFAULT_MAX_KEYS"] = sys.argv[1]
    application = DomainDispatcherApplication(create_backend_app)
    server = make_server("127.0.0.1", 0, application, request_handler=MotoRequestHandler)
    sys.stdout.write(f"{server.port}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
