"""Reading a program's output after its end."""

import base64
import io
import json

import pytest

from application.ports.execution_engine import EngineReport
from domain.execution import ExecutionResult, Output
from domain.job_lifecycle import JobStatus
from tests.http.support import UNKNOWN_ID, Service, assert_problem

WRITTEN = b"\xff\x00" + "é".encode() * 100_000
PATH = "/api/jobs/{}/output/stdout"


@pytest.fixture
def job_id(service: Service) -> str:
    def program(_request, observer) -> EngineReport:
        observer.started()
        result = ExecutionResult(
            status=JobStatus.SUCCESS,
            stdout=Output("head ... tail", len(WRITTEN), truncated=True),
            stderr=Output.of("only this\n"),
            exit_code=0,
        )
        return EngineReport(result, io.BytesIO(WRITTEN), io.BytesIO(b"only this\n"))

    service.engine.program = program
    return service.run()["job_id"]


def test_the_output_is_there_byte_for_byte(service: Service, job_id: str):
    response = service.http.get(PATH.format(job_id))

    assert response.status_code == 200
    assert response.content == WRITTEN
    assert response.headers["accept-ranges"] == "bytes"
    assert response.headers["x-content-type-options"] == "nosniff"


def test_the_streams_are_told_apart(service: Service, job_id: str):
    assert service.http.get(f"/api/jobs/{job_id}/output/stderr").text == "only this\n"


@pytest.mark.parametrize(
    ("asked", "begin", "end"),
    [("0-9", 0, 10), ("-5", len(WRITTEN) - 5, len(WRITTEN)), ("150000-", 150_000, None)],
)
def test_a_range_is_answered_with_its_bytes(service: Service, job_id: str, asked, begin, end):
    response = service.http.get(PATH.format(job_id), headers={"range": f"bytes={asked}"})

    assert response.status_code == 206
    assert response.content == WRITTEN[begin:end]
    last = (end or len(WRITTEN)) - 1
    assert response.headers["content-range"] == f"bytes {begin}-{last}/{len(WRITTEN)}"


def test_a_range_of_another_version_is_answered_with_the_whole(service: Service, job_id: str):
    headers = {"range": "bytes=0-9", "if-range": '"another"'}

    assert service.http.get(PATH.format(job_id), headers=headers).status_code == 200


def test_a_range_of_this_version_is_answered_with_its_bytes(service: Service, job_id: str):
    tag = service.http.get(PATH.format(job_id)).headers["etag"]

    response = service.http.get(PATH.format(job_id), headers={"range": "bytes=0-9", "if-range": tag})

    assert response.status_code == 206


def test_a_range_after_the_end_is_refused(service: Service, job_id: str):
    response = service.http.get(PATH.format(job_id), headers={"range": "bytes=999999-"})

    assert_problem(response, 416)
    assert response.headers["content-range"] == f"bytes */{len(WRITTEN)}"


def test_a_job_that_has_not_ended_has_no_archived_output(service: Service):
    job_id = service.upload()["job_id"]

    assert_problem(service.http.get(PATH.format(job_id)), 409)


def test_a_job_that_never_ran_has_no_output(service: Service):
    job_id = service.upload()["job_id"]
    service.http.post(f"/api/cancel/{job_id}")

    assert_problem(service.http.get(PATH.format(job_id)), 404)


def test_an_unknown_job_has_no_output(service: Service):
    assert_problem(service.http.get(PATH.format(UNKNOWN_ID)), 404)


def test_there_are_two_streams_only(service: Service, job_id: str):
    problem = assert_problem(service.http.get(f"/api/jobs/{job_id}/output/stdlog"), 422)

    assert problem["errors"] == [{"parameter": "stream", "detail": "must be one of stdout, stderr"}]


def test_a_reader_that_goes_on_gets_the_rest_exactly(service: Service, job_id: str):
    begin = 77_777
    with service.http.stream("GET", f"/api/jobs/{job_id}/output", params={"offset": begin}) as response:
        told = [json.loads(line[6:]) for line in response.iter_lines() if line.startswith("data: ")]

    pieces = [piece for piece in told if piece.get("stream") == "stdout"]
    rest = b"".join(
        base64.b64decode(piece["base64"]) if "base64" in piece else piece["text"].encode() for piece in pieces
    )
    assert pieces[0]["offset"] == begin
    assert rest == WRITTEN[begin:]


def test_the_offsets_of_a_reader_from_the_start_are_those_of_the_archive(service: Service, job_id: str):
    with service.http.stream("GET", f"/api/jobs/{job_id}/output", params={"offset": 0}) as response:
        told = [json.loads(line[6:]) for line in response.iter_lines() if line.startswith("data: ")]

    assert sum("base64" in piece for piece in told) >= 1
    assert all(piece.get("exact", True) for piece in told)


def test_the_largest_log_that_is_written_by_default_is_read(service: Service):
    written = b"\x01" * (16 << 20)

    def program(_request, observer) -> EngineReport:
        observer.started()
        stdout = Output("", len(written), truncated=True)
        result = ExecutionResult(status=JobStatus.SUCCESS, stdout=stdout, exit_code=0)
        return EngineReport(result, io.BytesIO(written), io.BytesIO())

    service.engine.program = program
    job_id = service.run()["job_id"]

    assert service.http.get(PATH.format(job_id)).content == written
