import pytest

from tests.support.sandbox import running_engine


@pytest.fixture(params=["plain", "isolated"])
def kit(request, tmp_path):
    with running_engine(tmp_path / "work", isolated=request.param == "isolated") as kit:
        yield kit
