"""Cases in an upload, and their results."""

import base64

import pytest

from application.ports.execution_engine import EngineReport
from domain.execution import ExecutionResult
from domain.job_lifecycle import JobStatus, Reason
from tests.http.support import PROBLEM, UNKNOWN_ID, Service, assert_problem, poll
from tests.support.scripted_engine import echo_case

_CASES = [
    {"name": "first", "stdin": "1\n", "expected_stdout": "1\n", "weight": 2},
    {"name": "second", "stdin": "secret\n", "expected_stdout": "another\n", "hidden": True},
    {"stdin_base64": base64.b64encode(b"3").decode(), "args": ["x"], "limits": {"timeout_ms": 1000}},
]


def test_the_results_of_all_cases_are_in_the_job(service: Service):
    job = service.run(cases=_CASES)

    result = job["data"]["result"]
    assert (job["status"], result["reason"]) == ("FAILED", "cases_failed")
    assert job["message"] == "2 of 3 test cases passed"
    assert {name: result[name] for name in ("passed", "total", "score", "max_score")} == {
        "passed": 2,
        "total": 3,
        "score": 3.0,
        "max_score": 4.0,
    }
    details = service.http.get(f"/api/jobs/{job['job_id']}").json()
    assert (details["spec"]["cases"], details["spec"]["stop_on"]) == (3, "never")
    assert details["data"]["result"]["cases"] == result["cases"]
    first, second, third = result["cases"]
    assert (first["name"], first["verdict"], first["stdout"], first["weight"]) == (
        "first",
        "accepted",
        "1\n",
        2.0,
    )
    assert (second["verdict"], second["time_ms"], second["hidden"]) == ("wrong_answer", 5, True)
    assert (third["name"], third["verdict"]) == ("3", "accepted")
    assert [case["score"] for case in result["cases"]] == [2.0, 0.0, 1.0]


def test_a_hidden_case_shows_nothing_of_its_contents_anywhere(service: Service):
    job = service.run(cases=_CASES)

    for path in ("", "/cases", "/timeline", "/output"):
        answer = service.http.get(f"/api/jobs/{job['job_id']}{path}").text
        assert "secret" not in answer
        assert "another" not in answer


def test_cases_are_read_by_themselves(service: Service):
    job = service.run(cases=_CASES)

    cases = service.http.get(f"/api/jobs/{job['job_id']}/cases").json()

    assert {name: cases[name] for name in ("total", "passed", "done")} == {"total": 3, "passed": 2, "done": 3}
    details = service.http.get(f"/api/jobs/{job['job_id']}").json()
    assert cases["cases"] == details["data"]["result"]["cases"]


def test_a_job_without_cases_has_none(service: Service):
    job = service.run()

    assert "total" not in job["data"]["result"]
    cases = service.http.get(f"/api/jobs/{job['job_id']}/cases").json()
    assert (cases["total"], cases["done"], cases["cases"]) == (0, 0, [])
    assert service.http.get(f"/api/jobs/{UNKNOWN_ID}/cases").status_code == 404


def test_a_job_whose_cases_are_all_accepted_is_a_success(service: Service):
    job = service.run(cases=_CASES[:1], stop_on="first_failure")

    assert (job["status"], job["data"]["reason"]) == ("SUCCESS", None)
    assert job["message"] == "1 of 1 test case passed"


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ({"params": {"input_data": "1"}}, {"parameter": "input_data"}),
        ({"json": {"stdin": "1"}}, {"pointer": "/stdin"}),
    ],
    ids=["query", "body"],
)
def test_a_job_with_cases_takes_no_input_of_its_own(service: Service, given: dict, place: dict):
    job_id = service.upload(cases=[{"name": "one", "stdin": "1"}])["job_id"]

    (error,) = assert_problem(service.http.post(f"/api/execute/{job_id}", **given), 422)["errors"]

    assert error == place | {"detail": "is that of each of the 'cases'; leave one of them out"}
    assert service.http.get(f"/api/jobs/{job_id}/status").json()["status"] == "PENDING"
    assert service.http.post(f"/api/execute/{job_id}", params={"input_data": ""}).status_code == 200


