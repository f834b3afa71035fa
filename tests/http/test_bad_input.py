"""Invalid input is answered with a sentence that helps, and nothing is stored."""

import gzip
import json

import pytest

from tests.http.support import Service, assert_problem

PROGRAM = {"project": "bad", "code": "print(1)", "language": "python"}
JSON = {"content-type": "application/json"}
DEEP = 10_000


def legacy(value: bytes) -> bytes:
    """Return a body with a field that the service does not know."""
    return b'{"project": "bad", "code": "1", "language": "python", "x": %s}' % value


@pytest.fixture(autouse=True)
def nothing_is_stored(service: Service):
    before = service.stored()
    yield
    assert service.stored() == before


@pytest.mark.parametrize(
    ("changed", "pointer"),
    [
        ({"language": "cobol"}, "/language"),
        ({"language": ""}, "/language"),
        ({"language": 3}, "/language"),
        ({"project": ""}, "/project"),
        ({"project": "   "}, "/project"),
        ({"project": ".."}, "/project"),
        ({"project": "../etc"}, "/project"),
        ({"project": "a\\b"}, "/project"),
        ({"project": "/etc/passwd"}, "/project"),
        ({"project": "٣٤"}, "/project"),
        ({"project": "a\0b"}, "/project"),
        ({"project": "a\nb"}, "/project"),
        ({"project": "x" * 256}, "/project"),
        ({"project": 3}, "/project"),
        ({"project": None}, "/project"),
        ({"code": "a\0b"}, "/code"),
        ({"code": ["print(1)"]}, "/code"),
        ({"code": None}, "/code"),
        ({"stdin": 1}, "/stdin"),
        ({"args": "-x"}, "/args"),
        ({"args": ["a", 1]}, "/args/1"),
        ({"args": ["a\0"]}, "/args"),
        ({"args": ["a"] * 65}, "/args"),
        ({"env": ["A=1"]}, "/env"),
        ({"env": {"A": 1}}, "/env"),
        ({"env": {"1A": "x"}}, "/env"),
        ({"env": {"A=B": "x"}}, "/env"),
        ({"env": {"A": "x\0"}}, "/env"),
        ({"tags": {"a b": "x"}}, "/tags"),
        ({"tags": {"a": "x\n"}}, "/tags"),
        ({"tags": {"a": 1}}, "/tags"),
        ({"tags": {str(n): "" for n in range(17)}}, "/tags"),
        ({"priority": -1}, "/priority"),
        ({"priority": 10}, "/priority"),
        ({"priority": "5"}, "/priority"),
        ({"max_attempts": 0}, "/max_attempts"),
        ({"max_attempts": True}, "/max_attempts"),
        ({"timeout_ms": 0}, "/timeout_ms"),
        ({"timeout_ms": 10**30}, "/timeout_ms"),
        ({"timeout_ms": "5000"}, "/timeout_ms"),
        ({"timeout_ms": 1.5}, "/timeout_ms"),
        ({"memory_mb": 1}, "/memory_mb"),
        ({"processes": -1}, "/processes"),
        ({"execute": "yes"}, "/execute"),
        ({"execute": 1}, "/execute"),
        ({"description": "x" * 2_001}, "/description"),
        ({"function_name": "a\0"}, "/function_name"),
        ({"stdin": "", "colour": "blue"}, "/colour"),
        ({"execute": None, "a/b~c": 1}, "/a~1b~0c"),
        ({"memory_mb": 64, "limits": {"timeout_ms": 5000}}, "/limits"),
    ],
)
def test_a_value_that_breaks_a_rule_is_pointed_at(service: Service, changed: dict, pointer: str):
    response = service.http.post("/api/upload", json=PROGRAM | changed)

    problem = assert_problem(response, 422)
    assert [error["pointer"] for error in problem["errors"]] == [pointer]


@pytest.mark.parametrize("missing", list(PROGRAM))
def test_a_field_that_is_missing_is_named(service: Service, missing: str):
    body = {name: value for name, value in PROGRAM.items() if name != missing}

    problem = assert_problem(service.http.post("/api/upload", json=body), 422)

    assert problem["errors"] == [{"pointer": f"/{missing}", "detail": "is required"}]
    assert problem["detail"] == f"{missing}: is required"


