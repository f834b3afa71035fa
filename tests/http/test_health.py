import pytest

from application.errors import DependencyUnavailable
from tests.http.support import Service, assert_problem, serving
from tests.support.failing import Failing

SILENT = Failing(DependencyUnavailable("part", "connection refused"))


def healthy_parts(document: dict) -> dict[str, bool]:
    return {part["name"]: part["healthy"] for part in document["dependencies"]}


def test_a_service_is_ready_when_every_part_answers(service: Service):
    answer = service.http.get("/health/ready").json()

    assert answer["status"] == "ready"
    assert healthy_parts(answer) == dict.fromkeys(
        ("database", "code store", "log store", "queue", "engine"), True
    )


@pytest.mark.parametrize(
    ("provider", "part"), [("log_store", "log store"), ("publisher", "queue"), ("engine", "engine")]
)
def test_a_service_that_takes_work_without_a_part_is_ready_and_degraded(tmp_path, provider: str, part: str):
    with serving(tmp_path) as service:
        getattr(service.container, provider).override(SILENT)
        response = service.http.get("/health/ready")
        getattr(service.container, provider).reset_last_overriding()

    assert response.status_code == 200
    assert response.json()["status"] == "degraded"
    assert [name for name, is_healthy in healthy_parts(response.json()).items() if not is_healthy] == [part]


@pytest.mark.parametrize(("provider", "part"), [("unit_of_work", "database"), ("code_store", "code store")])
def test_a_service_that_can_take_no_work_is_not_ready_but_alive(tmp_path, provider: str, part: str):
    with serving(tmp_path) as service:
        getattr(service.container, provider).override(SILENT)
        response = service.http.get("/health/ready")
        alive = service.http.get("/health/live")
        getattr(service.container, provider).reset_last_overriding()

    problem = assert_problem(response, 503)
    assert response.headers["retry-after"].isdecimal()
    assert part in problem["detail"]
    assert [name for name, is_healthy in healthy_parts(problem).items() if not is_healthy] == [part]
    assert alive.json() == {"status": "live"}
