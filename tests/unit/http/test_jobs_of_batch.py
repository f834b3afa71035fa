"""The bounds of a batch whose jobs have archives: small ones may unpack to much, and to many files."""

import base64
import io
import zipfile

import pytest
from msgspec import json

from application.commands import UploadCodeCommand
from application.errors import RefusedJob
from application.file_spool import FileSpool
from domain.errors import TooLarge
from domain.files import FileLimits
from entrypoints.http import jobs_of_batch
from entrypoints.http.jobs_of_batch import commands_of
from entrypoints.http.schemas.requests import BatchRequest


def a_batch(jobs: int, **files: bytes) -> BatchRequest:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    text = base64.b64encode(target.getvalue()).decode()
    job = {"project": "p", "language": "python", "code": "", "archive_base64": text}
    return json.decode(json.encode({"jobs": [job] * jobs}), type=BatchRequest)


def test_all_archives_of_a_batch_unpack_to_a_bounded_size() -> None:
    with FileSpool(max_bytes=3 << 20) as spool:
        commands = commands_of(a_batch(9, zeros=bytes(1 << 20)), FileLimits(), spool)
        assert spool.size == 3 << 20

    assert [type(command) for command in commands] == [UploadCodeCommand] * 3 + [RefusedJob] * 6
    assert isinstance(commands[-1], RefusedJob)
    assert "3145728 bytes in all of the request" in str(commands[-1].detail)


def test_all_archives_of_a_batch_have_a_bounded_number_of_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_of_batch, "MAX_FILES", 5)
    with FileSpool() as spool:
        assert len(commands_of(a_batch(2, a=b"", b=b""), FileLimits(), spool)) == 2
        with pytest.raises(TooLarge, match="more than 5 files together"):
            commands_of(a_batch(3, a=b"", b=b""), FileLimits(), spool)
