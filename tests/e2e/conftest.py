import pytest

from tests.support import service


@pytest.fixture(scope="module")
def env(tmp_path_factory):
    return service.environment(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def server(env):
    with service.served(env) as server:
        yield server
