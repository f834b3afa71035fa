from itertools import pairwise

import pytest

from domain.caller import Scope
from domain.errors import MembershipRefused
from domain.membership import ROLES, MembershipRules

PLAIN = MembershipRules(tenant_claim="tenant", role_claim="role")
MAPPED = MembershipRules(
    tenant_claim="hd",
    role_claim="groups",
    tenants={"example.com": "acme", "example.org": "acme", "other.example": "other"},
    roles={"eng": "developer", "ops": "maintainer", "everyone": "viewer"},
)


def test_a_claim_names_the_tenant_and_the_role_itself():
    membership = PLAIN.membership({"tenant": "acme", "role": "viewer"})

    assert membership.tenant.value == "acme"
    assert membership.scopes == {Scope.JOBS_READ, Scope.LOGS_READ, Scope.CLUSTER_READ}


def test_each_role_has_the_rights_of_the_one_before_and_more():
    assert list(ROLES) == ["viewer", "developer", "maintainer", "admin"]
    rights = list(ROLES.values())
    assert all(one < next_one for one, next_one in pairwise(rights))
    assert rights[-1] == frozenset(Scope)
    assert Scope.KEYS_WRITE not in ROLES["developer"]
    assert Scope.ADMIN not in ROLES["maintainer"]


def test_values_are_mapped_and_the_rights_of_all_roles_are_joined():
    membership = MAPPED.membership({"hd": "example.com", "groups": ["everyone", "ops", "football", 7, None]})

    assert membership.tenant.value == "acme"
    assert membership.scopes == ROLES["maintainer"]


def test_several_values_may_name_one_tenant():
    assert MAPPED.membership({"hd": ["example.com", "example.org"], "groups": "eng"}).tenant.value == "acme"


def test_a_claim_is_found_by_its_path_and_by_a_name_with_dots():
    rules = MembershipRules(tenant_claim="https://example.com/tenant", role_claim="realm_access.roles")
    claims = {"https://example.com/tenant": "acme", "realm_access": {"roles": ["admin"]}}

    assert rules.membership(claims).scopes == ROLES["admin"]


@pytest.mark.parametrize(
    ("claims", "sentence"),
    [
        ({}, "the claim 'tenant' of your identity names no tenant of this service"),
        ({"role": "admin"}, "names no tenant"),
        ({"tenant": "", "role": "admin"}, "names no tenant"),
        ({"tenant": "../other", "role": "admin"}, "names no tenant"),
        ({"tenant": "ACME", "role": "admin"}, "names no tenant"),
        ({"tenant": {"name": "acme"}, "role": "admin"}, "names no tenant"),
        ({"tenant": ["acme", "other"], "role": "admin"}, "names several tenants"),
        ({"tenant": "acme"}, "the claim 'role' of your identity names no role of this service: viewer, "),
        ({"tenant": "acme", "role": "Admin"}, "names no role"),
        ({"tenant": "acme", "role": ["root"]}, "names no role"),
        ({"tenant": "acme", "role": {"admin": True}}, "names no role"),
    ],
)
def test_an_identity_without_a_place_here_is_refused(claims: dict[str, object], sentence: str):
    with pytest.raises(MembershipRefused, match=sentence):
        PLAIN.membership(claims)


@pytest.mark.parametrize(
    "claims",
    [
        {"hd": "acme", "groups": "eng"},
        {"hd": "unknown.example", "groups": "eng"},
        {"hd": "example.com", "groups": "admin"},
        {"hd": ["example.com", "other.example"], "groups": "eng"},
    ],
)
def test_a_value_that_is_not_mapped_gives_nothing(claims: dict[str, object]):
    with pytest.raises(MembershipRefused):
        MAPPED.membership(claims)
