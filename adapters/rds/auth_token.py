"""Passwords for a database user with IAM authentication."""

from collections.abc import Callable

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from application.errors import DependencyUnavailable

_FAULT = "no AWS credentials for its password could be obtained"


def auth_tokens(
    *,
    host: str,
    port: int,
    username: str,
    region: str,
    access_key_id: str | None = None,
    secret_access_key: str | None = None,
    session_token: str | None = None,
) -> Callable[[], str]:
    """Return a function that creates the password for a new connection, valid for 15 minutes.

    The password is signed locally, without a request:
    https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.html

    The function raises DependencyUnavailable if the credentials that sign the password cannot be renewed.
    """
    client = boto3.client(
        "rds",
        region_name=region,
        aws_access_key_id=access_key_id,
        aws_secret_access_key=secret_access_key,
        aws_session_token=session_token,
    )

    def token() -> str:
        try:
            made: str = client.generate_db_auth_token(
                DBHostname=host, Port=port, DBUsername=username, Region=region
            )
        except (BotoCoreError, ClientError) as error:
            raise DependencyUnavailable("database", _FAULT) from error
        return made

    return token
