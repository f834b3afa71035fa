"""The units of the test suite, which are directories or modules that several processes run in parallel."""

from collections.abc import Iterable

import pytest
from xdist.scheduler import LoadScopeScheduling

# Each module of these directories is a unit, because its tests share no servers with other modules.
_BY_MODULE = ("tests/architecture", "tests/conformance", "tests/e2e", "tests/integration/local_engine")
# Modules that are units because they have their own clusters.
_APART = (
    *("tests/chaos/test_drain.py", "tests/chaos/test_races.py", "tests/chaos/test_standard_settings.py"),
    *("tests/browser/test_every_page.py", "tests/http/test_same_answers.py"),
)
# Long units start first, so that all processes end at about the same time. The units of _LAST, which take
# seconds, start last.
_FIRST = (
    *("tests/http", "tests/chaos", "tests/browser", "tests/contract", "tests/contract/persistence"),
    *("tests/chaos/test_races.py", "tests/chaos/test_standard_settings.py", "tests/chaos/test_drain.py"),
    *("tests/browser/test_every_page.py", "tests/integration/sql", "tests/http/test_same_answers.py"),
    *("tests/e2e/test_deletion.py", "tests/integration/redis"),
    *("tests/attack", "tests/conformance/test_ordinary_programs.py", "tests/generated_clients"),
)
_LAST = ("tests/architecture", "tests/unit")


class SuiteScheduling(LoadScopeScheduling):
    """Gives each unit to one process, which starts the unit's servers once and runs its tests in order."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)


def unit_of(nodeid: str) -> str:
    """Return the name of a test's unit."""
    module = nodeid.partition("::")[0]
    directory, _, _ = module.rpartition("/")
    return module if directory in _BY_MODULE or module in _APART else directory


def longest_first(items: Iterable[pytest.Item]) -> list[pytest.Item]:
    """Return tests in the order in which their units are distributed."""
    return sorted(items, key=lambda item: _rank(unit_of(item.nodeid)))


def _rank(unit: str) -> int:
    if unit in _FIRST:
        return _FIRST.index(unit)
    return len(_FIRST) + unit.startswith(_LAST)
