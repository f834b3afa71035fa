import json
from io import BytesIO

import pytest

from adapters.http_engine.client import Answer
from adapters.http_engine.messages import MAX_CHARS, error_message


def said(body, content_type="text/plain"):
    data = body if isinstance(body, bytes) else body.encode()
    return error_message(Answer(status=500, content_type=content_type, body=BytesIO(data)))


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ("Code file not found: demo/main.py", "Code file not found: demo/main.py"),
        ('{"error": "No space left on device"}', "No space left on device"),
        ('{"detail": "java.lang.OutOfMemoryError: heap"}', "java.lang.OutOfMemoryError: heap"),
        ('"only text"', "only text"),
        ('Traceback (most recent call last):\n  File "x.py", line 3\nValueError: bad', "ValueError: bad"),
        (
            "terminate called after std::bad_alloc in main.cpp",
            "terminate called after std::bad_alloc in main.cpp",
        ),
        ("It failed.", "It failed"),
        ("first\nsecond", "first"),
        ("", ""),
        ("\n \n", ""),
        ("{}", ""),
        ('{"error": {"code": 3}}', ""),
        ("[1, 2]", ""),
        (b"a\xff\x1b[31mb", "a\N{REPLACEMENT CHARACTER} [31mb"),
    ],
)
def test_one_line_of_what_an_engine_says_is_shown(body, shown):
    assert said(body) == shown


@pytest.mark.parametrize(
    "where",
    [
        "http://runner.example.com:9000/python/run",
        "mysql://root:secret@db/jobs",
        "10.0.3.17",
        "10.0.3.17:5432",
        "fe80::1",
        "[2001:db8::17]:6379",
        "ip-10-0-3-17.eu-west-1.compute.internal",
        "redis-1:6379",
        "localhost",
        "db.prod.internal",
        "code-bucket.s3.eu-west-1.amazonaws.com",
    ],
)
def test_the_name_of_a_machine_is_not_shown(where):
    shown = said(f"could not reach {where} in time")
    assert shown.startswith("could not reach …")
    for part in where.split(":")[:1] + where.split("/")[2:3]:
        assert len(part) < 4 or part not in shown


def test_what_an_engine_says_is_kept_short():
    assert said("x" * 10_000) == "x" * (MAX_CHARS - 1) + "…"


def test_the_page_of_a_proxy_is_not_shown():
    assert said("<html><title>502 Bad Gateway</title></html>", "text/html; charset=utf-8") == ""


def test_json_that_is_too_deep_is_text():
    assert said(json.dumps([]) + "[" * 4_000).startswith("[")
