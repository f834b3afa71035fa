"""Files beside the code of an upload, in each of the forms that they come in."""

import base64
import io
import json
import tarfile
import zipfile

import pytest

from domain.blob import BlobRef
from domain.tenant import DEFAULT_TENANT
from tests.http.support import Service, assert_problem, serving

CODE = "print(open('data/in.txt').read())"
TREE = {"main.py": CODE.encode(), "data/in.txt": b"hello\n", "data/raw.bin": b"\0\xff\n"}
JOB = {"project": "files", "language": "python"}


def b64(content):
    return base64.b64encode(content).decode()


def a_zip(entries):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return target.getvalue()


def a_tar(entries):
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        for name, content in entries.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return target.getvalue()


def listed(entries):
    return [{"path": path, "content_base64": b64(content)} for path, content in entries.items()]


def part(name, path, content, media_type="application/octet-stream"):
    return (name, (path, content, media_type))


def form(*parts, **job):
    return {"files": [("job", (None, json.dumps(JOB | job), "application/json")), *parts]}


REST = {path: content for path, content in TREE.items() if path != "main.py"}
FORMS = {
    "files": {"json": JOB | {"files": listed(TREE)}},
    "code and files": {"json": JOB | {"code": CODE, "files": listed(REST)}},
    "a zip in base64": {"json": JOB | {"archive_base64": b64(a_zip(TREE))}},
    "a tar in base64": {"json": JOB | {"archive_base64": b64(a_tar(TREE)), "entry": "main.py"}},
    "parts": form(*[part("files", path, content) for path, content in TREE.items()]),
    "a zip by its type": form(part("files", "upload", a_zip(TREE), "application/zip")),
    "a tar by its name": form(part("files", "upload.tar.gz", a_tar(TREE))),
    "an archive beside a file": form(
        part("archive", "a", a_zip({k: v for k, v in TREE.items() if k != "data/raw.bin"})),
        part("files", "data/raw.bin", TREE["data/raw.bin"]),
    ),
}


def upload(service, **request):
    response = service.http.post("/api/upload", **request)
    assert response.status_code == 200, response.text
    return response.json()["job_id"]


def spec_of(service, job_id):
    return service.http.get(f"/api/jobs/{job_id}").json()["spec"]


@pytest.mark.parametrize("request_", FORMS.values(), ids=FORMS)
def test_a_job_is_stored_the_same_however_its_files_came(service: Service, request_):
    job_id = upload(service, **request_)

    spec = spec_of(service, job_id)
    assert spec["entry"] == "main.py"
    assert spec["files"] == [
        {"path": path, "size": len(content), "sha256": BlobRef.of(content).sha256}
        for path, content in sorted(REST.items())
    ]
    stored = service.container.ports().code_store
    for content in REST.values():
        assert stored.get(BlobRef.of(content).key(DEFAULT_TENANT), 100) == content


def test_an_archive_that_is_the_only_file_beside_the_archive_is_kept_as_a_file(service: Service):
    inner = a_zip({"in.txt": b"1"})
    job_id = upload(
        service, **form(part("archive", "a", a_zip({"main.py": b""})), part("files", "data.zip", inner))
    )

    assert [file["path"] for file in spec_of(service, job_id)["files"]] == ["data.zip"]


def test_a_job_of_one_file_has_no_entry_and_no_files(service: Service):
    spec = spec_of(service, upload(service, json=JOB | {"code": "print(1)"}))

    assert not {"entry", "files", "stdin_file", "stdin_bytes"} & spec.keys()


@pytest.mark.parametrize(
    ("given", "field", "sentence"),
    [
        ({"files": listed({"../x": b""})}, "files", "'../x': a path has no empty, '.' or '..' segment"),
        ({"files": listed({"/etc/x": b""})}, "files", "relative"),
        ({"files": listed({"a": b"", "A": b""})}, "files", "'A' and 'a' cannot be used together"),
        ({"files": listed({"a/b": b"", "a": b""})}, "files", "one is a directory of the other"),
        ({"files": [{"path": "a"}]}, "files", "one of 'content', a text, and 'content_base64'"),
        ({"files": [{"path": "a", "content": "", "content_base64": ""}]}, "files", "one of"),
        ({"files": [{"path": "a", "content_base64": "%%"}]}, "files", "'a' is not Base64"),
        ({"archive_base64": "x"}, "archive_base64", "is not Base64"),
        ({"archive_base64": b64(b"none")}, "archive_base64", "neither a zip nor a tar archive"),
        ({"archive_base64": b64(a_zip({"../../x": b""}))}, "files", "'../../x'"),
        ({"code": "x", "files": listed({"main.py": b""})}, "entry", "the path of 'code'"),
        ({"files": listed({"a.py": b""})}, "entry", "there is no 'main.py'"),
        ({"files": listed({"a.py": b""}), "entry": "b.py"}, "entry", "there is no file 'b.py'"),
        ({"files": listed({"main.py": b"\xff"})}, "entry", "is not text in UTF-8"),
        ({"code": "x", "entry": "../a.py"}, "entry", "'../a.py'"),
        ({"files": listed({"a.py": b""}), "entry": "/a.py"}, "entry", "'/a.py'"),
        ({"code": "x", "stdin_base64": "!"}, "stdin_base64", "is not Base64"),
        ({"code": "x", "stdin_base64": "", "stdin": "x"}, "stdin_base64", "takes the place"),
        ({"code": "x", "stdin_file": "in"}, "stdin_file", "there is no file 'in'"),
        (
            {"code": "x", "files": listed({"in": b""}), "stdin_file": "in", "stdin": "x"},
            "stdin_file",
            "place",
        ),
        ({"code": "x", "files": 20, "max_files": 20}, "max_files", "is also given as 'files'"),
        ({"code": "x", "files": listed({"a": b"x" * (2 << 20)}), "disk_mb": 1}, "disk_mb", "take 3 MiB"),
        (
            {"code": "x", "files": listed({str(n): b"" for n in range(16)}), "max_files": 16},
            "max_files",
            "is 16",
        ),
    ],
)
def test_what_cannot_be_taken_is_refused_with_its_place_and_nothing_is_stored(
    service: Service, given, field, sentence
):
    before = service.stored()

    problem = assert_problem(service.http.post("/api/upload", json=JOB | given), 422)

    (fault,) = problem["errors"]
    assert field in (fault.get("pointer") or fault.get("parameter"))
    assert sentence in fault["detail"]
    assert service.stored() == before


