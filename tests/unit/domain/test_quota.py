import pytest

from domain.errors import InvalidValue
from domain.quota import MAX_FIGURE, UNLIMITED, Quota


def test_figures_are_told_apart_from_limits_by_their_names():
    quota = Quota.of({"running": 10, "requests_per_s": 0, "memory_mb": 128, "waiting": None})
    assert (quota.running, quota.requests_per_s, quota.waiting) == (10, 0, None)
    assert quota.limits == {"memory_mb": 128}
    assert quota.figures() == {"running": 10, "requests_per_s": 0, "memory_mb": 128}


def test_a_quota_is_the_same_after_a_round_trip():
    quota = Quota.of({"stored_bytes": MAX_FIGURE, "max_priority": 9, "timeout_ms": 1_000})
    assert Quota.of(quota.figures()) == quota


def test_no_figures_are_no_bounds():
    assert Quota.of({}) == UNLIMITED
    assert UNLIMITED.figures() == {}


@pytest.mark.parametrize(
    ("figures", "named"),
    [
        ({"running": -1}, "running"),
        ({"running": True}, "running"),
        ({"running": 1.5}, "running"),
        ({"running": "1"}, "running"),
        ({"stored_bytes": MAX_FIGURE + 1}, "stored_bytes"),
        ({"max_priority": 10}, "max_priority"),
        ({"gpus": 1}, "gpus"),
        ({"limits": 1}, "limits"),
        ({"timeout_ms": 1}, "timeout_ms"),
        ({"memory_mb": "64"}, "memory_mb"),
    ],
)
def test_a_figure_that_breaks_its_rule_is_named(figures, named):
    with pytest.raises(InvalidValue) as refused:
        Quota.of(figures)
    assert refused.value.field == named
