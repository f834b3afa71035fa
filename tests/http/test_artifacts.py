"""Files that programs wrote, in results and as downloads."""

import hashlib
import json
from urllib.parse import quote

import pytest

from application.new_files import NewBlob, NewFile
from application.ports.execution_engine import EngineReport
from domain.blob import BlobRef
from domain.execution import ExecutionResult, Output
from domain.job_lifecycle import JobStatus
from domain.tenant import DEFAULT_TENANT
from tests.http.support import UNKNOWN_ID, Service, assert_problem

FILES = {
    "out/plot.png": b"\x89PNG" + bytes(range(256)),
    "out/한국 & <b>.html": b"<script>alert(1)</script>",
    "report.txt": b"line\n",
    "empty.bin": b"",
}


def writing(files):
    def program(_request, observer):
        observer.started()
        result = ExecutionResult(status=JobStatus.SUCCESS, stdout=Output(), exit_code=0)
        return EngineReport(
            result, artifacts=[NewFile(path, NewBlob.of(content)) for path, content in files.items()]
        )

    return program


@pytest.fixture
def job(service: Service):
    service.engine.program = writing(FILES)
    return service.run(artifacts=["**"])


def test_a_result_lists_the_files_with_size_type_and_digest(service: Service, job):
    artifacts = {each["path"]: each for each in job["data"]["result"]["artifacts"]}

    assert set(artifacts) == set(FILES)
    for path, content in FILES.items():
        assert artifacts[path]["size"] == len(content)
        assert artifacts[path]["sha256"] == hashlib.sha256(content).hexdigest()
    assert artifacts["out/plot.png"]["media_type"] == "image/png"
    assert artifacts["empty.bin"]["media_type"] == "application/octet-stream"
    details = service.http.get(f"/api/jobs/{job['job_id']}").json()
    assert details["spec"]["artifacts"] == ["**"]
    assert details["executions"][0]["result"]["artifacts"] == job["data"]["result"]["artifacts"]


