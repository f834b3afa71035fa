"""The units of the tests, directories and modules, that a few processes run beside each other."""

from collections.abc import Iterable
from pathlib import PurePosixPath

import pytest
from xdist.scheduler import LoadScopeScheduling

# Of these directories each module is a unit: its tests share no servers with those of other modules.
_BY_MODULE = ("tests/architecture", "tests/conformance", "tests/e2e", "tests/integration/local_engine")
# So are these modules, which have clusters of their own.
_APART = (
    *("tests/chaos/test_drain.py", "tests/chaos/test_races.py", "tests/chaos/test_standard_settings.py"),
    "tests/http/test_same_answers.py",
)
# Units that take long begin, so that all processes end at about the same time. Others follow them, and those
# of the unit tests come last, of which each takes seconds.
_FIRST = (
    *("tests/http", "tests/chaos", "tests/browser", "tests/contract", "tests/contract/persistence"),
    *("tests/chaos/test_races.py", "tests/chaos/test_standard_settings.py", "tests/chaos/test_drain.py"),
    *("tests/e2e/test_deletion.py", "tests/integration/sql", "tests/http/test_same_answers.py"),
    *("tests/attack", "tests/conformance/test_ordinary_programs.py", "tests/generated_clients"),
)
_LAST = ("tests/architecture", "tests/unit")


class SuiteScheduling(LoadScopeScheduling):
    """Gives each unit to one process, which starts the unit's servers once and runs its tests in order."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)


def unit_of(nodeid: str) -> str:
    """Name the unit that a test is of."""
    module = nodeid.partition("::")[0]
    directory = str(PurePosixPath(module).parent)
    return module if directory in _BY_MODULE or module in _APART else directory


def longest_first(items: Iterable[pytest.Item]) -> list[pytest.Item]:
    """Return tests in the order in which their units are to be handed out."""
    return sorted(items, key=lambda item: _rank(unit_of(item.nodeid)))


def _rank(unit: str) -> int:
    if unit in _FIRST:
        return _FIRST.index(unit)
    return len(_FIRST) + unit.startswith(_LAST)
