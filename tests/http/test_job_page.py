"""The page of a job: its code, its files, its arguments and its variables."""

import json
import re

import pytest

from application.ports.execution_engine import EngineReport
from domain.execution import ExecutionResult, LimitHit, Output, ResourceUsage
from domain.job_lifecycle import JobStatus, Reason
from tests.http.support import UNKNOWN_ID, Service

_HOSTILE = "</script><script>alert(1)</script>"
_ADDRESSES = re.compile(r"data-code-files='(.*?)'")


def page_of(service: Service, job: dict) -> str:
    return service.http.get(f"/dashboard/jobs/{job['job_id']}").text


def addresses(page: str) -> dict[str, str]:
    found = _ADDRESSES.search(page)
    assert found is not None
    return json.loads(found[1])


def test_lines_have_addresses_by_the_names_that_the_language_gives_the_file(service: Service):
    python = service.upload()
    java = service.upload(
        language="java", code="record Point(int x) {}\npublic class Program { interface\n  Shape {} }"
    )

    assert addresses(page_of(service, python)) == {"main.py": "#L", f"{python['job_id']}.py": "#L"}
    names = {"Main.java", "Point.java", "Program.java", "Shape.java", f"{java['job_id']}.java"}
    assert addresses(page_of(service, java)) == dict.fromkeys(names, "#L")


def test_lines_of_files_have_addresses_of_their_own(service: Service):
    paths = ["src/util.py", "데이터 #1.txt", _HOSTILE]
    files = [{"path": path, "content": f"of {path}"} for path in paths]
    job = service.upload(files=files, entry="src/app.py")

    page = page_of(service, job)

    assert _HOSTILE not in page
    assert addresses(page) == {
        "src/app.py": "#L",
        f"{job['job_id']}.py": "#L",
        "src/util.py": "#src/util.py:L",
        "데이터 #1.txt": "#%EB%8D%B0%EC%9D%B4%ED%84%B0%20%231.txt:L",
        _HOSTILE: "#%3C/script%3E%3Cscript%3Ealert%281%29%3C/script%3E:L",
    }
    urls = re.findall(r'data-href="(/dashboard/jobs/[^"]+/files/[^"]+)"', page)
    contents = {service.http.get(url).text for url in urls}
    assert contents == {f"of {path}" for path in paths}


def test_code_and_files_are_answered_as_texts_that_no_browser_runs(service: Service):
    code = _HOSTILE + "\x1b[31m"
    job = service.upload(code=code, files=[{"path": "index.html", "content": code}])

    for path in ("code", "files/index.html"):
        response = service.http.get(f"/dashboard/jobs/{job['job_id']}/{path}")
        assert response.text == code
        assert response.headers["content-type"].startswith("text/plain")
        assert response.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in response.headers["content-security-policy"]


@pytest.mark.parametrize("path", ["files/none.txt", "files/../main.py", "files/%2e%2e/main.py"])
def test_a_file_that_the_job_does_not_have_is_not_found(service: Service, path: str):
    job = service.upload()

    assert service.http.get(f"/dashboard/jobs/{job['job_id']}/{path}").status_code == 404
    assert service.http.get(f"/dashboard/jobs/{UNKNOWN_ID}/files/a").status_code == 404


def test_a_file_too_large_for_the_page_is_to_be_saved(service: Service):
    job = service.upload(files=[{"path": "large.txt", "content": "x" * ((1 << 20) + 1)}])

    page = page_of(service, job)

    assert "Too large to show here." in page
    assert "data-href" not in page.split('id="code-title"')[1]


def test_tags_lead_to_the_jobs_that_have_them(service: Service):
    job = service.run(tags={"team": "blue & red"})

    (address,) = re.findall(r'class="tag" href="([^"]+)"', page_of(service, job))

    assert address == "/dashboard/jobs?tag=team%3Ablue+%26+red"
    assert job["job_id"] in service.http.get(address).text


def test_a_build_that_failed_has_its_time(service: Service):
    service.engine.program = _not_compiling
    job = service.run(language="c")

    assert re.search(r'<span class="took small">built \d+ ms</span>', page_of(service, job))


def test_arguments_are_shown_apart_and_variables_with_their_values_folded_away(service: Service):
    job = service.upload(args=["two words", "*", ""], env={"TOKEN": "value of it"})

    page = page_of(service, job)

    assert "<code>two words</code> <code>*</code> <code></code>" in page
    variable = re.search(r"<details><summary>(.*?)</summary>(.*?)</details>", page, re.DOTALL)
    assert variable is not None
    assert "TOKEN" in variable[1]
    assert "value of it" not in variable[1]
    assert "value of it" in variable[2]


def test_a_page_is_found_by_the_beginning_of_the_id(service: Service):
    job_id = service.upload()["job_id"]

    for given in (job_id[:-2], job_id.upper(), job_id.replace("-", "")):
        response = service.http.get(f"/dashboard/jobs/{given}")
        assert (response.status_code, response.headers["location"]) == (303, f"/dashboard/jobs/{job_id}")


def test_the_heading_says_how_the_run_ended_once(service: Service):
    service.engine.program = _exceeding
    job = service.run()

    heading = page_of(service, job).split('<ol class="pipeline')[0]

    assert "Memory limit exceeded: 262 MiB of 256 MiB" in heading
    assert "exit code" not in heading
    assert heading.count("signal") == 0
    assert page_of(service, job).count("262 MiB of 256 MiB") == 2  # there, and at its meter


def test_output_that_was_cut_is_more_than_its_limit_allows(service: Service):
    def program(_request, observer):
        observer.started()
        limit = LimitHit("output_mb", 17, 16)
        return EngineReport(
            ExecutionResult(status=JobStatus.FAILED, reason=Reason.OUTPUT_LIMIT, signal=9, limit=limit)
        )

    service.engine.program = program
    page = page_of(service, service.run())

    assert "Output limit exceeded: more than 16 MiB" in page.split('<ol class="pipeline')[0]
    assert "16 MiB of 16 MiB" in page
    assert "17 MiB" not in page


@pytest.mark.parametrize(("stderr", "shown"), [("", 1), ("a warning", 0)])
def test_messages_of_a_build_are_shown_unless_stderr_has_them(service: Service, stderr: str, shown: int):
    def program(_request, observer):
        observer.started()
        outputs = {"compile_output": Output.of("a warning"), "stderr": Output.of(stderr)}
        return EngineReport(ExecutionResult(status=JobStatus.SUCCESS, exit_code=0, **outputs))

    service.engine.program = program

    assert page_of(service, service.run()).count("data-positions>a warning</pre>") == shown


def _not_compiling(_request, observer):
    observer.building()
    return EngineReport(ExecutionResult(status=JobStatus.FAILED, reason=Reason.COMPILE_ERROR, exit_code=1))


def _exceeding(_request, observer):
    observer.started()
    result = ExecutionResult(
        status=JobStatus.FAILED,
        reason=Reason.MEMORY_LIMIT,
        signal=9,
        limit=LimitHit("memory_mb", 262, 256),
        resource=ResourceUsage(memory_mb=261.2),
    )
    return EngineReport(result)
