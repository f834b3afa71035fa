"""Every database gives the same answers to every question."""

# ruff: noqa: RUF001 - characters that look alike are the point of these tests

import base64
import json
import struct
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.http.support import Service, serving
from tests.support import mysql as mysql_support
from tests.support.databases import database_settings

# Oracle's MySQL is not everywhere; the run says so at its end.
KINDS = ("sqlite", "mariadb", *(("mysql",) if mysql_support.find_server() else ()))
_LONG = "x" * 5_000
# Names that some collations take for others, and what no database, or not each, can keep.
NAMES = (
    *(
        "demo",
        "Demo",
        "DEMO",
        "ｄｅｍｏ",
        "de\u0301mo",
        "démo",
        " demo ",
        "demo\u3000",
        "데모",
        "プロジェクト",
        "ﾌﾟﾛｼﾞｪｸﾄ",
    ),
    *(
        "Straße",
        "STRASSE",
        "strasse",
        "i",
        "I",
        "ı",
        "İ",
        "😀",
        "😁",
        "a" * 255,
        "é" * 255,
        "😀" * 255,
        "a" * 256,
    ),
    *(
        "%",
        "_",
        "'",
        '"',
        "`",
        "a'b",
        "a%b",
        "a;b",
        "--",
        "NULL",
        "null",
        "\\",
        "a\0b",
        "\0",
        "a\ud800b",
        "\udfff",
    ),
    *("", " ", ".", "..", "a/b", "1", "007", "१२", "a\u200db", "\ufeffa", "a\tb", "a\nb"),
)
# Each is one value of a tag, and of a text of a job.
TEXTS = (*NAMES, "prod ", " prod", "prod", "PROD", "prod\u00a0", _LONG[:255])
FILTERS = (
    *({"tag": f"env:{text}"} for text in TEXTS if "\ud800" not in text and "\udfff" not in text),
    *(
        {"tag": f"{name}:prod"}
        for name in ("ENV", "env ", " env", "étiquette", "태그", "😀", "", "%", _LONG, "env\0")
    ),
    *({"tag": ["env:prod", "태그:x"]}, {"tag": "env"}, {"tag": f"env:{_LONG}"}, {"tag": ["env:a", "env:b"]}),
    *({"status": one} for one in ("PENDING", "pending", "PENDING ", "ＰＥＮＤＩＮＧ", "\0", _LONG)),
    *({"phase": one} for one in ("waiting", "Waiting", "waiting ", "\0")),
    *({"language": one} for one in ("python", "PYTHON", "python ", "파이썬", "\0", _LONG)),
    *(
        {name: time}
        for name in ("created_after", "created_before")
        for time in (
            *("0001-01-01T00:00:00Z", "0999-12-31T23:59:59Z", "1000-01-01T00:00:00Z", "1969-12-31T23:59:59Z"),
            *(
                "9999-12-31T23:59:59.999999Z",
                "2026-02-29T00:00:00Z",
                "0000-01-01T00:00:00Z",
                "now",
                "\0",
                _LONG,
            ),
            *("2026-01-01T00:00:00.1234567Z", "2026-01-01T24:00:00Z", "2016-12-31T23:59:60Z"),
        )
    ),
    *({"limit": one} for one in ("0", "1", "1000", "1001", "-1", "1e3", "١", "\0", "9" * 400)),
    *(
        {"cursor": base64.urlsafe_b64encode(struct.pack(">q", microseconds) + job_id).decode()}
        for microseconds in (0, -1, -62_135_596_800_000_000, 253_402_300_799_999_999, 1 << 62, -(1 << 63))
        for job_id in (bytes(16), b"\xff" * 16)
    ),
    *({"cursor": one} for one in ("", "=", "\0", "한글", _LONG)),
)
PROJECTS = (*NAMES, "0", "-1", "2147483647", "2147483648", "9223372036854775807", "9" * 40, "１", "1 ", "1.0")


@pytest.fixture(scope="module")
def services(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Service]]:
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                serving(tmp_path_factory.mktemp(kind), **database_settings(request, kind, "same_answers"))
            )
            for kind in KINDS
        ]


class Asker:
    """Asks one service, and puts its answers in words that all services have in common."""

    def __init__(self, service: Service) -> None:
        self._http = service.http
        self._jobs: dict[str, int] = {}

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> object:
        response = self._http.get(path, params=params)
        return response.status_code, self._told(response)

    def post(self, path: str, body: object) -> object:
        # In ASCII, for a lone surrogate has no form in UTF-8.
        headers = {"content-type": "application/json"}
        response = self._http.post(path, content=json.dumps(body), headers=headers)
        return response.status_code, self._told(response)

    def _told(self, response: httpx.Response) -> object:
        body = response.json()
        if response.is_error:
            return body["detail"], body.get("errors")
        return list(map(self._of, body)) if isinstance(body, list) else self._of(body)

    def _of(self, shown: Mapping[str, Any]) -> object:
        return self._of_job(shown) if "job_id" in shown else {**shown, "created_at": None}

    def _of_job(self, job: Mapping[str, Any]) -> object:
        number = self._jobs.setdefault(job["job_id"], len(self._jobs))
        return number, job["project"], job["status"], job["data"]["language"], job["data"]["tags"]


def asked(services: list[Service]) -> Iterator[tuple[object, list[object]]]:
    """Ask every service the same; yield the question and the answers."""
    askers = [Asker(service) for service in services]
    upload = {"project": "texts", "code": "1", "language": "python"}
    bodies = [
        *({**upload, "project": name} for name in NAMES),
        *({**upload, "tags": {"env": text}} for text in TEXTS),
        *(
            {**upload, "tags": {name: "prod"}}
            for name in ("ENV", "env ", "étiquette", "", _LONG, "env\0", "\ud800")
        ),
        *(
            {**upload, field: text}
            for field in ("description", "stdin", "code", "language")
            for text in NAMES
        ),
        *({**upload, "args": [text], "env": {"A": text}} for text in NAMES),
    ]
    for body in bodies:
        yield body, [asker.post("/api/upload", body) for asker in askers]
    for name in NAMES:
        body = {"project_name": name, "description": name}
        yield body, [asker.post("/api/project", body) for asker in askers]
    yield "projects", [asker.get("/api/projects") for asker in askers]
    for wanted in FILTERS:
        yield wanted, [asker.get("/api/jobs", wanted) for asker in askers]
        yield ("texts", wanted), [asker.get("/api/projects/texts/jobs", wanted) for asker in askers]
    for name in PROJECTS:
        path = f"/api/projects/{quote(name.encode('utf-8', 'surrogatepass'), safe='')}/jobs"
        yield path, [asker.get(path) for asker in askers]


@pytest.mark.timeout(1_200)  # thousands of requests
def test_every_database_gives_the_same_answers(services: list[Service]):
    differences = []
    for question, answers in asked(services):
        of_sqlite, *others = answers
        assert of_sqlite[0] < 500, question
        differences += [
            (question, kind, answer, of_sqlite)
            for kind, answer in zip(KINDS[1:], others, strict=True)
            if answer != of_sqlite
        ]

    assert differences == []
