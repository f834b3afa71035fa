"""The suites, which are the directories of tests/, as a few processes run them beside each other."""

from collections.abc import Iterable

import pytest
from xdist.scheduler import LoadScopeScheduling

# Those that take longest begin, so that all processes end at about the same time.
_LONGEST_FIRST = ("chaos", "integration", "e2e", "contract", "http", "browser", "attack", "conformance")


class SuiteScheduling(LoadScopeScheduling):
    """Gives each suite to one process, which starts the suite's servers once and runs its tests in order."""

    def _split_scope(self, nodeid: str) -> str:
        return suite_of(nodeid)


def suite_of(nodeid: str) -> str:
    """Name the suite that a test is of."""
    return nodeid.split("/")[1]


def longest_first(items: Iterable[pytest.Item]) -> list[pytest.Item]:
    """Return tests in the order in which their suites are to be handed out."""
    ranks = {suite: rank for rank, suite in enumerate(_LONGEST_FIRST)}
    return sorted(items, key=lambda item: ranks.get(suite_of(item.nodeid), len(ranks)))
