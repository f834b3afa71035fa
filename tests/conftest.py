import gc
import os
import signal

import pytest

from tests.support import mysql as mysql_support
from tests.support.databases import migrated_sqlite, migrated_url
from tests.support.server_fixtures import mariadb, moto_address, mysql, swift_address
from tests.support.suites import SuiteScheduling, longest_first

# A shell that runs the suite in the background has it ignore SIGINT, and with it whatever it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The machine of the tests may isolate programs in part, and services of tests have tenants.
os.environ.setdefault("SERVICE_SERVER_SHARED_TENANTS", "allow")

__all__ = ["mariadb", "migrated_sqlite", "migrated_url", "moto_address", "mysql", "swift_address"]


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Keep modules and tests, which stay, from the collector of garbage: while they load, and later.

    What tests leave is collected less often than usual, for it takes every twentieth second of the processor.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(10_000, 20, 20)
        gc.enable()


def pytest_collection_modifyitems(items):
    items[:] = longest_first(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    config.option.loadscopereorder = False
    return SuiteScheduling(config, log)


def pytest_terminal_summary(terminalreporter):
    """Print a section, and not just a line among other skipped tests, when a whole database was left out."""
    skipped = terminalreporter.stats.get("skipped", ())
    left_out = [report for report in skipped if mysql_support.MISSING in str(report.longrepr)]
    if left_out:
        terminalreporter.section("NOT TESTED ON ORACLE'S MYSQL", red=True, bold=True)
        terminalreporter.line(f"{len(left_out)} tests were skipped. {mysql_support.MISSING}", red=True)
