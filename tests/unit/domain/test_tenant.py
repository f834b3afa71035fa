from itertools import product

import pytest

from domain.errors import InvalidValue, TenantTransitionRefused
from domain.tenant import DEFAULT_TENANT, Tenant, TenantName, TenantStatus, TenantTrigger
from tests.unit.domain.builders import NOON

# A status to be in afterwards, or "no" for a refusal.
DRAWN = {
    #             suspend      resume    delete
    "ACTIVE": ("SUSPENDED", "ACTIVE", "DELETED"),
    "SUSPENDED": ("SUSPENDED", "ACTIVE", "DELETED"),
    "DELETED": ("no", "no", "DELETED"),
}
COLUMNS = {"suspend": 0, "resume": 1, "delete": 2}


def a_tenant(status: TenantStatus, name: str = "acme") -> Tenant:
    return Tenant(name=TenantName(name), status=status, created_at=NOON)


@pytest.mark.parametrize(("status", "trigger"), list(product(TenantStatus, TenantTrigger)))
def test_a_trigger_takes_a_tenant_where_the_drawing_says(status, trigger):
    tenant = a_tenant(status)
    expected = DRAWN[status.value][COLUMNS[trigger.value]]

    if expected == "no":
        with pytest.raises(TenantTransitionRefused, match=f"cannot {trigger} a tenant that is {status}"):
            tenant.apply(trigger)
    else:
        assert tenant.apply(trigger) == a_tenant(TenantStatus(expected))


@pytest.mark.parametrize("status", [TenantStatus.ACTIVE, TenantStatus.SUSPENDED])
def test_the_default_tenant_cannot_be_deleted(status):
    default = a_tenant(status, DEFAULT_TENANT.value)
    with pytest.raises(TenantTransitionRefused, match="'default' cannot be deleted"):
        default.apply(TenantTrigger.DELETE)


def test_only_an_active_tenant_starts_and_changes_things():
    a_tenant(TenantStatus.ACTIVE).ensure_active()
    for status in (TenantStatus.SUSPENDED, TenantStatus.DELETED):
        with pytest.raises(
            TenantTransitionRefused, match=f"tenant 'acme' is {status}: it can read and cancel, but not start"
        ):
            a_tenant(status).ensure_active()


@pytest.mark.parametrize("name", ["a", "acme", "a-1", "0", "x" * 63])
def test_a_label_of_a_host_name_is_a_name(name):
    assert str(TenantName(name)) == name


@pytest.mark.parametrize(
    "name", ["", "-a", "a-", "A", "a_b", "a.b", "a/b", "..", "ä", "a b", "a\n", "x" * 64, "\N{KELVIN SIGN}"]
)
def test_another_text_is_no_name(name):
    with pytest.raises(InvalidValue, match="lower-case letters"):
        TenantName(name)
