"""Servers for a whole test run, started when a test first needs them."""

import os

import pytest

from tests.support import mariadb as mariadb_support
from tests.support import mysql as mysql_support
from tests.support.moto_server import moto_server
from tests.support.swift import swift_server


@pytest.fixture(scope="session")
def mariadb(tmp_path_factory):
    """A private MariaDB server."""
    program = mariadb_support.find_server()
    if program is None:
        missing = "MariaDB is not installed: apt-get install mariadb-server-core"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    server = mariadb_support.start_server(program, tmp_path_factory.mktemp("mariadb"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def mysql(tmp_path_factory):
    """A private server of Oracle's MySQL, which only Debian's development release has."""
    command = mysql_support.find_server()
    if command is None:
        pytest.skip(mysql_support.MISSING)
    server = mysql_support.start_server(command, tmp_path_factory.mktemp("mysql"))
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
