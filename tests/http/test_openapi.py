import re
from pathlib import Path

import pytest

from tests.http.support import PROBLEM, Service

ENDPOINTS = {
    ("post", "/api/upload"),
    ("post", "/api/execute/{jobId}"),
    ("get", "/api/jobs"),
    ("get", "/api/projects/{project}/jobs"),
    ("get", "/api/jobs/{jobId}/status"),
    ("get", "/api/status/{jobId}"),
    ("post", "/api/cancel/{jobId}"),
    ("get", "/api/projects"),
    ("post", "/api/project"),
    ("get", "/api/log"),
    ("get", "/api/cloudwatch/{clusterName}"),
    ("get", "/api/cloudwatch/{clusterName}/metrics"),
    ("get", "/api/health"),
    ("get", "/api/jobs/{jobId}"),
    ("get", "/api/jobs/{jobId}/output"),
    ("get", "/api/jobs/{jobId}/output/{stream}"),
    ("get", "/api/jobs/{jobId}/events"),
    ("get", "/api/jobs/{jobId}/timeline"),
    ("get", "/api/engine"),
    ("get", "/api/languages"),
    ("post", "/api/projects/{project}/archive"),
    ("post", "/api/projects/{project}/restore"),
    ("delete", "/api/projects/{project}"),
    ("post", "/api/executions/{execution_id}/completion"),
    ("get", "/health/live"),
    ("get", "/health/ready"),
}


@pytest.fixture(scope="module")
def document(whole_service: Service) -> dict:
    response = whole_service.http.get("/docs/openapi.json")
    assert response.status_code == 200
    return response.json()


@pytest.fixture(scope="module")
def operations(document: dict) -> dict[tuple[str, str], dict]:
    return {
        (method, path): operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }


def test_every_operation_is_there(operations: dict):
    assert set(operations) == ENDPOINTS


def test_every_operation_is_described(document: dict, operations: dict):
    tags = {tag["name"] for tag in document["tags"]}
    for operation in operations.values():
        assert operation["summary"]
        assert set(operation["tags"]) <= tags
        for parameter in operation.get("parameters", ()):
            assert parameter["description"]
    assert len({operation["operationId"] for operation in operations.values()}) == len(operations)


def test_every_error_is_documented_as_a_problem_with_an_example(operations: dict):
    for operation in operations.values():
        errors = {status: answer for status, answer in operation["responses"].items() if status != "200"}
        assert "500" in errors
        assert "400" not in errors
        for status, answer in errors.items():
            (media_type,) = answer["content"]
            assert media_type == "application/problem+json"
            (example,) = answer["content"][media_type]["examples"].values()
            assert set(example["value"]) >= PROBLEM
            assert example["value"]["status"] == int(status)


def test_every_body_has_an_example_that_the_service_takes(service: Service, operations: dict):
    for operation in (operations["post", "/api/upload"], operations["post", "/api/project"]):
        examples = operation["requestBody"]["content"]["application/json"]["schema"]["examples"]
        assert examples
        path = next(path for (_method, path), other in operations.items() if other is operation)
        for example in examples:
            assert service.http.post(path, json=example).status_code == 200


def test_only_what_is_needed_is_required(document: dict):
    assert set(document["components"]["schemas"]["UploadRequest"]["required"]) == {
        "project",
        "code",
        "language",
    }
    for path, is_required in (("upload", True), ("execute/{jobId}", False), ("project", False)):
        body = document["paths"][f"/api/{path}"]["post"]["requestBody"]
        assert body["required"] is is_required
    assert "result" not in document["components"]["schemas"]["JobData"]["required"]


def test_the_page_loads_nothing_from_elsewhere(service: Service):
    page = service.http.get("/docs")

    assert page.status_code == 200
    policy = page.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert not re.search(r"https?:", policy)
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(loaded) >= 4
    for url in loaded:
        assert re.fullmatch(r"/docs/[\w./-]+", url)
        assert service.http.get(url).status_code == 200
    style = service.http.get("/docs/static/swagger-ui.css").text
    assert not re.search(r"""url\(["']?(?!["']?data:)|@import""", style)


def test_the_files_of_the_page_bear_their_licence(service: Service):
    for name in ("LICENSE", "NOTICE", "swagger-ui-bundle.js.LICENSE.txt"):
        assert service.http.get(f"/docs/static/{name}").status_code == 200


@pytest.mark.parametrize(
    "path", ["..%2f..%2fapp.py", "../../app.py", "%2e%2e/%2e%2e/app.py", "..%5c..%5capp.py"]
)
def test_nothing_but_the_files_of_the_page_is_served(service: Service, path: str):
    response = service.http.get(f"/docs/static/{path}")

    assert response.status_code == 404
    assert Path(__file__).read_text().splitlines()[0] not in response.text