@pytest.mark.parametrize(
    ("changed", "detail"),
    [
        ({"cases": [{"str": "1"}]}, "cases/0/str: is not a known field; expected name, stdin, "),
        ({"cases": [{}], "checker": {"kind": "token"}}, "checker/kind: must be one of exact, trimmed, "),
        ({"stop_on": "failure"}, "stop_on: must be one of first_failure, never"),
        ({"stdin": "", "timout_ms": 1}, "timout_ms: is not a known field; did you mean timeout_ms"),
        ({"stdin": "", "colour": 1}, "colour: is not a known field"),
    ],
)
def test_names_that_may_be_meant_are_in_the_sentence(service: Service, changed: dict, detail: str):
    problem = assert_problem(service.http.post("/api/upload", json=PROGRAM | changed), 422)
    in_batch = service.http.post("/api/batches", json={"jobs": [PROGRAM | {"execute": False} | changed]})

    assert problem["detail"].startswith(detail)
    [fault] = assert_problem(in_batch, 422)["errors"]
    assert fault["detail"].startswith(detail.partition(": ")[2])


LONG, CUT = "n" * 65, "n" * 64 + "…"


@pytest.mark.parametrize(
    ("path", "body", "place"),
    [
        ("/api/upload", PROGRAM | {"stdin": "", LONG: 1}, {"pointer": f"/{CUT}"}),
        ("/api/upload", PROGRAM | {"cases": [{LONG: 1}]}, {"pointer": f"/cases/0/{CUT}"}),
        ("/api/batches", {"jobs": [], LONG: 1}, {"pointer": f"/{CUT}"}),
        (f"/api/batches?{LONG}=1", {"jobs": []}, {"parameter": CUT}),
    ],
)
def test_a_long_name_of_a_refused_field_is_cut(service: Service, path: str, body: dict, place: dict):
    problem = assert_problem(service.http.post(path, json=body), 422)

    [fault] = problem["errors"]
    assert fault.items() >= place.items()
    assert LONG not in problem["detail"]


def test_a_long_name_that_is_given_twice_is_cut(service: Service):
    body = f'{{"project": "bad", "code": "1", "language": "python", "{LONG}": 1, "{LONG}": 2}}'

    response = service.http.post("/api/upload", content=body, headers=JSON)

    assert assert_problem(response, 422)["detail"] == f"{CUT}: is given twice"


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "a JSON body is required"),
        (b"{", "truncated"),
        (b'{"project": "bad",}', "malformed"),
        (b"[]", "expected 'object', got 'array'"),
        (b"null", "expected 'object', got 'null'"),
        (b'"x"', "expected 'object'"),
        (b'\xef\xbb\xbf{"project": "bad"}', "malformed"),
        (b'{"project": "\xff", "code": "1", "language": "python"}', "not UTF-8"),
        (b'{"project": "bad", "code": "\xc3\x28", "language": "python"}', "not UTF-8"),
        (b'{"project": "\\ud800", "code": "1", "language": "python"}', ""),
        (b'{"project": "bad", "code": "raw \0 NUL", "language": "python"}', "malformed"),
        (b"[" * DEEP, "expected 'object'"),
        (b'{"env": ' + b"[" * DEEP + b"]" * DEEP + b"}", "expected 'object"),
        (b'{"env": ' + b'{"a":' * DEEP + b"1" + b"}" * DEEP + b"}", "expected 'string'"),
        (b'{"colour": ' + b"[" * DEEP + b"]" * DEEP + b"}", "nested too deeply"),
        (legacy(b"[" * 64 + b"]" * 64), "x/0/0"),
        (legacy(b'"\xff"'), "not UTF-8"),
        (legacy(b"NaN"), "malformed"),
        (legacy(b"-Infinity"), "malformed"),
        (b'{"project": "a", "project": "b", "code": "1", "language": "python"}', "project: is given twice"),
        (legacy(b"1")[:-1] + b', "x": 2}', "x: is given twice"),
        (
            b'{"project": "a", "code": "1", "language": "python", "env": {"A": "", "A": ""}}',
            "env/A: is given",
        ),
        (json.dumps(PROGRAM).encode("utf-16"), ""),
    ],
    ids=str,
)
def test_a_body_that_cannot_be_read_is_refused(service: Service, body: bytes, sentence: str):
    response = service.http.post("/api/upload", content=body, headers=JSON)

    problem = assert_problem(response, 422)
    assert sentence in problem["detail"]


@pytest.mark.parametrize(
    "media_type",
    [
        *[None, "text/plain", "application/x-www-form-urlencoded", "multipart/mixed", "json", ";"],
        *["application/json; charset=utf-16", "application/json;charset=iso-8859-1", "application/jsonp"],
    ],
)
def test_a_body_that_does_not_say_it_is_json_is_refused(service: Service, media_type: str | None):
    headers = {} if media_type is None else {"content-type": media_type}

    response = service.http.post("/api/upload", content=json.dumps(PROGRAM), headers=headers)

    assert "Content-Type: application/json" in assert_problem(response, 415)["detail"]
    assert response.headers["accept"] == "application/json"