def test_lists_have_the_sums_alone(service: Service):
    service.run(cases=_CASES)

    job, *_others = service.http.get("/api/jobs").json()

    assert job["data"]["result"]["total"] == 3
    assert "cases" not in job["data"]["result"]


def test_cases_behind_a_failure_are_skipped_if_so_asked(service: Service, monkeypatch):
    failed = EngineReport(ExecutionResult(status=JobStatus.FAILED, reason=Reason.SIGNAL, signal=11))
    monkeypatch.setattr(
        service.engine, "case", lambda given: failed if given.stdin == b"1\n" else echo_case(given)
    )

    job = service.run(cases=[_CASES[0], *({"stdin": str(n)} for n in range(200))], stop_on="first_failure")

    first, *others = service.http.get(f"/api/jobs/{job['job_id']}/cases").json()["cases"]
    assert (first["verdict"], first["signal"]) == ("runtime_error", 11)
    # Other threads may have run some before the failure was known.
    assert {case["verdict"] for case in others} <= {"accepted", "skipped"}
    assert {case["time_ms"] for case in others if case["verdict"] == "skipped"} <= {None}
    assert job["data"]["result"]["passed"] == sum(case["verdict"] == "accepted" for case in others)


@pytest.mark.parametrize(
    ("cases", "pointer"),
    [
        ([{}, {"weight": -1}], "/cases/1/weight"),
        ([{"name": "a"}, {"name": "a"}], "/cases/1/name"),
        ([{"name": "a\nb"}], "/cases/0/name"),
        ([{"limits": {"timeout_ms": 1}}], "/cases/0/limits/timeout_ms"),
        ([{"limits": {"build_timeout_ms": 1_000}}], "/cases/0/limits/build_timeout_ms"),
        ([{"stdin": "a", "stdin_base64": "YQ=="}], "/cases/0/stdin_base64"),
        ([{"stdin_base64": "?"}], "/cases/0/stdin_base64"),
        ([{"stdin_base64": "é"}], "/cases/0/stdin_base64"),
        ([{"colour": 1}], "/cases/0/colour"),
        ([{"stdin": 1}], "/cases/0/stdin"),
        ([{"args": ["a\0b"]}], "/cases/0/args"),
        ([], "/cases"),
    ],
)
def test_a_fault_names_the_case_and_its_field(service: Service, cases: list, pointer: str):
    answer = service.http.post(
        "/api/upload", json={"project": "p", "code": "", "language": "python", "cases": cases}
    )

    problem = answer.json()
    assert (answer.status_code, {*problem} >= PROBLEM) == (422, True)
    assert [error.get("pointer") for error in problem["errors"]] == [pointer]


def test_more_cases_than_are_allowed_are_refused(service: Service):
    answer = service.http.post(
        "/api/upload", json={"project": "p", "code": "", "language": "python", "cases": [{}] * 10_001}
    )

    assert answer.status_code == 422
    assert "1 to 10000 cases, and 10001 were sent" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("checker", "pointer"),
    [
        ({"kind": "program"}, "/checker"),
        ({"kind": "program", "language": "python"}, "/checker"),
        ({"kind": "exact", "language": "python", "code": ""}, "/checker"),
        ({"kind": "exact", "tolerance": 1}, "/checker/tolerance"),
        ({"kind": "float", "tolerance": -1}, "/checker/tolerance"),
    ],
)
def test_a_fault_of_a_checker_is_pointed_at(service: Service, checker: dict, pointer: str):
    answer = service.http.post(
        "/api/upload",
        json={"project": "p", "code": "", "language": "python", "cases": [{}], "checker": checker},
    )

    assert answer.status_code == 422
    assert [error.get("pointer") for error in answer.json()["errors"]] == [pointer]


