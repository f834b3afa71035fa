"""The engine as the API shows it."""

import pytest

from application.ports.dashboard_queries import QueueState
from application.ports.execution_engine import EngineDescription
from application.queries.cluster_reader import EngineState
from domain.catalogue.language import Language
from domain.catalogue.text import text, text_of
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


def test_what_an_engine_lacks_is_a_sentence_for_readers_in_other_languages():
    groups = text("groups.unused", cause=text("groups.not_started"))
    lacking = text("engine.missing_groups", guarantee=text("engine.groups"), groups=groups)
    description = EngineDescription(name="an engine", missing=(lacking,), control_groups=groups)

    response = present_engine(EngineState(description=description, slots=1, languages=[], queue=_EMPTY))

    (parts,) = response.missing_texts
    told = text_of({"code": parts.code, "values": parts.values})
    assert response.missing == [str(told)]
    assert told.into(Language.JAPANESE).endswith("コントロールグループ: 未使用: エンジンが起動していません")
    assert response.control_groups == "not used: the engine has not been started"
