from collections.abc import Callable

import pytest

from application.errors import DependencyUnavailable
from entrypoints.container import Container
from tests.http.support import Service, assert_problem, serving
from tests.support.failing import Failing

SILENT = Failing(DependencyUnavailable("part", "connection refused"))


class Breakable:
    """A part that stops to answer while it is broken."""

    def __init__(self, part: object) -> None:
        self._part = part
        self.is_broken = False
        self.broken = SILENT

    def __getattr__(self, name: str) -> Callable[..., object]:
        method = getattr(self._part, name)

        def call(*args: object, **kwargs: object) -> object:
            return (getattr(self.broken, name) if self.is_broken else method)(*args, **kwargs)

        return call


def breakable(provider: str) -> Callable[[Container], object]:
    def override(container: Container) -> None:
        container.providers[provider].override(Breakable(container.providers[provider]()))

    return override


def healthy_parts(document: dict) -> dict[str, bool]:
    return {part["name"]: part["healthy"] for part in document["dependencies"]}


def test_a_service_is_ready_when_every_part_answers(service: Service):
    answer = service.http.get("/health/ready").json()

    assert answer["status"] == "ready"
    assert healthy_parts(answer) == dict.fromkeys(
        ("database", "code store", "log store", "queue", "engine"), True
    )


@pytest.mark.parametrize(
    ("provider", "part"), [("log_store", "log store"), ("work_queue", "queue"), ("engine", "engine")]
)
def test_a_service_that_takes_work_without_a_part_is_ready_and_degraded(tmp_path, provider: str, part: str):
    with serving(tmp_path, breakable(provider)) as service:
        service.container.providers[provider]().is_broken = True
        response = service.http.get("/health/ready")
        service.container.providers[provider]().is_broken = False

    assert response.status_code == 200
    assert response.json()["status"] == "degraded"
    assert [name for name, is_healthy in healthy_parts(response.json()).items() if not is_healthy] == [part]


def test_a_check_that_fails_does_not_hide_the_health_of_the_other_parts(tmp_path, caplog):
    with serving(tmp_path, breakable("engine")) as service:
        engine = service.container.providers["engine"]()
        engine.broken, engine.is_broken = Failing(RuntimeError("can't start new thread")), True
        response = service.http.get("/health/ready")
        engine.is_broken = False

    assert response.status_code == 200
    details = {part["name"]: part["detail"] for part in response.json()["dependencies"]}
    assert details.pop("engine") == "its check failed; the log of the service has the details"
    assert set(details.values()) == {None}
    assert "can't start new thread" in caplog.text


@pytest.mark.parametrize(("provider", "part"), [("unit_of_work", "database"), ("code_store", "code store")])
def test_a_service_that_can_take_no_work_is_not_ready_but_alive(tmp_path, provider: str, part: str):
    with serving(tmp_path, breakable(provider)) as service:
        service.container.providers[provider]().is_broken = True
        response = service.http.get("/health/ready")
        alive = service.http.get("/health/live")
        service.container.providers[provider]().is_broken = False

    problem = assert_problem(response, 503)
    assert response.headers["retry-after"].isdecimal()
    assert part in problem["detail"]
    assert [name for name, is_healthy in healthy_parts(problem).items() if not is_healthy] == [part]
    assert alive.json() == {"status": "live"}