@pytest.mark.parametrize(
    "fields",
    [{"stop_on": "never"}, {"cases": [{}], "stdin": "x"}, {"cases": [{}], "artifacts": ["*.txt"]}],
)
def test_options_that_exclude_each_other_are_refused(service: Service, fields: dict):
    answer = service.http.post(
        "/api/upload", json={"project": "p", "code": "", "language": "python", **fields}
    )

    assert answer.status_code == 422


def test_ten_thousand_cases_are_accepted(service: Service):
    cases = [
        {"name": f"case {n}", "stdin": f"{n}\n", "expected_stdout": f"{n}\n", "weight": 1, "hidden": False}
        for n in range(10_000)
    ]

    job = service.upload(cases=cases)

    assert service.http.get(f"/api/jobs/{job['job_id']}").json()["spec"]["cases"] == 10_000


_FILES = [
    {"path": "in/1.txt", "content": "1\n"},
    {"path": "out/1.txt", "content": "1\n"},
    {"path": "data.txt", "content": "the program's own"},
]


def test_cases_may_name_files_of_the_upload(service: Service):
    cases = [{"stdin_file": "in/1.txt", "expected_file": "out/1.txt"}, {"stdin_file": "in/1.txt"}]

    job = service.run(cases=cases, files=_FILES)

    assert job["status"] == "SUCCESS"
    assert [given.stdin for given in service.engine.inputs[-2:]] == [b"1\n", b"1\n"]
    request, _tree = service.engine.builds[-1]
    assert [file.path for file in request.spec.files] == ["data.txt"]


@pytest.mark.parametrize(
    ("case", "pointer"),
    [
        ({"stdin_file": "none"}, "/cases/0/stdin_file"),
        ({"expected_file": "none"}, "/cases/0/expected_file"),
        ({"stdin": "x", "stdin_file": "in/1.txt"}, "/cases/0/stdin_file"),
        ({"expected_stdout": "x", "expected_file": "out/1.txt"}, "/cases/0/expected_file"),
    ],
)
def test_a_file_that_is_not_there_or_not_alone_is_refused(service: Service, case: dict, pointer: str):
    body = {"project": "p", "code": "", "language": "python", "files": _FILES, "cases": [case]}

    answer = service.http.post("/api/upload", json=body)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer


def test_one_large_file_counts_for_each_case_that_names_it(service: Service):
    files = [{"path": "in.txt", "content": "x" * (1 << 20)}]
    body = {"project": "p", "code": "", "language": "python", "files": files}

    answer = service.http.post("/api/upload", json=body | {"cases": [{"stdin_file": "in.txt"}] * 65})

    assert answer.status_code == 413
    assert "67108864 bytes are allowed together" in answer.json()["detail"]


def test_a_cancelled_job_has_the_sums_of_the_cases_that_were_run(service: Service, monkeypatch):
    def cancels_at_the_second(given):
        if given.stdin == b"secret\n":
            (job,) = service.http.get("/api/jobs", params={"status": "RUNNING"}).json()
            service.http.post(f"/api/cancel/{job['job_id']}").raise_for_status()
            return EngineReport(ExecutionResult(status=JobStatus.CANCELLED, reason=Reason.CANCELLED))
        return echo_case(given)

    monkeypatch.setattr(service.engine, "case", cancels_at_the_second)

    job_id = service.upload(cases=_CASES, execute=True)["job_id"]

    def ended():
        job = service.http.get(f"/api/jobs/{job_id}").json()
        return job if "total" in job["data"].get("result", {}) else None

    job = poll(ended)
    result = job["data"]["result"]
    assert job["status"] == "CANCELLED"
    assert "test cases passed" not in job["message"]
    assert (result["total"], result["max_score"]) == (3, 4.0)
    # The first case may be cancelled too, and then no case has a result.
    assert result["passed"] == sum(case["verdict"] == "accepted" for case in result.get("cases", ()))
