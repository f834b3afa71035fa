import signal

from tests.support.database_fixtures import mariadb, mysql

# A shell that runs the suite in the background has it ignore SIGINT, and with it whatever it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

__all__ = ["mariadb", "mysql"]
