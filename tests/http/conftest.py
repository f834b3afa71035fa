from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.http.support import Service, poll, serving
from tests.http.visitor import Visitor
from tests.support.databases import database_settings
from tests.support.keys import Keys, bearer
from tests.support.no_tls import NO_TLS
from tests.support.scripted_engine import echo

# What these modules ask is answered by a database, and is to be the same on each kind.
_ON_EVERY_DATABASE = {"test_bad_input", "test_contract", "test_lists", "test_projects", "test_upload_fields"}
# What existing clients do works in both modes, with a key of the tenant `default`.
_IN_BOTH_MODES = {"test_contract", "test_projects"}
_WITH_KEYS = "sqlite, with keys"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "whole_service" in metafunc.fixturenames:
        module = metafunc.module.__name__.rpartition(".")[2]
        kinds = ["sqlite", "mariadb"] if module in _ON_EVERY_DATABASE else ["sqlite"]
        kinds += [_WITH_KEYS] if module in _IN_BOTH_MODES else []
        metafunc.parametrize("whole_service", kinds, indirect=True, scope="package")


@pytest.fixture(scope="package")
def whole_service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    directory = tmp_path_factory.mktemp("service")
    if request.param == _WITH_KEYS:
        with serving(directory, auth="keys") as service:
            service.http.headers.update(bearer(Keys(service.container.unit_of_work()).add("default")))
            yield service
        return
    with serving(directory, **database_settings(request, request.param, "http")) as service:
        yield service


@pytest.fixture
def service(whole_service: Service) -> Iterator[Service]:
    """The shared service; a test ends when its jobs have, which would run the next test's program."""
    whole_service.engine.program = echo
    yield whole_service
    whole_service.http.cookies.clear()
    poll(lambda: not whole_service.is_busy())


@pytest.fixture
def visit(guarded: Service) -> Iterator[Callable[[], Visitor]]:
    """Return a function that makes a visitor with cookies of its own."""
    clients = []

    def new() -> Visitor:
        clients.append(httpx.Client(base_url=guarded.http.base_url, verify=NO_TLS, timeout=30))
        return Visitor(clients[-1])

    yield new
    for client in clients:
        client.close()


@pytest.fixture
def visitor(visit: Callable[[], Visitor]) -> Visitor:
    return visit()
