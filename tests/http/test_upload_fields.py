import msgspec
import pytest

from domain.limits import STANDARD_BOUNDS, Limits
from entrypoints.http.schemas.requests import RequestedLimits
from tests.http.support import Service, assert_problem


def test_every_limit_can_be_asked_for():
    fields = {field.name for field in msgspec.structs.fields(RequestedLimits)}

    assert fields == set(STANDARD_BOUNDS) == set(Limits.__slots__)


def test_everything_that_is_asked_for_is_kept(service: Service):
    limits = {name: bounds.minimum for name, bounds in STANDARD_BOUNDS.items()}
    asked = {
        "function_name": "main",
        "description": "설명",
        "stdin": "in\0put",
        "args": ["-n", "", "--x=1"],
        "env": {"LANG": "C.UTF-8"},
        "tags": {"team": "blue", "run.id": "7:1"},
        "priority": 0,
        "max_attempts": 2,
        "retry_on": ["wall_time_limit"],
        "callback_url": "https://example.com/hook?token=1",
    }

    job = service.upload(**asked, **limits)

    details = service.http.get(f"/api/jobs/{job['job_id']}").json()
    without_cases = {"cases": 0, **dict.fromkeys(("stop_on", "case_set", "checker", "interactor"))}
    assert details["spec"] == asked | {"language": "python", "limits": limits, **without_cases}
    assert details["data"]["tags"] == asked["tags"]
    assert details["executions"] == []


def test_what_is_not_asked_for_gets_its_default(service: Service):
    job = service.upload(stdin=None, tags=None, priority=None, timeout_ms=None)

    spec = service.http.get(f"/api/jobs/{job['job_id']}").json()["spec"]
    assert (spec["stdin"], spec["tags"], spec["priority"], spec["max_attempts"]) == ("", {}, 5, 1)
    assert spec["limits"] == {name: bounds.default for name, bounds in STANDARD_BOUNDS.items()}


def test_an_upload_that_executes_is_running(service: Service):
    job = service.upload(execute=True)

    assert (job["status"], job["message"]) == ("RUNNING", "Execution started")


def test_a_job_in_full_has_its_executions(service: Service):
    job = service.run(stdin="x")

    details = service.http.get(f"/api/jobs/{job['job_id']}").json()

    (execution,) = details.pop("executions")
    del details["spec"]
    assert details == job
    assert set(execution) == {
        "execution_id",
        "number",
        "stdin",
        "requested_at",
        "claimed_at",
        "building_at",
        "notes",
        "started_at",
        "ended_at",
        "result",
    }
    assert (execution["number"], execution["stdin"]) == (1, None)
    assert execution["result"] == job["data"]["result"]
    assert execution["ended_at"] == execution["result"]["completed_at"]


def test_the_runtime_of_a_language_itself_is_kept(service: Service):
    job = service.upload(runtime="python")

    assert service.http.get(f"/api/jobs/{job['job_id']}").json()["spec"]["runtime"] == "python"


@pytest.mark.parametrize(
    ("fields", "pointer", "detail"),
    [
        ({"runtime": "python@9"}, "/runtime", "there is no such runtime of python; there are python"),
        ({"runtime": "node"}, "/runtime", "there is no such runtime of python; there are python"),
        ({"runtime": "../python"}, "/runtime", "a runtime's name has"),
        ({"presets": ["cpp17"]}, "/presets", "python has no preset cpp17; there are: none"),
        ({"presets": ["-O3"]}, "/presets", "has at most 8 names"),
        ({"presets": "cpp17"}, "/presets", "expected 'array | null'"),
    ],
)
def test_a_runtime_or_preset_that_is_not_there_is_refused(service: Service, fields, pointer, detail):
    body = {"project": "demo", "code": "1", "language": "python", **fields}

    problem = assert_problem(service.http.post("/api/upload", json=body), 422)

    assert [fault["pointer"] for fault in problem["errors"]] == [pointer]
    assert detail in problem["detail"]


def test_runtimes_are_listed(service: Service):
    listed = service.http.get("/api/runtimes").json()

    python = next(runtime for runtime in listed if runtime["name"] == "python")
    assert (python["language"], python["default"], python["presets"]) == ("python", True, [])


def test_languages_say_whether_they_run_here(service: Service):
    service.engine.unavailable["perl"] = "install perl"

    languages = {language["name"]: language for language in service.http.get("/api/languages").json()}

    assert languages["python"] == {
        "name": "python",
        "extension": ".py",
        "available": True,
        "version": "1.0",
        "version_pending": False,
        "unavailable_because": None,
    }
    assert not languages["perl"]["available"]
    assert languages["perl"]["unavailable_because"] == "install perl"
    service.engine.unavailable.clear()
