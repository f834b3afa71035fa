"""Checkers, interactors and case sets in an upload."""

from uuid import uuid4

import pytest

from tests.http.support import Service

_CASES = [{"stdin": "1.001\n", "expected_stdout": "1\n"}]
_PROGRAM = {"kind": "program", "language": "python", "code": "pass"}


def test_outputs_are_trimmed_and_compared_by_default(service: Service):
    job = service.run(cases=[{"stdin": "1 \n\n", "expected_stdout": "1"}])

    assert job["status"] == "SUCCESS"
    assert _spec(service, job) == (None, "trimmed", None)


@pytest.mark.parametrize(
    ("checker", "status", "diff"),
    [
        ({"kind": "exact"}, "FAILED", "line 1, column 2: expected '1', found '1.001'"),
        ({"kind": "tokens"}, "FAILED", "line 1, column 2: expected '1', found '1.001'"),
        ({"kind": "float"}, "FAILED", "line 1, column 2: expected '1', found '1.001'"),
        ({"kind": "float", "tolerance": 0.01}, "SUCCESS", None),
    ],
)
def test_a_checker_compares_them_otherwise(service: Service, checker, status, diff):
    job = service.run(cases=_CASES, checker=checker)

    details = service.http.get(f"/api/jobs/{job['job_id']}").json()
    (case,) = details["data"]["result"]["cases"]
    assert (job["status"], case["diff"]) == (status, diff)
    assert details["spec"]["checker"] == checker["kind"]


def test_a_program_that_judges_is_kept_with_the_job(service: Service):
    checked = service.upload(cases=_CASES, checker=_PROGRAM)
    spoken = service.upload(cases=_CASES, interactor={"language": "js", "code": ""})

    assert _spec(service, checked) == (None, "program", None)
    assert _spec(service, spoken) == (None, None, "node")


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"checker": {"kind": "exact"}}, "/checker"),
        ({"interactor": {"language": "python", "code": ""}}, "/interactor"),
        ({"cases": _CASES, "checker": {}}, "/checker/kind"),
        ({"cases": _CASES, "checker": {"kind": "magic"}}, "/checker/kind"),
        ({"cases": _CASES, "checker": {"kind": "exact", "tolerance": 1}}, "/checker/tolerance"),
        ({"cases": _CASES, "checker": {"kind": "float", "tolerance": -1}}, "/checker/tolerance"),
        ({"cases": _CASES, "checker": {"kind": "float", "more": 1}}, "/checker/more"),
        ({"cases": _CASES, "checker": {"kind": "program"}}, "/checker"),
        ({"cases": _CASES, "checker": {"kind": "program", "language": "python"}}, "/checker"),
        ({"cases": _CASES, "checker": {"kind": "tokens", "code": "pass"}}, "/checker"),
        ({"cases": _CASES, "checker": {**_PROGRAM, "language": "cobol"}}, "/checker/language"),
        ({"cases": _CASES, "checker": {**_PROGRAM, "code": "\0"}}, "/checker/code"),
        (
            {"cases": _CASES, "checker": _PROGRAM, "interactor": {"language": "python", "code": ""}},
            "/interactor",
        ),
        ({"cases": _CASES, "interactor": {"language": "python"}}, "/interactor/code"),
        ({"cases": _CASES, "checker": {**_PROGRAM, "files": [{"path": "a"}]}}, "/checker/files"),
        (
            {"cases": _CASES, "checker": {**_PROGRAM, "files": [{"path": "../a", "content": ""}]}},
            "/checker/files",
        ),
        ({"cases": _CASES, "checker": {"kind": "exact", "files": []}}, "/checker"),
        ({"cases": _CASES, "case_set": "sums"}, "/case_set"),
        ({"case_set": "a b"}, "/case_set"),
        ({"case_set": "sums@x"}, "/case_set"),
        ({"case_set": "sums", "stdin": "1"}, "/stdin"),
    ],
)
def test_what_cannot_judge_is_refused(service: Service, fields, pointer):
    answer = service.http.post(
        "/api/upload", json={"project": "demo", "code": "pass", "language": "python", **fields}
    )

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


def test_files_of_a_checker_are_kept_as_blobs_of_the_job(service: Service):
    files = [{"path": "testlib.h", "content": f"// {uuid4()}"}]
    before = _blobs(service)
    job = service.upload(cases=_CASES, checker={**_PROGRAM, "language": "cpp", "files": files})
    assert len(_blobs(service) - before) == 1
    assert _spec(service, job) == (None, "program", None)


def test_other_cases_of_a_rerun_are_judged_as_the_first_ones_were(service: Service):
    job = service.run(cases=_CASES, checker={"kind": "float", "tolerance": 0.01})
    cases = [{"stdin": "2.001", "expected_stdout": "2"}, {"stdin": "3.1", "expected_stdout": "3"}]

    again = service.http.post(
        f"/api/jobs/{job['job_id']}/rerun", json={"cases": cases}, params={"wait": 20}
    ).json()

    assert again["data"]["result"]["passed"] == 1
    assert _spec(service, again) == (None, "float", None)


def _blobs(service: Service):
    return {path for path in service.stored()[2] if "blobs/" in str(path)}


def test_code_of_a_checker_has_the_bound_of_code(service: Service):
    answer = service.http.post(
        "/api/upload",
        json={
            "project": "demo",
            "code": "pass",
            "language": "python",
            "cases": _CASES,
            "checker": {**_PROGRAM, "code": " " * ((1 << 20) + 1)},
        },
    )
    assert answer.status_code == 413


def _spec(service: Service, job):
    spec = service.http.get(f"/api/jobs/{job['job_id']}").json()["spec"]
    return spec["case_set"], spec["checker"], spec["interactor"]
