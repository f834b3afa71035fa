"""The form of the editor: programs with files, and for cases of each kind."""

import base64
import json
import os
from pathlib import Path
from typing import Any

import httpx
import pytest

from domain.caller import Scope
from tests.http.support import Service, serving
from tests.http.visitor import PAGE, Visitor, a_key_of
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


def test_arguments_variables_and_limits_are_read_as_people_write_them(editor: Editor):
    variables = [
        {"name": "PLAIN", "value": "a b", "secret": False},
        {"name": "", "value": "", "secret": False},
    ]

    job = editor.result(
        editor.run(
            args="--name 'two words' \"a \\\"quote\\\"\"\r\nlast\\ one ''",
            env=json.dumps(variables),
            timeout_ms="1 min 30 s",
            memory_mb="0.5 GiB",
            processes="8",
            max_files="100",
        )
    )

    assert job["spec"]["args"] == ["--name", "two words", 'a "quote"', "last one", ""]
    assert job["spec"]["env"] == {"PLAIN": "a b"}
    limits = job["spec"]["limits"]
    assert [limits[name] for name in ("timeout_ms", "memory_mb", "processes", "files")] == [
        90_000,
        512,
        8,
        100,
    ]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"args": "'open"}, "a quote that is not closed"),
        ({"args": "end\\"}, "a quote that is not closed"),
        ({"env": '[{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]'}, "a variable twice"),
        ({"env": '[{"name": "1A", "value": "1"}]'}, "env"),
        ({"env": '[{"key": "A"}]'}, "are not written as the page of the editor writes them"),
        ({"timeout_ms": "soon"}, "such as 10 s"),
        ({"processes": "some"}, "such as 64"),
        ({"memory_mb": "1 TiB"}, "such as 256 MiB"),
        ({"from": "0" * 32}, "does not exist"),
    ],
)
def test_what_is_wrong_with_a_field_is_explained(editor: Editor, fields: dict[str, Any], said: str):
    answer = editor.run(**fields)

    assert answer.status_code in {404, 422}
    assert said in answer.text


