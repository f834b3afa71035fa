"""Sessions of boto3: its settings and credentials, with API descriptions that all sessions share."""

from functools import cache

import botocore.session
from boto3.session import Session
from botocore.loaders import Loader


def new_session(
    access_key_id: str | None = None,
    secret_access_key: str | None = None,
    session_token: str | None = None,
    region: str | None = None,
) -> Session:
    """Return a session.

    Args:
        access_key_id: None for the credentials that boto3 finds: environment, files, task or instance role.
        secret_access_key: The secret of the access key.
        session_token: The token of a temporary access key.
        region: None for the region of boto3's own configuration.
    """
    core = botocore.session.get_session()
    core.register_component("data_loader", _descriptions())
    return Session(access_key_id, secret_access_key, session_token, region, core)


@cache
def _descriptions() -> Loader:
    """Return the loader of boto3's API descriptions, which parses each description once per process."""
    loader: Loader = botocore.session.get_session().get_component("data_loader")
    return loader