def test_a_number_of_files_is_still_the_limit_of_that_name(service: Service):
    assert spec_of(service, upload(service, json=JOB | {"code": "", "files": 99}))["limits"]["files"] == 99
    assert (
        spec_of(service, upload(service, json=JOB | {"code": "", "max_files": 98}))["limits"]["files"] == 98
    )


def test_the_bytes_of_stdin_are_stored_and_their_size_is_shown(service: Service):
    as_field = upload(service, json=JOB | {"code": "", "stdin_base64": b64(b"\0\xff")})
    as_part = upload(service, **form(part("stdin", "in", b"\0\xff"), code=""))

    assert spec_of(service, as_field)["stdin_bytes"] == spec_of(service, as_part)["stdin_bytes"] == 2


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ([part("files", "a", b"")], "the part 'job' is missing"),
        ([("job", (None, "{", "application/json"))], "input data was truncated"),
        ([*form()["files"], *form()["files"]], "the part 'job' occurs twice"),
        ([*form()["files"], part("other", "a", b"")], "'other' is not a part of an upload"),
        ([*form()["files"], part("files", "", b"")], "has no filename"),
        ([*form()["files"], part("stdin", "a", b""), part("stdin", "b", b"")], "'stdin' occurs twice"),
    ],
)
def test_a_multipart_body_that_cannot_be_read_is_refused(service: Service, parts, sentence):
    problem = assert_problem(service.http.post("/api/upload", files=parts), 422)

    assert sentence in problem["detail"]


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"content-type": "multipart/form-data"}, b""),
        ({"content-type": "multipart/form-data; boundary=x"}, b""),
        ({"content-type": "multipart/form-data; boundary=x"}, b"--x\r\nContent-Disposition: form-data"),
        ({"content-type": "multipart/form-data; boundary=x"}, b"--x\r\n\r\nno disposition\r\n--x--\r\n"),
    ],
)
def test_a_multipart_body_that_is_none_is_refused(service: Service, headers, body):
    assert_problem(service.http.post("/api/upload", content=body, headers=headers), 422)


def test_a_fault_of_a_multipart_body_is_a_sentence(service: Service):
    headers = {"content-type": "multipart/form-data; boundary=x"}
    body = b'--x\r\nContent-Disposition: form-data; name="files"; filename="\xff"\r\n\r\n\r\n--x--\r\n'

    problem = assert_problem(service.http.post("/api/upload", content=body, headers=headers), 422)

    assert problem["detail"] == "the multipart body is malformed: Segment header failed to decode"


def test_a_multipart_body_is_taken_by_uploads_alone(service: Service):
    job_id = upload(service, json=JOB | {"code": ""})
    response = service.http.post(f"/api/execute/{job_id}", **form())

    assert_problem(response, 415)


def test_a_multipart_body_that_is_compressed_is_refused(service: Service):
    response = service.http.post("/api/upload", headers={"Content-Encoding": "gzip"}, **form(code=""))

    assert "without a Content-Encoding" in assert_problem(response, 415)["detail"]


def test_a_multipart_upload_that_is_sent_again_under_its_key_is_one_job(service: Service):
    request = form(part("files", "in.txt", b"x"), code="print(1)")
    first = service.http.post("/api/upload", headers={"Idempotency-Key": "files-1"}, **request)
    # The boundary of each request is another.
    again = service.http.post("/api/upload", headers={"Idempotency-Key": "files-1"}, **request)
    other = form(part("files", "in.txt", b"y"), code="print(1)")

    assert first.json()["job_id"] == again.json()["job_id"]
    assert again.headers["Idempotent-Replayed"] == "true"
    assert_problem(service.http.post("/api/upload", headers={"Idempotency-Key": "files-1"}, **other), 422)


def test_a_job_with_files_is_run_again_with_them(service: Service):
    job_id = upload(service, **FORMS["files"], params={"wait": 0})
    service.http.post(f"/api/execute/{job_id}", params={"wait": 20})
    service.http.delete(f"/api/jobs/{job_id}").raise_for_status()

    again = upload(service, **FORMS["files"])

    assert spec_of(service, again)["files"]


def test_limits_on_files_are_settings(tmp_path):
    with serving(tmp_path, max_upload_files=2, max_files_mb=1, max_upload_mb=2, max_file_depth=2) as service:
        too_many = service.http.post("/api/upload", json=JOB | {"files": listed(TREE)})
        assert "at most 2 files" in assert_problem(too_many, 422)["detail"]
        deep = service.http.post("/api/upload", json=JOB | {"code": "", "files": listed({"a/b/c": b""})})
        assert "at most 2 segments" in assert_problem(deep, 422)["detail"]
        large = service.http.post("/api/upload", **form(part("files", "a", b"x" * (1_100_000)), code=""))
        assert "1048576 bytes together" in assert_problem(large, 413)["detail"]
        larger = service.http.post("/api/upload", **form(part("files", "a", b"x" * (3 << 20)), code=""))
        assert_problem(larger, 413)
