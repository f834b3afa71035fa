"""Multipart bodies, whichever pieces they arrive in."""

import pytest

from application.file_spool import FileSpool
from entrypoints.http.upload_form import UploadFormReader

BODY = (
    b"a preamble\r\n"
    b'--edge\r\nContent-Disposition: form-data; name="job"\r\n\r\n{}\r\n'
    b'--edge\r\nContent-Disposition: form-data; name="files"; filename="a.txt"\r\n\r\n1\r\n--edg\r\n'
    b"--edge--\r\nan epilogue\r\n"
)


@pytest.mark.parametrize("body", [BODY, BODY.removeprefix(b"a preamble\r\n")], ids=["preamble", "none"])
def test_a_body_is_read_the_same_wherever_it_is_cut(body):
    for cut in range(len(body) + 1):
        with FileSpool() as spool:
            reader = UploadFormReader("edge", spool, max_files=2, max_job_bytes=100)

            for piece in filter(None, (body[:cut], body[cut:])):
                reader.take(piece)
            form = reader.finish()

            assert form.job == b"{}", cut
            assert [(part.path, part.blob.read()) for part in form.parts] == [("a.txt", b"1\r\n--edg")], cut
