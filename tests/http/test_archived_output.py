"""Reading a program's output after its end."""

import base64
import io
import json
from datetime import UTC, datetime

import pytest

from application.ports.execution_engine import EngineReport
from application.ports.output_feed import OutputChunk, Stream
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


@pytest.mark.parametrize("asked", ["bytes=0-9", "bytes=999999-"])
def test_a_range_is_defined_for_get_only(service: Service, job_id: str, asked: str):
    response = service.http.head(PATH.format(job_id), headers={"range": asked})

    assert (response.status_code, response.headers["content-length"]) == (200, str(len(WRITTEN)))


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


def log_reads(service: Service, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Return the list that each read of a log will be noted in."""
    store, reads = service.container.log_store(), []
    get = store.get

    def counted(key, max_bytes):
        reads.append(key)
        return get(key, max_bytes)

    monkeypatch.setattr(store, "get", counted)
    return reads


def job_that_writes(service: Service, written: bytes) -> str:
    def program(_request, observer) -> EngineReport:
        observer.started()
        stdout = Output("", len(written), truncated=True)
        result = ExecutionResult(status=JobStatus.SUCCESS, stdout=stdout, exit_code=0)
        return EngineReport(result, io.BytesIO(written), io.BytesIO())

    service.engine.program = program
    return service.run()["job_id"]


def test_the_ranges_of_a_large_output_are_of_one_reading_of_its_log(
    service: Service, monkeypatch: pytest.MonkeyPatch
):
    written = b"".join(b"line %07d\n" % number for number in range(100_000))
    job_id = job_that_writes(service, written)
    reads = log_reads(service, monkeypatch)
    path = PATH.format(job_id)

    index = service.http.get(f"{path}/lines").json()
    begins = range(0, index["size"], index["block_bytes"])
    ranges = [f"bytes={begin}-{begin + index['block_bytes'] - 1}" for begin in begins]
    blocks = [service.http.get(path, headers={"range": each}).content for each in ranges]
    found = service.http.get(f"{path}/matches", params={"text": "LINE 0099", "limit": 3}).json()

    assert index["size"] == len(written)
    assert b"".join(blocks) == written
    assert index["newlines"] == [block.count(b"\n") for block in blocks]
    assert index["styles"] == [""] * len(blocks)
    assert found == {"lines": [99_001, 99_002, 99_003], "next_line": 99_004}
    assert service.http.get(f"{path.replace('stdout', 'stderr')}/lines").json()["size"] == 0
    assert len(reads) == 1


def test_the_lines_of_a_deleted_job_are_gone_though_they_were_just_read(service: Service):
    path = PATH.format(job_that_writes(service, b"line\n" * 100_000))
    assert service.http.get(f"{path}/lines").status_code == 200

    service.http.delete(path.removesuffix("/output/stdout"))

    for gone in (path, f"{path}/lines", f"{path}/matches?text=a"):
        assert_problem(service.http.get(gone), 404)


@pytest.mark.parametrize("part", ["lines", "matches?text=a"])
def test_the_lines_of_a_job_that_has_not_ended_are_not_known(service: Service, part: str):
    job_id = service.upload()["job_id"]

    assert_problem(service.http.get(f"{PATH.format(job_id)}/{part}"), 409)


def test_an_output_of_nothing_has_no_block_and_no_match(service: Service):
    path = PATH.format(job_that_writes(service, b""))

    assert service.http.get(f"{path}/lines").json() == {
        "size": 0,
        "block_bytes": 65_536,
        "newlines": [],
        "styles": [],
        "arrivals": None,
    }
    assert service.http.get(f"{path}/matches?text=a").json() == {"lines": [], "next_line": None}


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("", "text"),
        ("text=", "text"),
        ("text=a%0Ab", "text"),
        ("text=a%0A", "text"),
        (f"text={'a' * 501}", "text"),
        ("text=a&from_line=0", "from_line"),
        ("text=a&limit=0", "limit"),
        ("text=a&limit=1001", "limit"),
    ],
)
def test_a_search_is_for_a_text_within_a_line(service: Service, job_id: str, query: str, parameter: str):
    problem = assert_problem(service.http.get(f"{PATH.format(job_id)}/matches?{query}"), 422)

    assert [error["parameter"] for error in problem["errors"]] == [parameter]


def test_the_times_at_which_output_came_are_with_its_lines(service: Service):
    def program(_request, observer) -> EngineReport:
        observer.started()
        for stream, written in ((Stream.STDOUT, b"one\n"), (Stream.STDERR, b"two\n")):
            observer.output(OutputChunk(stream, 0, written))
        result = ExecutionResult(
            status=JobStatus.SUCCESS, stdout=Output.of("one\n"), stderr=Output.of("two\n"), exit_code=0
        )
        return EngineReport(result, io.BytesIO(b"one\n"), io.BytesIO(b"two\n"))

    service.engine.program = program
    before = datetime.now(UTC)
    path = PATH.format(service.run()["job_id"])

    out, err = (
        service.http.get(f"{path.replace('stdout', stream)}/lines").json()["arrivals"] for stream in Stream
    )

    assert before <= datetime.fromisoformat(out["begin"]) <= datetime.now(UTC)
    assert out["begin"] == err["begin"]
    assert [offset for _ms, offset in out["marks"]] == [4, 4]
    assert [offset for _ms, offset in err["marks"]] == [0, 4]
