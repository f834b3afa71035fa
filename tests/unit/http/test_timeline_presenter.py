"""The engine as the API shows it."""

import pytest

from application.ports.dashboard_queries import QueueState
from application.ports.execution_engine import EngineDescription
from application.queries.cluster_reader import EngineState
from entrypoints.http.timeline_presenter import present_engine

_EMPTY = QueueState(waiting=0, claimed=0, oldest_waits_since=None)


@pytest.mark.parametrize(
    ("is_isolated", "missing", "shown"),
    [
        (True, (), True),
        (True, ("control groups: not used",), "partly"),
        (False, (), False),
        (None, (), None),
    ],
)
def test_an_engine_that_lacks_a_guarantee_isolates_in_part(is_isolated, missing, shown):
    description = EngineDescription(name="an engine", is_isolated=is_isolated, missing=missing)

    response = present_engine(EngineState(description=description, slots=1, languages=[], queue=_EMPTY))

    assert (response.isolated, response.missing) == (shown, list(missing))
