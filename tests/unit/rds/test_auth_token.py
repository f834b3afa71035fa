"""Tokens of IAM that are the passwords of a database user."""

from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.credentials import Credentials
from botocore.exceptions import CredentialRetrievalError
from pydantic import SecretStr, ValidationError

from adapters.rds.auth_token import auth_tokens
from adapters.sql.engine import DatabaseOptions, create_engine
from adapters.sql.transaction_retrier import TransactionRetrier
from application.errors import DependencyUnavailable
from domain.limits import STANDARD_LIMITS
from entrypoints.container import build_container
from tests.support.certificate import self_signed
from tests.support.settings import settings_of


def tokens():
    return auth_tokens(
        host="db.example.com",
        port=3306,
        username="app",
        region="ap-northeast-2",
        access_key_id="AKIDEXAMPLE",
        secret_access_key="secret",
    )


def test_a_token_is_a_signed_address_of_the_user_and_the_server():
    parts = urlsplit(f"https://{tokens()()}")
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    assert parts.netloc == "db.example.com:3306"
    assert (query["Action"], query["DBUser"], query["X-Amz-Expires"]) == ("connect", "app", "900")
    assert query["X-Amz-Credential"].startswith("AKIDEXAMPLE/")
    assert "/ap-northeast-2/rds-db/" in query["X-Amz-Credential"]
    assert len(query["X-Amz-Signature"]) == 64


def test_credentials_that_cannot_be_renewed_make_the_database_unavailable(monkeypatch):
    # Given credentials of a role that expired while the service that issues them was away
    engine = create_engine("mysql+pymysql://app@db.example.com/app", DatabaseOptions(password=tokens()))
    monkeypatch.setattr(Credentials, "get_frozen_credentials", refused)
    # When a connection is to be opened, then callers hear that the database is unavailable
    with pytest.raises(DependencyUnavailable, match="the database is unavailable: no AWS credentials"):
        TransactionRetrier()(engine.connect)


def refused(_credentials):
    raise CredentialRetrievalError(provider="container-role", error_msg="503")


def test_tokens_are_sent_to_a_server_that_proves_who_it_is(tmp_path):
    certificate = self_signed(tmp_path / "authority.pem")
    changes = {"rds_host": "db.example.com", "rds_iam_region": "eu-west-1"}
    with pytest.raises(ValidationError, match="SERVICE_SERVER_RDS_CA_FILE"):
        settings_of(**changes)

    keys = {"aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": SecretStr("secret")}
    settings = settings_of(**changes, **keys, rds_ca_file=certificate)
    engine = build_container(settings, STANDARD_LIMITS).database()
    arguments = {}
    engine.dialect.dispatch.do_connect(engine.dialect, None, (), arguments)
    assert arguments["password"].startswith("db.example.com:3306/?Action=connect")
    engine.dispose()
