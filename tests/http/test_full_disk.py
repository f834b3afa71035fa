"""A request for whose temporary files there is no room is answered with 503, and the log has the cause."""

import tempfile
from contextlib import contextmanager

import pytest

from tests.http.support import Service, assert_problem
from tests.http.test_artifacts import writing
from tests.support.small_disk import small_disk

_LARGE = b"x" * (4 << 20)


@pytest.fixture
def without_room(tmp_path):
    """Returns a context in which temporary files have one MiB."""

    @contextmanager
    def confined():
        with small_disk(tmp_path / "disk", "size=1m") as disk, pytest.MonkeyPatch.context() as patch:
            patch.setattr(tempfile, "tempdir", str(disk))
            yield

    return confined


def _assert_no_room(answer, caplog):
    problem = assert_problem(answer, 503)
    assert problem["type"].endswith(":unavailable")
    assert answer.headers["Retry-After"] == "5"
    assert "the disk is full" in problem["detail"]
    (record,) = [record for record in caplog.records if record.name == "service_server.http"]
    assert record.exc_info is None
    assert "the disk is full" in record.getMessage()


def test_an_upload_waits_until_there_is_room(service: Service, without_room, caplog):
    job = ("job", (None, '{"project": "p", "language": "python", "code": "1"}', "application/json"))
    body = [job, ("files", ("a.bin", _LARGE))]
    with without_room():
        answer = service.http.post("/api/upload", files=body)

    _assert_no_room(answer, caplog)
    assert service.http.post("/api/upload", files=body).status_code == 200


def test_a_large_response_waits_until_there_is_room(service: Service, without_room, caplog):
    service.engine.program = writing({"a.bin": _LARGE})
    job = service.run(artifacts=["**"])
    url = f"/api/jobs/{job['job_id']}/artifacts/a.bin"
    with without_room():
        answer = service.http.get(url)

    _assert_no_room(answer, caplog)
    assert service.http.get(url).content == _LARGE
