"""Passwords for a database user with IAM authentication."""

from collections.abc import Callable

from botocore.exceptions import BotoCoreError, ClientError

from adapters.common.boto3_session import new_session
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
    client = new_session(access_key_id, secret_access_key, session_token, region).client("rds")

    def token() -> str:
        try:
            made: str = client.generate_db_auth_token(
                DBHostname=host, Port=port, DBUsername=username, Region=region
            )
        except (BotoCoreError, ClientError) as error:
            raise DependencyUnavailable("database", _FAULT) from error
        return made

    return token
