from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidValue
from domain.limits import STANDARD_BOUNDS, STANDARD_LIMITS, Bounds, LimitPolicy

NAMES = sorted(STANDARD_BOUNDS)


def test_what_is_not_requested_has_its_default():
    resolved = asdict(STANDARD_LIMITS.resolve({"memory_mb": 512}))
    assert resolved == {name: bounds.default for name, bounds in STANDARD_BOUNDS.items()} | {"memory_mb": 512}


@pytest.mark.parametrize("name", NAMES)
def test_both_ends_of_a_range_are_allowed(name):
    for value in (STANDARD_BOUNDS[name].minimum, STANDARD_BOUNDS[name].maximum):
        assert asdict(STANDARD_LIMITS.resolve({name: value}))[name] == value


@pytest.mark.parametrize("name", NAMES)
def test_a_step_beyond_either_end_is_refused_with_the_range(name):
    bounds = STANDARD_BOUNDS[name]
    for value in (bounds.minimum - 1, bounds.maximum + 1):
        with pytest.raises(InvalidValue, match=f"from {bounds.minimum} to {bounds.maximum}") as refused:
            STANDARD_LIMITS.resolve({name: value})
        assert refused.value.field == name


@given(st.dictionaries(st.sampled_from(NAMES), st.integers()))
def test_limits_that_are_resolved_are_all_within_their_bounds(requested):
    try:
        limits = asdict(STANDARD_LIMITS.resolve(requested))
    except InvalidValue:
        return
    assert all(
        STANDARD_BOUNDS[name].minimum <= value <= STANDARD_BOUNDS[name].maximum
        for name, value in limits.items()
    )


def test_a_limit_that_does_not_exist_is_refused_by_its_name():
    with pytest.raises(InvalidValue, match="no such limit") as refused:
        STANDARD_LIMITS.resolve({"gpu_mb": 1})
    assert refused.value.field == "gpu_mb"


def test_an_operator_may_narrow_a_limit():
    policy = LimitPolicy({**STANDARD_BOUNDS, "timeout_ms": Bounds(default=500, minimum=100, maximum=1_000)})
    assert policy.resolve({}).timeout_ms == 500
    with pytest.raises(InvalidValue, match="from 100 to 1000"):
        policy.resolve({"timeout_ms": 1_001})


@pytest.mark.parametrize(("default", "minimum", "maximum"), [(0, 1, 2), (3, 1, 2), (1, 2, 1)])
def test_bounds_that_do_not_hold_their_default_cannot_be_built(default, minimum, maximum):
    with pytest.raises(InvalidValue):
        Bounds(default=default, minimum=minimum, maximum=maximum)
