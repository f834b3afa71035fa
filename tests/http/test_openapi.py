import copy
import re
from pathlib import Path

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from tests.http.api_document import ApiDocument
from tests.http.support import PROBLEM, Service, serving

OUTPUT = "/api/jobs/{jobId}/output/{stream}"

ENDPOINTS = {
    ("post", "/api/upload"),
    ("post", "/api/execute/{jobId}"),
    ("get", "/api/jobs"),
    ("get", "/api/projects/{project}/jobs"),
    ("get", "/api/jobs/{jobId}/status"),
    ("get", "/api/status/{jobId}"),
    ("post", "/api/cancel/{jobId}"),
    ("get", "/api/batches"),
    ("post", "/api/batches"),
    ("get", "/api/batches/{batchId}"),
    ("post", "/api/batches/{batchId}/cancel"),
    ("get", "/api/projects"),
    ("get", "/api/projects/{project}/case-sets"),
    ("get", "/api/projects/{project}/case-sets/{name}"),
    ("put", "/api/projects/{project}/case-sets/{name}"),
    ("delete", "/api/projects/{project}/case-sets/{name}"),
    ("post", "/api/project"),
    ("get", "/api/log"),
    ("get", "/api/log-link"),
    ("get", "/api/cloudwatch/{clusterName}"),
    ("get", "/api/cloudwatch/{clusterName}/metrics"),
    ("get", "/api/health"),
    ("get", "/api/jobs/{jobId}"),
    ("delete", "/api/jobs/{jobId}"),
    ("post", "/api/jobs/{jobId}/rerun"),
    ("post", "/api/jobs/actions"),
    ("get", "/api/jobs/{jobId}/output"),
    ("get", "/api/jobs/{jobId}/output/{stream}"),
    ("get", "/api/jobs/{jobId}/output/{stream}/lines"),
    ("get", "/api/jobs/{jobId}/output/{stream}/matches"),
    ("get", "/api/jobs/{jobId}/events"),
    ("get", "/api/jobs/{jobId}/artifacts/{path}"),
    ("get", "/api/jobs/{jobId}/cases"),
    ("get", "/api/jobs/{jobId}/timeline"),
    ("get", "/api/engine"),
    ("get", "/api/languages"),
    ("get", "/api/runtimes"),
    ("post", "/api/projects/{project}/archive"),
    ("post", "/api/projects/{project}/restore"),
    ("delete", "/api/projects/{project}"),
    ("post", "/api/executions/{execution_id}/completion"),
    ("get", "/api/audit"),
    ("get", "/api/keys"),
    ("post", "/api/keys"),
    ("delete", "/api/keys/{key_id}"),
    ("post", "/api/keys/{key_id}/rotate"),
    ("get", "/api/tenants"),
    ("post", "/api/tenants"),
    ("get", "/api/tenants/{tenant}"),
    ("patch", "/api/tenants/{tenant}"),
    ("delete", "/api/tenants/{tenant}"),
    ("put", "/api/tenants/{tenant}/quota"),
    ("get", "/api/tenants/{tenant}/retention"),
    ("put", "/api/tenants/{tenant}/retention"),
    ("get", "/api/projects/{project}/retention"),
    ("put", "/api/projects/{project}/retention"),
    ("get", "/api/usage"),
    ("get", "/api/usage/quota"),
    ("get", "/api/webhooks"),
    ("post", "/api/webhooks"),
    ("patch", "/api/webhooks/{webhook_id}"),
    ("delete", "/api/webhooks/{webhook_id}"),
    ("post", "/api/webhooks/{webhook_id}/rotate"),
    ("post", "/api/webhooks/{webhook_id}/test"),
    ("get", "/api/webhooks/{webhook_id}/deliveries"),
    ("post", "/api/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver"),
    ("get", "/api/jobs/{jobId}/deliveries"),
    ("post", "/api/jobs/{jobId}/deliveries/{delivery_id}/redeliver"),
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


def test_the_document_is_valid(document: dict):
    validate(document, cls=OpenAPIV31SpecValidator)


def test_operations_have_names_for_generated_clients(operations: dict):
    names = {operation["operationId"] for operation in operations.values()}

    assert len(names) == len(operations)
    assert names >= {"uploadCode", "executeJob", "listJobs", "getJobStatus", "getStatus", "cancelJob"}
    assert all(re.fullmatch(r"[a-z]+([A-Z][a-z]+)+", name) for name in names)


def test_every_error_is_documented_as_a_problem_with_an_example(document: dict, operations: dict):
    shared = document["components"]["responses"]
    for operation in operations.values():
        assert operation["responses"].keys() >= {"400", "408", "421", "422", "431", "500", "503", "default"}
        for status, answer in operation["responses"].items():
            if status[0] in "45":
                problem = shared[answer["$ref"].removeprefix("#/components/responses/")]
                content = problem["content"]["application/problem+json"]
                assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
                example = content["examples"]["example"]["value"]
                assert set(example) >= PROBLEM
                assert example["status"] == int(status)
    assert "Retry-After" in shared["Unavailable"]["headers"]
    assert "Retry-After" in shared["QuotaExceeded"]["headers"]
    assert "429" in operations["post", "/api/upload"]["responses"]
    assert "429" not in operations["get", "/api/health"]["responses"]
    assert "WWW-Authenticate" in shared["NotAuthenticated"]["headers"]


def test_every_success_names_its_headers(document: dict, operations: dict):
    for operation in operations.values():
        for status, answer in operation["responses"].items():
            if status[0] in "23":
                assert answer["headers"].keys() >= {"X-Request-ID", "Vary", "Cache-Control"}
                assert set(answer["headers"]) <= document["components"]["headers"].keys()
    assert "X-Ignored-Fields" in operations["post", "/api/upload"]["responses"]["200"]["headers"]
    assert "Link" in operations["get", "/api/jobs"]["responses"]["200"]["headers"]
    assert "Content-Range" in operations["get", OUTPUT]["responses"]["206"]["headers"]
    for path in ("/api/jobs/{jobId}", "/api/jobs/{jobId}/status", "/api/log", OUTPUT):
        assert "ETag" in operations["get", path]["responses"]["200"]["headers"]
        assert "304" in operations["get", path]["responses"]
        assert "If-None-Match" in {one["name"] for one in operations["get", path]["parameters"]}


def test_bounds_are_those_in_force(tmp_path, document: dict):
    upload = document["components"]["schemas"]["UploadRequest"]["properties"]
    assert upload["timeout_ms"]["oneOf"][0] == {"type": "integer", "minimum": 100, "maximum": 600_000}
    assert upload["priority"]["oneOf"][0] == {"type": "integer", "minimum": 0, "maximum": 9}
    assert upload["code"]["maxLength"] == 1 << 20
    assert {"python", "cpp", "node"} <= set(upload["language"]["anyOf"][0]["enum"])

    with serving(tmp_path, max_code_bytes=100) as service:
        document = service.http.get("/openapi.json").json()
    assert document["components"]["schemas"]["UploadRequest"]["properties"]["code"]["maxLength"] == 100


def test_settings_change_no_description_of_an_answer(tmp_path, document: dict, operations: dict):
    changed = {"auth": "keys", "environment": "production", "max_code_bytes": 100, "max_upload_mb": 1}
    with serving(tmp_path, **changed) as service:
        other = service.http.get("/openapi.json").json()

    for method, path in operations:
        assert other["paths"][path][method]["responses"] == document["paths"][path][method]["responses"], path
    assert other["components"]["responses"] == document["components"]["responses"]
    differing = {
        name
        for name, schema in document["components"]["schemas"].items()
        if other["components"]["schemas"][name] != schema
    }
    assert differing == {"UploadRequest"}


def test_a_completion_says_how_it_is_signed(document: dict, operations: dict):
    completion = operations["post", "/api/executions/{execution_id}/completion"]
    schemes = document["components"]["securitySchemes"]

    (needed,) = completion["security"]
    assert {schemes[name]["name"] for name in needed} == {
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
    }
    body = completion["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"$ref": "#/components/schemas/EngineReport"}
    assert not [
        path
        for (_, path), other in operations.items()
        if other is not completion and any(needed.keys() & one.keys() for one in other["security"])
    ]


def test_an_operation_names_its_scope_and_the_ways_to_bring_a_key(document: dict, operations: dict):
    schemes = document["components"]["securitySchemes"]
    upload = operations["post", "/api/upload"]

    assert schemes["bearer"]["scheme"] == "bearer"
    assert schemes["authToken"]["name"] == "X-Auth-Token"
    # Last, no key: here nobody is asked for one.
    assert upload["security"] == [{"bearer": ["jobs:write"]}, {"authToken": ["jobs:write"]}, {}]
    assert "`jobs:write`" in upload["description"]
    assert operations["get", "/api/health"]["security"] == []


def test_what_is_not_documented_would_be_noticed(service: Service, document: dict):
    answer = service.http.get("/api/health")
    changed = copy.deepcopy(document)
    described = changed["paths"]["/api/health"]["get"]["responses"]["200"]
    ApiDocument(changed).check(answer)

    del described["headers"]["Vary"]
    with pytest.raises(AssertionError, match="vary"):
        ApiDocument(changed).check(answer)
    described["headers"]["Vary"] = {}
    changed["components"]["schemas"]["HealthResponse"]["properties"]["status"]["type"] = "integer"
    with pytest.raises(AssertionError, match="healthy"):
        ApiDocument(changed).check(answer)
    del changed["paths"]["/api/health"]["get"]["responses"]["200"]
    with pytest.raises(AssertionError, match="not in the document"):
        ApiDocument(changed).check(answer)


def test_the_document_is_at_the_usual_addresses_too(service: Service, document: dict):
    response = service.http.get("/openapi.json")

    assert response.json() == document
    assert response.headers["content-type"] == "application/json"
    cached = service.http.get("/openapi.json", headers={"if-none-match": response.headers["etag"]})
    assert (cached.status_code, cached.content) == (304, b"")


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
        "language",
    }
    for path, is_required in (("upload", True), ("execute/{jobId}", False), ("project", False)):
        body = document["paths"][f"/api/{path}"]["post"]["requestBody"]
        assert body["required"] is is_required
    assert "result" not in document["components"]["schemas"]["JobData"]["required"]


@pytest.mark.parametrize(("path", "files"), [("/docs", 6), ("/redoc", 5)])
def test_a_page_loads_nothing_from_elsewhere(service: Service, path: str, files: int):
    page = service.http.get(path)

    assert page.status_code == 200
    policy = page.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert not re.search(r"https?:", policy)
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(loaded) >= files
    for url in loaded:
        assert re.fullmatch(r"/docs/[\w./-]+|/openapi\.json|/dashboard|/docs|/redoc", url)
        assert service.http.get(url).status_code == 200
    assert "/dashboard" in loaded
    style = service.http.get("/docs/static/swagger-ui.css").text
    assert not re.search(r"""url\(["']?(?!["']?data:)|@import""", style)


def test_the_first_operations_make_what_the_others_need(service: Service):
    paths = list(service.http.get("/openapi.json").json()["paths"])

    assert paths[:2] == ["/api/upload", "/api/execute/{jobId}"]


def test_the_files_of_the_page_bear_their_licence(service: Service):
    for name in (
        *("LICENSE", "NOTICE", "swagger-ui-bundle.js.LICENSE.txt"),
        *("redoc.LICENSE", "redoc.standalone.js.LICENSE.txt"),
    ):
        assert service.http.get(f"/docs/static/{name}").status_code == 200


@pytest.mark.parametrize(
    "path", ["..%2f..%2fapp.py", "../../app.py", "%2e%2e/%2e%2e/app.py", "..%5c..%5capp.py"]
)
def test_nothing_but_the_files_of_the_page_is_served(service: Service, path: str):
    response = service.http.get(f"/docs/static/{path}")

    assert response.status_code == 404
    assert Path(__file__).read_text().splitlines()[0] not in response.text
