"""The whole product of job states and triggers, against a table drawn by hand."""

from itertools import product

import pytest

from domain.errors import JobTransitionRefused
from domain.job_lifecycle import Applied, Ignored, JobStatus, Trigger, check

# A status to be in afterwards, "same" for what comes too late to matter, "no" for what is refused.
DRAWN = """
            execute  retry    succeed  fail    time_out  cancel
PENDING     RUNNING  no       no       no      no        CANCELLED
RUNNING     no       RUNNING  SUCCESS  FAILED  TIMEOUT   CANCELLED
SUCCESS     no       same     same     same    same      no
FAILED      no       same     same     same    same      no
TIMEOUT     no       same     same     same    same      no
CANCELLED   no       same     same     same    same      no
"""


def drawn() -> dict[tuple[str, str], str]:
    header, *rows = (line.split() for line in DRAWN.strip().splitlines())
    return {
        (status, trigger.replace("_", " ")): cell
        for status, *cells in rows
        for trigger, cell in zip(header, cells, strict=True)
    }


@pytest.mark.parametrize(("status", "trigger"), list(product(JobStatus, Trigger)))
def test_a_trigger_does_to_a_status_what_the_drawing_says(status, trigger):
    expected = drawn()[status.value, trigger.value]

    if expected == "no":
        with pytest.raises(JobTransitionRefused, match=f"cannot {trigger} a job that is {status}"):
            check(status, trigger)
    elif expected == "same":
        assert check(status, trigger) == Ignored()
    else:
        assert check(status, trigger) == Applied(JobStatus(expected))


def test_the_drawing_has_every_status_and_every_trigger():
    assert set(drawn()) == {(status.value, trigger.value) for status, trigger in product(JobStatus, Trigger)}


def test_no_trigger_leads_out_of_a_terminal_status():
    for status, trigger in product(JobStatus, Trigger):
        if not status.is_terminal:
            continue
        try:
            follows = check(status, trigger)
        except JobTransitionRefused:
            continue
        assert follows == Ignored()


def test_four_statuses_are_terminal():
    assert {status for status in JobStatus if status.is_terminal} == {
        JobStatus.SUCCESS,
        JobStatus.FAILED,
        JobStatus.TIMEOUT,
        JobStatus.CANCELLED,
    }
