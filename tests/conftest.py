import signal

from tests.support.server_fixtures import mariadb, moto_address, mysql, swift_address

# A shell that runs the suite in the background has it ignore SIGINT, and with it whatever it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

__all__ = ["mariadb", "moto_address", "mysql", "swift_address"]