def test_a_body_that_is_compressed_is_refused(service: Service):
    headers = JSON | {"content-encoding": "gzip"}

    response = service.http.post("/api/upload", content=gzip.compress(b"{}"), headers=headers)

    assert "Content-Encoding" in assert_problem(response, 415)["detail"]
    assert response.headers["accept-encoding"] == "identity"


def test_code_over_its_limit_is_too_large(service: Service):
    response = service.http.post("/api/upload", json=PROGRAM | {"code": "#" * ((1 << 20) + 1)})

    assert assert_problem(response, 413)["detail"] == "code: has 1048577 bytes; 1048576 are allowed"


def test_stdin_over_its_limit_is_too_large(service: Service):
    response = service.http.post("/api/upload", json=PROGRAM | {"stdin": "é" * (1 << 19) + "x"})

    assert assert_problem(response, 413)["detail"].startswith("stdin: ")


@pytest.mark.parametrize("send", [b"".join, iter], ids=["with its length", "in chunks"])
def test_a_body_over_the_limit_is_too_large(service: Service, send):
    pieces = [b" " * (1 << 16)] * 65

    response = service.http.post("/api/upload", content=send(pieces), headers=JSON)

    assert assert_problem(response, 413)["detail"] == f"the body has more than {4 << 20} bytes"


def test_a_language_that_is_not_installed_is_said_so(service: Service):
    service.engine.unavailable["ruby"] = "install the package ruby"

    response = service.http.post("/api/upload", json=PROGRAM | {"language": "ruby"})

    service.engine.unavailable.clear()
    problem = assert_problem(response, 422)
    assert problem["errors"][0]["pointer"] == "/language"
    assert problem["detail"] == "language: ruby is unavailable here: install the package ruby"


@pytest.mark.parametrize("name", ["", " ", "17", "a/b", "..", "a\0b", "x" * 256])
@pytest.mark.parametrize("given_in", ["params", "json"])
def test_a_name_that_no_project_can_have_is_refused(service: Service, name: str, given_in: str):
    response = service.http.post("/api/project", **{given_in: {"project_name": name}})

    (error,) = assert_problem(response, 422)["errors"]
    where = {"params": {"parameter": "project_name"}, "json": {"pointer": "/project_name"}}[given_in]
    assert error.items() >= where.items()


@pytest.mark.parametrize(
    "body", [None, {}, {"description": "x"}, {"project_name": None}, {"project_name": 1}, {"name": "x"}]
)
def test_a_project_without_a_name_is_refused(service: Service, body: dict | None):
    assert_problem(service.http.post("/api/project", json=body), 422)


def test_a_name_given_twice_is_refused(service: Service):
    response = service.http.post("/api/project", params={"project_name": "a"}, json={"project_name": "a"})

    assert "not in both" in assert_problem(response, 422)["detail"]


@pytest.mark.parametrize(
    "path",
    [
        "/api/project?project_name=%FF",
        "/api/project?project_name=%ED%A0%80",
        "/api/projects/%FF/archive",
        "/api/execute/%C3%28",
    ],
)
def test_a_url_that_is_not_utf_8_is_refused(service: Service, path: str):
    assert "UTF-8" in assert_problem(service.http.post(path), 422)["detail"]


@pytest.mark.parametrize(
    "key", ["", "..", "/etc/passwd", "logs/../../etc/passwd", "logs//x", "logs\\x", "a\0b"]
)
def test_a_key_that_no_log_can_have_is_refused(service: Service, key: str):
    problem = assert_problem(service.http.get("/api/log", params={"log_key": key}), 422)

    assert problem["errors"][0]["parameter"] == "log_key"


@pytest.mark.parametrize("wait", ["-1", "soon", "nan", "", "inf", "-inf", "Infinity", "1e400", "86401"])
def test_a_wait_that_is_no_time_is_refused(service: Service, wait: str):
    response = service.http.post("/api/upload", params={"wait": wait}, json=PROGRAM)

    assert assert_problem(response, 422)["errors"][0]["parameter"] == "wait"


@pytest.mark.parametrize(
    ("name", "values"), [("tag", [f"t{n}:x" for n in range(1_000)]), ("status", ["FAILED"] * 17)]
)
def test_more_filters_than_a_job_can_match_are_refused(service: Service, name: str, values: list[str]):
    problem = assert_problem(service.http.get("/api/jobs", params={name: values}), 422)

    assert problem["errors"] == [{"parameter": name, "detail": "may be given at most 16 times"}]
