"""Case sets: stored in versions, and used by jobs."""

import base64
import json
from uuid import uuid4

import pytest

from tests.http.support import Service, assert_problem
from tests.support.archives import tarred, zipped

CASES = [
    {"name": "small", "stdin": "5\n", "expected_stdout": "5\n"},
    {"name": "secret", "stdin": "top secret\n", "expected_stdout": "another", "hidden": True, "weight": 3},
]
MORE = [*CASES, {"stdin_base64": base64.b64encode(b"\xff").decode(), "args": ["x"]}]


@pytest.fixture
def project() -> str:
    """A name that no project has yet."""
    return f"project {uuid4()}"


@pytest.fixture
def url(project: str) -> str:
    """The address of a case set that is not there."""
    return f"/api/projects/{project}/case-sets/sums"


def put(service: Service, url: str, cases=CASES):
    answer = service.http.put(url, json={"cases": cases})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_cases_are_stored_once_in_each_version(service: Service, url: str, project: str):
    first = put(service, url)
    assert (first["case_set"], first["total"], first["is_new"]) == ("sums@1", 2, True)
    assert first["project"] == project
    assert (put(service, url)["version"], put(service, url)["is_new"]) == (1, False)
    assert put(service, url, MORE)["case_set"] == "sums@2"

    shown = service.http.get(url).json()
    assert (shown["version"], [version["version"] for version in shown["versions"]]) == (2, [2, 1])
    assert service.http.get(url, params={"version": 1}).json()["total"] == 2
    assert service.http.get(url, params={"version": 3}).status_code == 404


def test_cases_are_shown_without_the_contents_of_hidden_ones(service: Service, url: str):
    put(service, url, MORE)

    answer = service.http.get(url)
    assert "top secret" not in answer.text
    assert "another" not in answer.text
    small, secret, third = answer.json()["cases"]
    assert (small["stdin"], small["expected_stdout"], small["stdin_bytes"]) == ("5\n", "5\n", 2)
    assert (secret["stdin"], secret["expected_stdout"], secret["args"]) == (None, None, None)
    assert (secret["hidden"], secret["weight"], secret["expected_bytes"]) == (True, 3.0, 7)
    assert (third["name"], third["stdin"], third["args"]) == ("3", "\ufffd", ["x"])
    page = service.http.get(url, params={"offset": 1, "limit": 1}).json()
    assert [case["name"] for case in page["cases"]] == ["secret"]


def test_sets_are_listed_and_deleted(service: Service, url: str, project: str):
    put(service, url)
    put(service, url.replace("sums", "others"))

    listed = service.http.get(f"/api/projects/{project}/case-sets").json()
    assert [each["case_set"] for each in listed] == ["others@1", "sums@1"]
    rest = service.http.get(f"/api/projects/{project}/case-sets", params={"after": "others"}).json()
    assert [each["name"] for each in rest] == ["sums"]

    assert service.http.delete(url).status_code == 204
    assert service.http.get(url).status_code == 404
    assert service.http.delete(url).status_code == 404
    assert service.http.get("/api/projects/nothing/case-sets").status_code == 404


def test_a_job_keeps_the_version_that_it_was_uploaded_with(service: Service, url: str, project: str):
    put(service, url, CASES[:1])
    job = service.upload(project=project, case_set="sums")
    put(service, url, MORE)
    newer = service.upload(project=project, case_set="sums")
    older = service.upload(project=project, case_set="sums@1", checker={"kind": "exact"})

    def spec(job):
        shown = service.http.get(f"/api/jobs/{job['job_id']}").json()["spec"]
        return shown["case_set"], shown["cases"], shown["checker"]

    assert (spec(job), spec(newer), spec(older)) == (
        ("sums@1", 1, "trimmed"),
        ("sums@2", 3, "trimmed"),
        ("sums@1", 1, "exact"),
    )


def test_a_job_runs_the_cases_of_a_set_that_is_deleted(service: Service, url: str, project: str):
    put(service, url, CASES[:1])
    job = service.upload(project=project, case_set="sums")
    assert service.http.delete(url).status_code == 204

    ended = service.http.post(f"/api/execute/{job['job_id']}", params={"wait": 30}).json()
    assert ended["status"] == "SUCCESS"
    assert ended["data"]["result"]["passed"] == 1


@pytest.mark.parametrize("name", ["none", "sums@9"])
def test_an_unknown_set_is_not_found(service: Service, url: str, project: str, name: str):
    put(service, url)
    upload = {"project": project, "code": "", "language": "python", "case_set": name}
    assert service.http.post("/api/upload", json=upload).status_code == 404
    assert service.http.post("/api/upload", json={**upload, "project": "unknown"}).status_code == 404


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/cases"),
        ({"cases": []}, "/cases"),
        ({"cases": [{"name": "a"}, {"name": "a"}]}, "/cases/1/name"),
        ({"cases": [{"weight": -1}]}, "/cases/0/weight"),
        ({"cases": [{"stdin": "a", "stdin_base64": "YQ=="}]}, "/cases/0/stdin_base64"),
        ({"cases": [{"wait": 1}]}, "/cases/0/wait"),
        ({"cases": [{}], "more": 1}, "/more"),
    ],
)
def test_what_is_no_set_of_cases_is_refused(service: Service, url: str, body, pointer: str):
    answer = service.http.put(url, json=body)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


