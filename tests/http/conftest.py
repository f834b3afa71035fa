from collections.abc import Iterator

import pytest

from tests.http.support import Service, poll, serving
from tests.support.databases import database_settings
from tests.support.scripted_engine import echo

# What these modules ask is answered by a database, and is to be the same on each kind.
_ON_EVERY_DATABASE = {"test_bad_input", "test_contract", "test_lists", "test_projects", "test_upload_fields"}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "whole_service" in metafunc.fixturenames:
        everywhere = metafunc.module.__name__.rpartition(".")[2] in _ON_EVERY_DATABASE
        databases = ["sqlite", "mariadb"] if everywhere else ["sqlite"]
        metafunc.parametrize("whole_service", databases, indirect=True, scope="package")


@pytest.fixture(scope="package")
def whole_service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    settings = database_settings(request, request.param, "http")
    with serving(tmp_path_factory.mktemp("service"), **settings) as service:
        yield service


@pytest.fixture
def service(whole_service: Service) -> Iterator[Service]:
    """The shared service; a test ends when its jobs have, which would run the next test's program."""
    whole_service.engine.program = echo
    yield whole_service
    poll(lambda: not whole_service.running())