@pytest.mark.parametrize("path", FILES)
def test_a_file_is_downloaded_byte_for_byte_and_never_as_a_page(service: Service, job, path):
    url = next(each["url"] for each in job["data"]["result"]["artifacts"] if each["path"] == path)

    answer = service.http.get(url)

    assert answer.content == FILES[path]
    assert answer.headers["content-disposition"].startswith("attachment; filename*=UTF-8''")
    assert quote(path.rpartition("/")[2], safe="") in answer.headers["content-disposition"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    media_type = answer.headers["content-type"]
    assert media_type.count("charset") == media_type.startswith("text/")
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["etag"] == f'"{hashlib.sha256(FILES[path]).hexdigest()}"'


@pytest.mark.parametrize("slash", ["%2F", "%2f"])
def test_the_slashes_of_a_path_may_be_encoded(service: Service, job, slash):
    artifacts = f"/api/jobs/{job['job_id']}/artifacts/"

    assert service.http.get(f"{artifacts}out{slash}plot.png").content == FILES["out/plot.png"]
    for other in (
        "..{}report.txt",
        "out{0}..{0}report.txt",
        "out{0}{0}plot.png",
        "{}report.txt",
        "out{}%70lot.png",
    ):
        refused = assert_problem(service.http.get(artifacts + other.format(slash)), 404)
        assert "there is nothing at this path" in refused["detail"]
    assert_problem(service.http.get(f"/api/jobs/{job['job_id']}{slash}artifacts/report.txt"), 404)


def test_a_part_of_a_file_is_downloaded(service: Service, job):
    url = f"/api/jobs/{job['job_id']}/artifacts/out/plot.png"
    tag = service.http.get(url).headers["etag"]

    part = service.http.get(url, headers={"Range": "bytes=4-7", "If-Range": tag})
    assert (part.status_code, part.content) == (206, bytes(range(4)))
    assert part.headers["content-range"] == f"bytes 4-7/{len(FILES['out/plot.png'])}"
    assert service.http.get(url, headers={"Range": "bytes=4-7", "If-Range": '"other"'}).status_code == 200
    assert_problem(service.http.get(url, headers={"Range": "bytes=9999-"}), 416)
    unchanged = service.http.get(url, headers={"If-None-Match": tag})
    assert (unchanged.status_code, "content-disposition" in unchanged.headers) == (304, False)


@pytest.mark.parametrize(
    "path", ["other.txt", "out", "out/", "../report.txt", "%2e%2e/report.txt", "report.txt/x"]
)
def test_what_a_program_did_not_write_is_not_found(service: Service, job, path):
    response = service.http.get(f"/api/jobs/{job['job_id']}/artifacts/{path}")

    assert response.status_code == 404


def test_there_is_no_file_of_an_unknown_job_or_one_that_has_not_run(service: Service):
    waiting = service.upload()["job_id"]
    for job_id in (UNKNOWN_ID, waiting, "none"):
        assert_problem(service.http.get(f"/api/jobs/{job_id}/artifacts/report.txt"), 404)


def test_files_are_stored_once_and_go_with_the_last_job_that_wrote_them(service: Service):
    content = b"written by this test alone"
    blob = BlobRef.of(content)
    service.engine.program = writing({"a": content, "b": content})
    jobs = [service.run(artifacts=["*"])["job_id"] for _ in range(2)]
    unit_of_work = service.container.unit_of_work()

    def is_stored():
        unit_of_work.run(lambda transaction: transaction.purges.remove_unused_blobs(0, 1_000))
        return not unit_of_work.run(lambda t: t.blobs.announce(DEFAULT_TENANT, [blob])).missing

    service.http.delete(f"/api/jobs/{jobs[0]}").raise_for_status()
    assert is_stored()
    assert service.http.get(f"/api/jobs/{jobs[1]}/artifacts/a").content == content
    service.http.delete(f"/api/jobs/{jobs[1]}").raise_for_status()
    assert not is_stored()


@pytest.mark.parametrize("pattern", ["/etc/*", "../*", "a//b", "", "a\\b"])
def test_a_pattern_that_leads_elsewhere_is_refused(service: Service, pattern):
    body = {"project": "p", "code": "", "language": "python", "artifacts": [pattern]}
    problem = assert_problem(service.http.post("/api/upload", json=body), 422)

    assert problem["errors"][0]["pointer"] == "/artifacts"


def test_the_page_of_a_job_shows_pictures_as_pictures_and_names_as_text(service: Service):
    service.engine.program = writing(
        {"<b>.png": b"\x89PNG", "x.svg": b"<svg onload='alert(1)'/>", "é.txt": b""}
    )
    job = service.run(artifacts=["*"])

    page = service.http.get(f"/dashboard/jobs/{job['job_id']}").text

    assert f'<img src="/api/jobs/{job["job_id"]}/artifacts/%3Cb%3E.png"' in page
    assert page.count('<img src="/api/') == 1
    assert "<b>.png" not in page
    assert f'href="/api/jobs/{job["job_id"]}/artifacts/x.svg"' in page


def test_the_curl_line_of_a_job_with_files_says_that_they_are_left_out(service: Service):
    job = service.upload(files=[{"path": "a", "content": "x"}], stdin_base64="AA==")

    line = service.http.get(f"/dashboard/jobs/{job['job_id']}/curl").text

    assert line.startswith("# The job's files")
    assert "sha256" not in line


@pytest.mark.parametrize("named", [{}, {"entry": "src/run.py"}])
def test_the_curl_line_names_the_entry_that_its_caller_named(service: Service, named: dict):
    job = service.upload(files=[{"path": "a", "content": "x"}], **named)

    line = service.http.get(f"/dashboard/jobs/{job['job_id']}/curl").text

    body = json.loads(line.splitlines()[-2])
    assert {name: value for name, value in body.items() if name == "entry"} == named
