from domain.fairness import TenantLoad, share
from domain.tenant import TenantName

ACME, BETA, GAMMA = TenantName("acme"), TenantName("beta"), TenantName("gamma")


def test_a_claim_goes_to_the_tenant_of_which_the_fewest_run():
    assert share([TenantLoad(ACME, 2), TenantLoad(BETA, 1)], 1) == {BETA: 1}


def test_among_equals_it_goes_to_the_first_in_turn():
    assert share([TenantLoad(BETA, 1), TenantLoad(ACME, 1)], 1) == {BETA: 1}


def test_several_claims_level_the_tenants():
    loads = [TenantLoad(ACME, 3), TenantLoad(BETA, 0), TenantLoad(GAMMA, 1)]

    assert share(loads, 4) == {BETA: 3, GAMMA: 1}
    assert share(loads, 5) == {BETA: 3, GAMMA: 2}
    assert share(loads, 8) == {ACME: 1, BETA: 4, GAMMA: 3}


def test_no_tenant_gets_over_its_bound():
    assert share([TenantLoad(ACME, 1, bound=2), TenantLoad(BETA, 2, bound=2)], 5) == {ACME: 1}
    assert share([TenantLoad(ACME, 3, bound=2), TenantLoad(BETA, 0, bound=0)], 5) == {}


def test_nothing_is_shared_among_none():
    assert share([], 3) == {}
    assert share([TenantLoad(ACME, 0)], 0) == {}
