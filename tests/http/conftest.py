from collections.abc import Iterator

import pytest

from tests.http.support import Service, serving
from tests.support.scripted_engine import echo


@pytest.fixture(scope="package")
def whole_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(tmp_path_factory.mktemp("service")) as service:
        yield service


@pytest.fixture
def service(whole_service: Service) -> Service:
    whole_service.engine.program = echo
    return whole_service
