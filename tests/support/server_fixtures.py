"""Servers for a whole test run, started when a test first needs them."""

import os

import pytest

from tests.support import mariadb as mariadb_support
from tests.support import mysql as mysql_support
from tests.support.database_server import directory_in_memory
from tests.support.moto_server import moto_server
from tests.support.swift import swift_server


@pytest.fixture(scope="session")
def mariadb():
    """A private MariaDB server."""
    program = mariadb_support.find_server()
    if program is None:
        missing = "MariaDB is not installed: apt-get install mariadb-server-core"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    with directory_in_memory() as directory:
        server = mariadb_support.start_server(program, directory)
        yield server
        server.stop()


@pytest.fixture(scope="session")
def mysql():
    """A private server of Oracle's MySQL, which only Debian's development release has."""
    command = mysql_support.find_server()
    if command is None:
        pytest.skip(mysql_support.MISSING)
    with directory_in_memory() as directory:
        server = mysql_support.start_server(command, directory)
        yield server
        server.stop()


@pytest.fixture(scope="session")
def moto_address():
    """The address of moto's S3 and CloudWatch."""
    with moto_server() as address:
        yield address


@pytest.fixture(scope="session")
def swift_address():
    """The address of Swift's S3."""
    with swift_server() as address:
        yield address
