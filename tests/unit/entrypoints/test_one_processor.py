"""Where a process keeps its threads."""

import pytest

from entrypoints.worker.one_processor import loneliest, roomier
from entrypoints.worker.processor_use import Use


@pytest.mark.parametrize(
    ("percents", "own", "better"),
    [
        ({0: 100.0, 1: 10.0}, 50.0, 1),
        ({0: 100.0, 1: 60.0, 2: 30.0}, 50.0, 2),
        ({0: 100.0, 1: 60.0}, 50.0, 1),  # what is not kept there makes room
        ({0: 100.0, 1: 0.0}, 70.0, 0),  # others only pass by
        ({0: 80.0, 1: 0.0}, 10.0, 0),  # there is room for all
        ({0: 100.0, 1: 90.0}, 10.0, 0),  # it is full everywhere
        ({0: 100.0}, 10.0, 0),  # nobody tells of the other one
    ],
)
def test_it_moves_from_a_crowd_to_where_there_is_room(percents, own, better):
    assert roomier(0, {0, 1} | percents.keys(), Use(percents, own)) == better


@pytest.mark.parametrize(
    ("kept", "places"),
    [([0], {0}), ([0, 1, 2], {0}), ([0, 0, 1, 2], {0}), ([0, 0, 1], {2}), ([0, 0], {1, 2})],
)
def test_it_leaves_for_where_fewer_others_are_kept(kept, places):
    assert {loneliest({0, 1, 2}, kept, mine=0) for _ in range(200)} == places


@pytest.mark.parametrize(("kept", "places"), [([], {0, 1, 2}), ([0], {1, 2}), ([0, 2, 2, 1, 9], {0, 1})])
def test_it_begins_where_the_fewest_are_kept(kept, places):
    assert {loneliest({0, 1, 2}, kept) for _ in range(200)} == places
