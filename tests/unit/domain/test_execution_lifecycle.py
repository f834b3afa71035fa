"""The whole product of an execution's states and triggers, against a table drawn by hand."""

from itertools import product

import pytest

from domain.execution_lifecycle import (
    TRANSITIONS,
    ExecutionState,
    ExecutionTrigger,
    sources,
    state_of,
    target,
)
from tests.unit.domain.builders import NOON

# The state that follows, or "no" where the trigger has no effect.
DRAWN = """
              DELAYED WAITING CLAIMED   DELEGATED SPOOLED ENDED
release       WAITING no      no        no        no      no
claim         no      CLAIMED no        no        no      no
progress      no      no      CLAIMED   no        no      no
renew         no      no      CLAIMED   no        no      no
defer         no      no      WAITING   no        no      no
postpone      no      no      DELAYED   no        no      no
delegate      no      no      DELEGATED no        no      no
await_storage no      no      SPOOLED   SPOOLED   SPOOLED no
give_up       no      ENDED   no        no        no      no
expire        no      no      ENDED     ENDED     ENDED   no
end           ENDED   ENDED   ENDED     ENDED     ENDED   no
complete      ENDED   ENDED   ENDED     ENDED     ENDED   ENDED
"""


def drawn() -> dict[tuple[str, str], str]:
    header, *rows = (line.split() for line in DRAWN.strip().splitlines())
    return {
        (state, trigger.replace("_", " ")): cell
        for trigger, *cells in rows
        for state, cell in zip(header, cells, strict=True)
    }


@pytest.mark.parametrize(("state", "trigger"), list(product(ExecutionState, ExecutionTrigger)))
def test_a_trigger_does_to_a_state_what_the_drawing_says(state, trigger):
    follows = TRANSITIONS.get((state, trigger))

    assert drawn()[state.value, trigger.value] == ("no" if follows is None else follows.value)
    assert (state in sources(trigger)) == (follows is not None)


def test_the_drawing_has_every_state_and_every_trigger():
    assert set(drawn()) == {
        (state.value, cause.value) for state, cause in product(ExecutionState, ExecutionTrigger)
    }


@pytest.mark.parametrize("trigger", ExecutionTrigger)
def test_a_trigger_leads_to_one_state(trigger):
    assert {target(trigger)} == {TRANSITIONS[state, trigger] for state in sources(trigger)}


@pytest.mark.parametrize(
    ("holder", "ended_at", "state"),
    [
        (None, None, ExecutionState.WAITING),
        ("host:1:ab", None, ExecutionState.CLAIMED),
        ("Engine:1:ab", None, ExecutionState.CLAIMED),
        ("engine:http", None, ExecutionState.DELEGATED),
        ("log-spool:host:1:ab", None, ExecutionState.SPOOLED),
        (None, NOON, ExecutionState.ENDED),
        ("engine:http", NOON, ExecutionState.ENDED),
    ],
)
def test_the_state_follows_from_the_holder_and_the_end(holder, ended_at, state):
    assert state_of(holder, ended_at) is state


def test_one_that_has_no_holder_is_delayed_while_it_has_an_end_of_its_delay():
    assert state_of(None, None, NOON) is ExecutionState.DELAYED
    assert state_of(None, NOON, NOON) is ExecutionState.ENDED
