"""The form of the editor: programs with files, and for cases of each kind."""

import json
import os
from typing import Any

import httpx
import pytest

from tests.http.support import Service
from tests.http.visitor import PAGE, Visitor
from tests.support.archives import tarred, zipped

# The engine of these tests copies the input of a program to its output.
CODE = "print(input())"
CASES = [
    {"name": "right", "stdin": "1\n", "expected_stdout": "1\n"},
    {"name": "wrong", "stdin": "2\n", "expected_stdout": "5\n"},
]
FILES = {"1.in": b"1", "1.out": b"1", "2.in": b"2", "2.out": b"5"}
# More than a body of a page may have, and nothing that an archive makes smaller.
LARGE = os.urandom(5 << 20)


class Editor:
    """The editor of a project."""

    def __init__(self, service: Service, name: str) -> None:
        made = service.http.post("/api/project", json={"project_name": name}).raise_for_status()
        self.service, self.project = service, name
        self.page = f"/dashboard/projects/{made.json()['project_id']}"
        self.visitor = Visitor(service.http)

    def run(self, files: dict[str, Any] | None = None, **fields: str) -> httpx.Response:
        """Send the form; without files as one of fields alone."""
        form = {"csrf": self.visitor.token(self.page), "language": "python", "code": CODE, **fields}
        return self.visitor.http.post(f"{self.page}/run", data=form, files=files, headers=PAGE)

    def result(self, answer: httpx.Response) -> dict[str, Any]:
        """Return the result of the job that an answer leads to."""
        assert answer.status_code == 303, answer.text
        job_id = answer.headers["location"].rpartition("/")[2]
        job = self.service.http.get(f"/api/jobs/{job_id}/status", params={"wait": 30})
        assert job.status_code == 200
        details: dict[str, Any] = self.service.http.get(f"/api/jobs/{job_id}").json()
        return details


@pytest.fixture
def editor(service: Service, request: pytest.FixtureRequest) -> Editor:
    return Editor(service, request.node.name[:200])


def archive_of(content: bytes) -> dict[str, Any]:
    return {"cases_archive": ("cases.zip", content, "application/zip")}


@pytest.mark.parametrize("source", ["written", "an archive", "a case set"])
def test_a_program_is_run_for_cases_whichever_way_they_are_given(editor: Editor, source: str):
    url = f"/api/projects/{editor.project}/case-sets/doubles"
    editor.service.http.put(url, json={"cases": CASES}).raise_for_status()
    ways: dict[str, dict[str, Any]] = {
        "written": {"cases": json.dumps(CASES)},
        "an archive": {"files": archive_of(tarred(FILES))},
        "a case set": {"case_set": "doubles"},
    }

    job = editor.result(editor.run(**ways[source], stop_on="first_failure", checker="tokens"))

    assert [case["verdict"] for case in job["data"]["result"]["cases"]] == ["accepted", "wrong_answer"]
    assert (job["spec"]["checker"], job["spec"]["stop_on"]) == ("tokens", "first_failure")


def test_a_checker_may_be_a_program_and_a_tolerance_is_that_of_float(editor: Editor):
    program = {"checker": "program", "checker_language": "python", "checker_code": "pass\r\npass"}
    judged = editor.result(editor.run(cases=json.dumps(CASES), tolerance="7", **program))
    close = editor.result(editor.run(cases=json.dumps(CASES), checker="float", tolerance="0.7"))

    assert (judged["spec"]["checker"], close["spec"]["checker"]) == ("program", "float")
    assert close["status"] == "SUCCESS"


def test_a_job_without_cases_takes_no_heed_of_how_they_would_be_judged(editor: Editor):
    job = editor.result(editor.run(stdin="4", checker="float", stop_on="never"))

    assert job["data"]["result"]["stdout"] == "4"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"cases": json.dumps(CASES), "case_set": "doubles"}, "leave the others out"),
        ({"cases": "{}"}, "are not written as the page of the editor writes them"),
        ({"cases": json.dumps(CASES), "checker": "magic"}, "must be one of exact, trimmed"),
        ({"cases": json.dumps(CASES), "checker": "float", "tolerance": "much"}, "must be a number"),
        ({"cases": json.dumps(CASES), "stdin": "x"}, "is that of each of the"),
        ({"case_set": "none"}, "does not exist"),
        ({"files": archive_of(b"none")}, "neither a zip nor a tar archive"),
        ({"files": archive_of(zipped({"notes.txt": b""}))}, "has no input"),
    ],
)
def test_what_is_wrong_with_cases_is_explained_on_a_page(editor: Editor, fields: dict[str, Any], said: str):
    answer = editor.run(**fields)

    assert answer.status_code in {404, 422}
    assert said in answer.text


def test_files_come_as_parts_under_their_paths_and_archives_are_unpacked(editor: Editor):
    files = [
        ("files", ("a/b.txt", b"12", "text/plain")),
        ("files", ("c.bin", b"\0\xff\0", "application/octet-stream")),
        ("archive", ("more.zip", zipped({"d.txt": b"1"}), "application/zip")),
        ("cases_archive", ("", b"", "application/octet-stream")),
    ]

    job = editor.result(editor.run(files))

    assert [(file["path"], file["size"]) for file in job["spec"]["files"]] == [
        ("a/b.txt", 2),
        ("c.bin", 3),
        ("d.txt", 1),
    ]


def test_files_may_be_larger_than_the_body_of_a_page(editor: Editor):
    job = editor.result(editor.run([("files", ("large", LARGE, "application/octet-stream"))]))
    assert [file["size"] for file in job["spec"]["files"]] == [len(LARGE)]

    cases = archive_of(zipped({"1.in": LARGE.hex().encode()}))
    assert editor.result(editor.run(cases))["status"] == "SUCCESS"

    sets = f"{editor.page}/case-sets"
    form = {"csrf": editor.visitor.token(sets), "name": "large"}
    stored = editor.visitor.http.post(
        sets,
        data=form,
        files={"archive": ("c.zip", zipped({"1.in": LARGE}), "application/zip")},
        headers=PAGE,
    )
    assert (stored.status_code, stored.headers["location"]) == (303, f"{sets}/large")


def test_fields_are_no_larger_than_the_body_of_a_page_may_be(editor: Editor):
    as_part = editor.run([("files", ("x", b"", "text/plain"))], code="#" * (5 << 20))
    as_field = editor.run(code="#" * (5 << 20))

    assert (as_part.status_code, as_field.status_code) == (413, 413)


def test_a_forged_form_with_files_runs_nothing(editor: Editor):
    answer = editor.run(archive_of(zipped(FILES)), csrf="x" * 43)

    assert answer.status_code == 403
    assert editor.service.http.get(f"/api/projects/{editor.project}/jobs").json() == []
