import logging

import pytest

from application.errors import DependencyUnavailable, StorageUnavailable
from application.log_context import outage, outage_of
from entrypoints.cli.logging_setup import OutageCounter

FULL = outage("database", "its disk is full")


class Log:
    """The output for lines that are logged at times of a test's choosing."""

    def __init__(self):
        self.now = 1_000.0
        self.written = []
        self._counter = OutageCounter(30.0, lambda: self.now)

    def warning(self, message, *arguments, extra=None):
        line = logging.LogRecord("service_server", logging.WARNING, "", 0, message, arguments, None)
        vars(line).update(extra or {})
        self.written += [written.getMessage() for written in self._counter.lines(line)]


@pytest.fixture
def log():
    return Log()


def test_an_outage_is_logged_once_and_then_counted_every_half_minute(log):
    for number in range(40):
        log.warning("the database is unavailable: %s (run %d)", "its disk is full", number, extra=FULL)
        log.now += 2.5

    assert log.written == [
        "the database is unavailable: its disk is full (run 0)",
        "the database is unavailable: its disk is full (run 12) (12 more times in 30 s)",
        "the database is unavailable: its disk is full (run 24) (12 more times in 30 s)",
        "the database is unavailable: its disk is full (run 36) (12 more times in 30 s)",
    ]


def test_whatever_part_tells_of_an_outage_it_is_the_same(log):
    error = DependencyUnavailable("database", "its disk is full")
    log.warning("the database is unavailable: its disk is full", extra=FULL)
    log.warning("lease-renewal: %s", error, extra=outage_of(error))

    assert log.written == ["the database is unavailable: its disk is full"]


def test_other_outages_and_all_other_lines_pass(log):
    log.warning("one", extra=FULL)
    log.warning("two", extra=outage_of(StorageUnavailable("the disk is full")))
    log.warning("three", extra=outage("database", "it is read-only"))
    for _ in range(2):
        log.warning("four")

    assert log.written == ["one", "two", "three", "four", "four"]


def test_what_was_counted_is_told_though_the_outage_is_over(log):
    for _ in range(3):
        log.warning("away", extra=FULL)
    log.now += 31
    log.warning("something else")
    log.now += 100
    log.warning("away", extra=FULL)

    assert log.written == ["away", "away (2 more times in 31 s)", "something else", "away"]


def test_one_more_is_said_as_one(log):
    log.warning("away", extra=FULL)
    log.now += 31
    log.warning("away", extra=FULL)

    assert log.written[1:] == ["away (1 more time in 31 s)"]
