import pytest
from msgspec import to_builtins

from domain.errors import InvalidValue
from domain.quota import QUOTA_NAMES, UNLIMITED, Quota
from entrypoints.http.schemas.tenants import QuotaRequest


def test_every_bound_of_a_quota_is_a_field():
    assert set(to_builtins(QuotaRequest())) == QUOTA_NAMES


def test_a_bound_that_is_missing_or_null_is_none():
    assert QuotaRequest().quota() == UNLIMITED
    assert QuotaRequest(running=None, waiting=0, memory_mb=64).quota() == Quota(
        waiting=0, limits={"memory_mb": 64}
    )


def test_a_figure_that_breaks_its_rule_is_named():
    with pytest.raises(InvalidValue, match="memory_mb"):
        QuotaRequest(memory_mb=1).quota()