def test_a_name_has_letters_digits_and_a_few_marks(service: Service, project: str):
    for name in ("a b", "a@1", "x" * 65, "-a"):
        answer = service.http.put(f"/api/projects/{project}/case-sets/{name}", json={"cases": CASES})
        assert answer.status_code == 422, name
        assert [error["parameter"] for error in answer.json()["errors"]] == ["name"]
        answer = service.http.get(f"/api/projects/{project}/case-sets", params={"after": name})
        assert [error["parameter"] for error in assert_problem(answer, 422)["errors"]] == ["after"]


FILES = {
    "set/sample/10.in": b"10",
    "set/sample/2.in": b"2",
    "set/sample/2.out": b"4",
    "set/sample/10.out": b"20",
    "set/secret/1.in": b"hush",
    "set/secret/1.ans": b"",
    "set/README.md": b"notes",
}


@pytest.mark.parametrize(
    "sent",
    [
        {"content": zipped(FILES), "headers": {"Content-Type": "application/zip"}},
        {"content": tarred(FILES), "headers": {"Content-Type": "application/gzip"}},
        {"content": tarred(FILES), "headers": {"Content-Type": "application/octet-stream"}},
        {"files": {"archive": ("cases.zip", zipped(FILES), "application/zip")}},
        {"files": {"files": ("cases.tgz", tarred(FILES), "application/gzip")}, "data": {"job": "{}"}},
    ],
    ids=["zip", "tar.gz", "any bytes", "part", "file"],
)
def test_an_archive_has_inputs_and_answers_in_natural_order(service: Service, url: str, sent):
    answer = service.http.put(url, **sent)
    assert answer.status_code == 200, answer.text
    cases = service.http.get(url).json()["cases"]
    assert [(case["name"], case["stdin"], case["expected_stdout"], case["hidden"]) for case in cases] == [
        ("sample/2", "2", "4", False),
        ("sample/10", "10", "20", False),
        ("secret/1", None, None, True),
    ]
    assert [case["expected_bytes"] for case in cases] == [1, 2, 0]


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 422),
        (b"no archive", 422),
        (zipped({}), 422),
        (zipped({"a.txt": b""}), 422),
        (zipped({"../a.in": b""}), 422),
        (zipped({"/a.in": b""}), 422),
        (zipped({"a.out": b""}), 422),
        (zipped({"a.in": b"", "A.in": b""}), 422),
        (zipped(FILES)[:-30], 422),
    ],
)
def test_a_bad_archive_is_refused(service: Service, url: str, content: bytes, status: int):
    answer = service.http.put(url, content=content, headers={"Content-Type": "application/zip"})
    assert answer.status_code == status, answer.text
    assert service.http.get(url).status_code == 404


def test_an_archive_that_is_too_large_is_refused(service: Service, url: str):
    bomb = zipped({"a.in": b"0" * (60 << 20)})
    test_a_bad_archive_is_refused(service, url, bomb, 413)
    many = zipped({f"{number}.in": b"" for number in range(10_001)})
    test_a_bad_archive_is_refused(service, url, many, 422)


def test_cases_and_an_archive_together_are_refused(service: Service, url: str):
    parts = {"archive": ("cases.zip", zipped(FILES), "application/zip")}
    answer = service.http.put(url, files=parts, data={"job": json.dumps({"cases": CASES})})
    assert answer.status_code == 422


@pytest.mark.parametrize("name", ["files", "stdin"])
def test_files_that_are_no_part_of_a_case_set_are_refused(service: Service, url: str, name: str):
    archive = ("archive", ("cases.zip", zipped(FILES), "application/zip"))
    for parts, job in (([archive], {}), ([], {"cases": CASES})):
        answer = service.http.put(url, files=[*parts, (name, ("3.in", b"3"))], data={"job": json.dumps(job)})

        assert answer.status_code == 422
        assert f"{name}: is not part of a case set" in answer.json()["detail"]
    assert service.http.get(url).status_code == 404


def test_a_compressed_body_is_refused_and_not_read_as_it_is(service: Service, url: str):
    headers = {"Content-Type": "application/x-tar", "Content-Encoding": "gzip"}
    answer = service.http.put(url, content=tarred(FILES), headers=headers)

    assert answer.status_code == 415
    assert answer.headers["accept-encoding"] == "identity"


def test_another_media_type_is_refused(service: Service, url: str):
    answer = service.http.put(url, content=zipped(FILES), headers={"Content-Type": "text/plain"})
    assert answer.status_code == 415


def test_ten_thousand_cases_are_stored_and_one_more_is_refused(service: Service, url: str):
    cases = [
        {"name": f"case {n}", "stdin": f"{n}\n", "expected_stdout": f"{n}\n", "weight": 1}
        for n in range(10_000)
    ]
    assert put(service, url, cases)["total"] == 10_000
    assert service.http.put(url, json={"cases": [*cases, {}]}).status_code == 422
    last = service.http.get(url, params={"offset": 9_999}).json()["cases"]
    assert [case["name"] for case in last] == ["case 9999"]
