"""Hostile uploads against a whole service: refused with their cause, at once, and without a trace."""

import base64
import gzip
import io
import json
import stat
import struct
import tarfile
import time
import zipfile
from functools import cache

import httpx
import pytest

from tests.http.support import Service, assert_problem, serving

JOB = {"project": "attack", "language": "python", "code": "print(1)"}
# Of the whole request, on a machine that does other things too.
AT_ONCE_S = 10


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("service")) as service:
        yield service


def a_zip(*entries, method=zipfile.ZIP_DEFLATED):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return target.getvalue()


def a_link_in_a_zip():
    entry = zipfile.ZipInfo("link")
    entry.create_system, entry.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return a_zip((entry, "/etc/passwd"))


def a_tar(*members):
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        for name, kind, content in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.size = kind, "/etc/passwd", len(content)
            archive.addfile(member, io.BytesIO(content))
    return target.getvalue()


def overlapping():
    """Return a zip archive of many files that share the bytes of one (D. Fifield, 2019)."""
    whole = a_zip(("0", b"\0" * (4 << 20)))
    start = whole.index(b"PK\x01\x02")
    central = whole[start : whole.index(b"PK\x05\x06")]
    records = b"".join(central[:46] + str(number % 10).encode() + central[47:] for number in range(10))
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 10, 10, len(records), start, 0)
    return whole[:start] + records + end


def nested_bomb():
    return gzip.compress(gzip.compress(b"\0" * (64 << 20), 9), 9)


# Made by the first tests that send them: some take a second.
ARCHIVES = {
    "zip slip": lambda: a_zip(("../../../../tmp/slipped", b"x")),
    "zip slip with backslashes": lambda: a_zip(("..\\..\\slipped", b"x")),
    "an absolute path": lambda: a_zip(("/etc/slipped", b"x")),
    "tar slip": lambda: a_tar(("../slipped", tarfile.REGTYPE, b"x")),
    "an absolute path in a tar": lambda: a_tar(("/etc/slipped", tarfile.REGTYPE, b"x")),
    "a symbolic link": lambda: a_tar(("link", tarfile.SYMTYPE, b"")),
    "a link, and a file below it": lambda: a_tar(("l", tarfile.SYMTYPE, b""), ("l/x", tarfile.REGTYPE, b"x")),
    "a hard link": lambda: a_tar(("link", tarfile.LNKTYPE, b"")),
    "a symbolic link in a zip": a_link_in_a_zip,
    "a device": lambda: a_tar(("null", tarfile.CHRTYPE, b"")),
    "a fifo": lambda: a_tar(("pipe", tarfile.FIFOTYPE, b"")),
    "a bomb": lambda: a_zip(("bomb", b"\0" * (60 << 20))),
    "a bomb of a tar": lambda: a_tar(("bomb", tarfile.REGTYPE, b"\0" * (60 << 20))),
    "files that overlap": overlapping,
    "an archive in an archive": nested_bomb,
    "more files than there may be": lambda: a_zip(*((f"{number}", b"") for number in range(1_001))),
    "a thousand directories deep": lambda: a_zip(("/".join(["d"] * 200), b"")),
    "the same name twice": lambda: a_tar(("a", tarfile.REGTYPE, b"1"), ("a", tarfile.REGTYPE, b"2")),
    "names that differ in case": lambda: a_zip(("Readme", b""), ("README", b"")),
    "names that differ in normalization": lambda: a_zip(
        ("\N{LATIN SMALL LETTER E WITH ACUTE}", b""), ("e\u0301", b"")
    ),
    "a name that shows as another": lambda: a_zip(("a\N{RIGHT-TO-LEFT OVERRIDE}gpj.exe", b"")),
    "a name of the box's own": lambda: a_zip((".hold/sitecustomize.py", b"raise SystemExit")),
    "no archive at all": lambda: b"\x7fELF" + bytes(100),
}


@pytest.mark.parametrize("make", [cache(make) for make in ARCHIVES.values()], ids=ARCHIVES)
@pytest.mark.parametrize("form", ["field", "part"])
def test_a_hostile_archive_is_refused_at_once_and_nothing_is_kept(service: Service, make, form):
    archive = make()
    before = service.http.get("/api/jobs").json()
    begun = time.monotonic()
    if form == "field":
        body = JOB | {"archive_base64": base64.b64encode(archive).decode()}
        response = service.http.post("/api/upload", json=body)
    else:
        parts = [("job", (None, json.dumps(JOB), "application/json")), ("archive", ("a", archive, "x/y"))]
        response = service.http.post("/api/upload", files=parts)

    problem = assert_problem(response, response.status_code)
    assert response.status_code in {413, 422}
    (fault,) = problem["errors"]
    assert fault["pointer"] in {"/archive_base64" if form == "field" else "", "/files"}
    assert fault["detail"]
    assert "Traceback" not in response.text
    assert time.monotonic() - begun < AT_ONCE_S
    assert service.http.get("/api/jobs").json() == before


@pytest.mark.parametrize("count", [1_001, 20_000])
def test_more_files_than_there_may_be_are_refused_at_once(service: Service, count):
    body = JOB | {"files": [{"path": str(number), "content": ""} for number in range(count)]}
    begun = time.monotonic()

    assert_problem(service.http.post("/api/upload", json=body), 422)

    assert time.monotonic() - begun < AT_ONCE_S


def test_a_multipart_body_of_many_parts_is_refused_at_once(service: Service):
    parts = [("job", (None, json.dumps(JOB), "application/json"))]
    parts += [("files", (str(number), b"", "x/y")) for number in range(5_000)]
    begun = time.monotonic()

    response = service.http.post("/api/upload", files=parts)

    assert response.status_code == 422
    assert time.monotonic() - begun < AT_ONCE_S


def test_a_multipart_body_that_never_ends_its_part_is_cut_off(service: Service):
    def endless():
        yield b'--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n'
        for _ in range(2_000):
            yield b"\0" * (64 << 10)

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    try:
        response = service.http.post("/api/upload", content=endless(), headers=headers)
    except httpx.TransportError:  # it hung up before all was sent
        return
    assert response.status_code == 413