class TestEditing:
    """A job in the editor."""

    JOB: dict[str, Any] = {  # noqa: RUF012 - never changed
        "code": "\nprint('as it was')",
        "language": "python",
        "stdin": "4",
        "args": ["two words", "it's"],
        "env": {"NAME": "value"},
        "tags": {"team": "red, blue"},
        "timeout_ms": 90_000,
        "description": "carried",
        "priority": 7,
        "entry": "app/main.py",
        "files": [
            {"path": "a.txt", "content": "text\n"},
            {"path": "b.bin", "content_base64": "AP8="},
            {"path": "c.txt", "content": "c"},
        ],
    }

    def uploaded(self, editor: Editor, **changed: Any) -> str:
        body = {**self.JOB, "project": editor.project, **changed}
        body = {name: value for name, value in body.items() if value is not None}
        return editor.service.http.post("/api/upload", json=body).raise_for_status().json()["job_id"]

    def page(self, editor: Editor, job_id: str) -> str:
        answer = editor.visitor.http.get(f"{editor.page}/edit", params={"from": job_id}, headers=PAGE)
        assert answer.status_code == 200, answer.text
        return answer.text

    def test_the_page_has_all_of_the_job(self, editor: Editor):
        page = self.page(editor, self.uploaded(editor))

        assert (
            "\n\nprint(&#39;as it was&#39;)</textarea>" in page
        )  # of which a browser drops the first newline
        assert "&#39;two words&#39; &#39;it&#39;&#34;&#39;&#34;&#39;s&#39;</textarea>" in page
        assert 'value="90 s"' in page
        assert '{"name":"NAME","value":"value","secret":false}' in page
        assert '{"path":"b.bin","size":2,"isEditable":true}' in page

    def test_it_is_run_with_what_is_kept_and_what_is_new(self, editor: Editor):
        origin = self.uploaded(editor)
        kept = [{"path": "moved/b.bin", "from": "b.bin"}, {"path": "c.txt", "from": "c.txt"}]

        job = editor.result(
            editor.run(
                [("files", ("new.txt", b"new", "text/plain"))],
                **{"from": origin},
                code="print('new')",
                tags="team:red, blue",
                kept_files=json.dumps(kept),
            )
        )

        spec = job["spec"]
        assert [(file["path"], file["size"]) for file in spec["files"]] == [
            ("c.txt", 1),
            ("moved/b.bin", 2),
            ("new.txt", 3),
        ]
        assert (spec["entry"], spec["priority"], spec["description"]) == ("app/main.py", 7, "carried")
        assert spec["tags"] == {"team": "red, blue"}
        code = editor.service.http.get(f"/dashboard/jobs/{job['job_id']}", headers=PAGE).text
        assert "print(&#39;new&#39;)" in code

    def test_without_a_script_its_files_and_variables_are_kept(self, editor: Editor):
        job = editor.result(editor.run(**{"from": self.uploaded(editor)}))

        assert len(job["spec"]["files"]) == 3
        assert job["spec"]["env"] == {"NAME": "value"}

    def test_its_cases_are_kept_or_left_out(self, editor: Editor):
        origin = self.uploaded(editor, cases=CASES, stdin=None, entry=None, files=None)
        assert "The job&#39;s 2 test cases" in self.page(editor, origin)

        kept = editor.result(editor.run(**{"from": origin}, keep_cases="1"))
        left_out = editor.result(editor.run(**{"from": origin}))

        assert len(kept["data"]["result"]["cases"]) == 2
        assert not left_out["data"]["result"].get("cases")

    def test_its_binary_input_is_used_while_there_is_no_other(self, editor: Editor):
        origin = self.uploaded(editor, stdin=None, stdin_base64="AP8A")
        assert "input (3 B)" in self.page(editor, origin)

        kept = editor.result(editor.run(**{"from": origin}, keep_stdin="1"))
        replaced = editor.result(editor.run(**{"from": origin}, keep_stdin="1", stdin="new"))

        assert kept["data"]["result"]["stdout"] != "new"
        assert replaced["data"]["result"]["stdout"] == "new"

    def test_its_carriage_returns_are_not_lost(self, editor: Editor):
        origin = self.uploaded(editor, stdin="a\r\nb")
        assert "input (4 B)" in self.page(editor, origin)

        kept = editor.result(editor.run(**{"from": origin}, keep_stdin="1"))

        assert kept["data"]["result"]["stdout"] == "a\r\nb"

    def test_its_input_may_be_one_of_its_files(self, editor: Editor):
        origin = self.uploaded(editor, stdin=None, stdin_file="a.txt")
        assert "input (5 B)" in self.page(editor, origin)

        kept = editor.result(editor.run(**{"from": origin}, keep_stdin="1"))
        without = editor.result(editor.run(**{"from": origin}, keep_stdin="1", kept_files="[]"))

        assert kept["spec"]["stdin_file"] == "a.txt"
        assert without["spec"].get("stdin_file") is None

    def test_another_language_takes_no_entry_along(self, editor: Editor):
        job = editor.result(editor.run(**{"from": self.uploaded(editor)}, language="node"))

        assert job["spec"]["entry"] != "app/main.py"

    def test_a_job_of_another_project_is_not_there(self, editor: Editor):
        origin = self.uploaded(editor, project=f"{editor.project[:100]}-other")

        for answer in (
            editor.visitor.http.get(f"{editor.page}/edit", params={"from": origin}, headers=PAGE),
            editor.run(**{"from": origin}),
        ):
            assert answer.status_code == 404


