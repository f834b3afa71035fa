"""The words with which a server begins."""

import pytest

from entrypoints.cli.serve import banner
from tests.support.settings import settings_of


@pytest.mark.parametrize(("auth", "asks"), [("off", False), ("keys", True)])
def test_a_first_program_comes_with_a_key_where_one_is_asked_for(tmp_path, auth, asks):
    text = "\n".join(banner(settings_of(data_dir=tmp_path, auth=auth), None))

    assert ('-H "Authorization: Bearer $SERVICE_SERVER_API_KEY"' in text) is asks
    assert ("`service-server setup` creates the first one" in text) is asks
