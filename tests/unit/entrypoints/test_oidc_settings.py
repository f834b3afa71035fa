"""The settings of the identity provider, and sentences for those that cannot be."""

import pytest
from pydantic import ValidationError

from tests.support.settings import settings_of

OIDC = {"auth": "keys+oidc", "oidc_issuer": "https://accounts.example.com", "oidc_client_id": "dashboard"}


def test_pairs_of_claims_and_names_are_read():
    settings = settings_of(**OIDC, oidc_tenants="example.com=acme, a=b=other", oidc_roles="ops=admin")

    assert settings.oidc_tenants == {"example.com": "acme", "a=b": "other"}
    assert settings.membership_rules.roles == {"ops": "admin"}


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"oidc_issuer": None}, "SERVICE_SERVER_AUTH=keys\\+oidc needs SERVICE_SERVER_OIDC_ISSUER"),
        ({"oidc_client_id": None}, "needs SERVICE_SERVER_OIDC_CLIENT_ID"),
        ({"oidc_scopes": "email"}, "SERVICE_SERVER_OIDC_SCOPES must name `openid`"),
        ({"oidc_issuer": "http://accounts.example.com"}, "must begin with https://"),
        ({"oidc_issuer": "accounts.example.com"}, "must be an address"),
        ({"oidc_issuer": "https://accounts.example.com?a=b"}, "without a query"),
        ({"oidc_roles": "ops=root"}, "root: must be one of viewer, developer, maintainer, admin"),
        ({"oidc_roles": "ops"}, "must be pairs"),
        ({"oidc_tenants": "example.com=ACME"}, "ACME: a tenant's name has"),
    ],
)
def test_settings_that_cannot_be_are_refused(changed: dict[str, object], sentence: str):
    with pytest.raises(ValidationError, match=sentence):
        settings_of(**{**OIDC, **changed})


def test_a_provider_on_this_machine_may_use_http():
    assert settings_of(**{**OIDC, "oidc_issuer": "http://localhost:9400"}).oidc_issuer