def test_secret_variables_are_passed_on_and_asked_for_again(tmp_path: Path):
    keys = ("test:" + base64.b64encode(bytes(range(32))).decode(),)
    with serving(tmp_path, sealing_keys=keys) as service:
        editor = Editor(service, "secrets")
        variables = [{"name": "OPEN", "value": "1"}, {"name": "TOKEN", "value": "s3cret", "secret": True}]
        answer = editor.run(env=json.dumps(variables))
        job_id = answer.headers["location"].rpartition("/")[2]
        spec = service.http.get(f"/api/jobs/{job_id}").json()["spec"]
        page = editor.visitor.http.get(f"{editor.page}/edit", params={"from": job_id}, headers=PAGE).text

    assert spec["env"] == {"OPEN": "1"}
    assert "Enter them again" in page
    assert "TOKEN" not in page
    assert "s3cret" not in json.dumps(spec) + page


def test_the_editor_has_languages_by_name_and_version(editor: Editor):
    page = editor.visitor.http.get(f"{editor.page}/edit", headers=PAGE).text

    assert 'value="python" data-language="python" data-title="Python">Python' in page
    assert "disabled" not in page.partition('value="perl"')[2].partition("</option>")[0]


def test_the_editor_has_the_reason_for_which_a_language_is_not_available(editor: Editor, monkeypatch):
    monkeypatch.setitem(editor.service.engine.unavailable, "perl", "install perl")

    page = editor.visitor.http.get(editor.page, headers=PAGE).text

    option = page.partition('value="perl"')[2].partition("</option>")[0]
    assert " disabled>Perl 1.0 " in option
    assert option.endswith("not available: install perl")


def test_who_may_not_read_jobs_neither_counts_them_by_a_filter_nor_is_shown_runs_to_compare(tmp_path: Path):
    with serving(tmp_path, auth="keys") as service:
        owner, reader = (
            {"Authorization": f"Bearer {a_key_of(service, scopes=scopes)[1]}"}
            for scopes in (frozenset(Scope), {Scope.LOGS_READ})
        )
        body = {"project": "p", "code": "1", "language": "python", "description": "secret plan"}
        job = service.http.post("/api/upload", json=body, headers=owner).raise_for_status().json()["job_id"]
        compared = service.http.get(f"/dashboard/jobs/{job}/compare", headers=PAGE | reader)
        allowed = service.http.get(f"/dashboard/jobs/{job}/compare", headers=PAGE | owner)
        visitor = Visitor(service.http)
        visitor.sign_in(a_key_of(service, scopes={Scope.JOBS_WRITE})[1])
        fields = {"act": "cancel", "all": "1", "query": "q=secret"}
        refused = visitor.post("/dashboard/jobs/actions", "/dashboard/projects/p/edit", **fields)

    assert (refused.status_code, compared.status_code, allowed.status_code) == (403, 403, 200)
    assert "jobs:read" in refused.text
    assert "jobs:read" in compared.text


def test_who_may_run_programs_but_not_read_them_edits_no_job(tmp_path: Path):
    with serving(tmp_path, auth="keys") as service:
        keys = {
            name: {"Authorization": f"Bearer {a_key_of(service, scopes=scopes)[1]}"}
            for name, scopes in {
                "all": frozenset(Scope),
                "writer": {Scope.JOBS_READ, Scope.JOBS_WRITE},
            }.items()
        }
        body = {"project": "p", "code": "print('unreadable')", "language": "python"}
        job = service.http.post("/api/upload", json=body, headers=keys["all"]).raise_for_status().json()
        project = service.http.get("/api/projects", headers=keys["all"]).json()[0]["project_id"]
        url, wanted = f"/dashboard/projects/{project}/edit", {"from": job["job_id"]}
        opened = service.http.get(url, params=wanted, headers=PAGE | keys["all"])
        refused = service.http.get(url, params=wanted, headers=PAGE | keys["writer"])
        empty = service.http.get(url, headers=PAGE | keys["writer"])

    assert (opened.status_code, empty.status_code, refused.status_code) == (200, 200, 403)
    assert "unreadable" in opened.text
    assert "unreadable" not in refused.text
    assert "logs:read" in refused.text
