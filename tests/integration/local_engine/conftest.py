import pytest

from tests.support.sandbox import running_engine


@pytest.fixture(scope="module", params=["plain", "isolated"])
def kit(request, tmp_path_factory):
    """An engine for the tests of a module."""
    with running_engine(tmp_path_factory.mktemp("work"), isolated=request.param == "isolated") as kit:
        yield kit
