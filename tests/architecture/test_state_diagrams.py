"""The diagrams of states in docs/architecture.md have the arrows of the domain's tables."""

import re
from itertools import product
from pathlib import Path

from domain.errors import JobTransitionRefused
from domain.execution_lifecycle import TRANSITIONS
from domain.job_lifecycle import Applied, JobStatus, Trigger, check

DOCUMENT = (Path(__file__).parents[2] / "docs" / "architecture.md").read_text()
ARROW = re.compile(r"^ +(\w+) --> (\w+): ", re.MULTILINE)


def arrows(heading):
    """Return the pairs of states that the diagram below a heading joins."""
    section = DOCUMENT.split(f"## {heading}\n")[1].split("\n## ")[0]
    return set(ARROW.findall(section))


def test_a_job():
    def follows(status, trigger):
        try:
            return check(status, trigger)
        except JobTransitionRefused:
            return None

    applied = ((status, follows(status, trigger)) for status, trigger in product(JobStatus, Trigger))
    assert arrows("The states of a job") == {
        (status.value, effect.to.value) for status, effect in applied if isinstance(effect, Applied)
    }


def test_an_execution():
    assert arrows("The states of an execution") == {
        (before.value, after.value) for (before, _), after in TRANSITIONS.items()
    }
