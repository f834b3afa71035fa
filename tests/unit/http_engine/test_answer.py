import json
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.http_engine.answer import LITERAL_MAX_BYTES, MAX_FIGURE, believe, parse, to_utf8
from adapters.http_engine.engine_errors import MayHaveStarted
from domain.execution import ResourceUsage

FIELDS = ["stdout", "stderr", "exit_code", "execution_time_ms", "cpu_percent", "memory_mb", "log_key"]
SCALARS = st.sampled_from(
    [None, True, 0, -1, 2**70, 1.5, float("nan"), float("inf"), "", "1", "logs/a", "\ud800"]
)
VALUES = SCALARS | st.lists(SCALARS, max_size=2) | st.dictionaries(st.sampled_from("ab"), SCALARS, max_size=1)
EXPECTED = {"code_key": "demo/main.py", "job_id": "1", "execution_id": "2"}


def read_answer(body, expected):
    return believe(parse(body), expected)


def read(**fields):
    return read_answer(json.dumps(fields).encode(), EXPECTED)


def test_the_python_runner_s_answer_is_read():
    answer = read(
        stdout="hi\n",
        stderr="",
        execution_time_ms=12,
        cpu_percent=0.0,
        memory_mb=31.4,
        code_key="demo/main.py",
        log_key="logs/0190.json",
    )
    assert (answer.stdout, answer.stderr, answer.exit_code) == (b"hi\n", b"", None)
    assert answer.resource == ResourceUsage(execution_time_ms=12, cpu_percent=0.0, memory_mb=31.4)
    assert str(answer.log_key) == "logs/0190.json"


def test_figures_that_are_sent_as_text_are_numbers():
    usage = read(stdout="", execution_time_ms="12.6", cpu_percent="3.50", memory_mb=" 48.20 ").resource
    assert usage == ResourceUsage(execution_time_ms=13, cpu_percent=3.5, memory_mb=48.2)


def test_figures_that_are_missing_stay_unknown():
    assert read(stdout="", execution_time_ms=5).resource == ResourceUsage(execution_time_ms=5)
    assert read(stdout="").resource is None


@pytest.mark.parametrize(
    "figure",
    [
        "NaN",
        "Infinity",
        "-Infinity",
        "-1",
        "1e999",
        str(MAX_FIGURE + 1),
        "1" + "0" * 400,
        '"nan"',
        '"12 MB"',
        "true",
        "null",
        "[]",
        '{"a": 1}',
    ],
)
def test_a_figure_that_is_no_measurement_is_not_believed(figure):
    body = f'{{"stdout": "", "execution_time_ms": {figure}, "cpu_percent": {figure}, "memory_mb": {figure}}}'
    assert read_answer(body.encode(), EXPECTED).resource is None


@pytest.mark.parametrize(
    ("sent", "read_as"),
    [
        (0, 0),
        (3, 3),
        (-9, -9),
        ("1", 1),
        (2.0, 2),
        (1.5, None),
        ("x", None),
        (True, None),
        (None, None),
        (3_221_225_477, 3_221_225_477),
        (2**32, None),
        (-(2**31) - 1, None),
        ([], None),
    ],
)
def test_an_exit_code_is_a_whole_number_or_unknown(sent, read_as):
    assert read(exit_code=sent).exit_code == read_as


@pytest.mark.parametrize("said", ['"NaN"', "NaN", "1e400", str(2**70), '""', '"x"', "1.5", "true", "[]"])
def test_an_exit_code_that_cannot_be_read_is_told_from_one_that_was_not_said(said):
    answer = read_answer(f'{{"stdout": "", "exit_code": {said}}}'.encode(), EXPECTED)
    assert (answer.exit_code, answer.is_exit_code_readable) == (None, False)
    assert read(stdout="", exit_code=None).is_exit_code_readable
    assert read(stdout="").is_exit_code_readable


def test_a_python_literal_is_read_like_json():
    body = repr({"stdout": "it's\n", "stderr": None, "cpu_percent": 1.5, "raw": b"\xff"}).encode()
    answer = read_answer(body, EXPECTED)
    assert (answer.stdout, answer.stderr) == (b"it's\n", b"")
    assert answer.resource == ResourceUsage(cpu_percent=1.5)


def test_bytes_in_a_literal_are_output_too():
    assert (
        read_answer(repr({"stdout": b"a\xffb"}).encode(), EXPECTED).stdout
        == "a\N{REPLACEMENT CHARACTER}b".encode()
    )


def test_literals_that_are_read_at_once_take_the_memory_of_one():
    # Given literals of the largest size whose syntax trees are as large as any
    body = b"{'stdout': 'x', %s}" % (b"1:0," * (LITERAL_MAX_BYTES // 4 - 10))
    tracemalloc.start()
    try:
        with ThreadPoolExecutor(4) as threads:
            answers = list(threads.map(lambda _: read_answer(body, EXPECTED), range(4)))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [answer.stdout for answer in answers] == [b"x"] * 4
    assert most < 48 << 20


def test_a_literal_beyond_its_cap_is_not_parsed():
    body = repr({"stdout": "x" * LITERAL_MAX_BYTES}).encode()
    with pytest.raises(MayHaveStarted, match="could not be read"):
        read_answer(body, EXPECTED)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe\x00",
        b"Internal Server Error",
        b"null",
        b"[]",
        b'"text"',
        b"12",
        b"{",
        b'{"stdout": "cut of',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"(" * 100_000,
        b"-" * 100_000 + b"1",
        b"{'stdout': __import__('os').getcwd()}",
        b"{'stdout': 'a' * 9}",
        b"{[]: 1}",
        b"{'stdout': 'a\0'}",
        b"{" + b"9" * 10_000 + b": 1}",
    ],
)
def test_what_is_neither_json_nor_a_literal_is_no_answer(body):
    with pytest.raises(MayHaveStarted, match="could not be read"):
        read_answer(body, EXPECTED)


@given(
    st.one_of(
        st.binary(max_size=200), st.text(alphabet="{}[]\"',:1e-\\u0dtrue b", max_size=60).map(str.encode)
    )
)
@example(b'{"stdout": "\\ud800"}')
def test_whatever_comes_is_an_answer_or_none_and_never_a_crash(body):
    try:
        answer = read_answer(body, EXPECTED)
    except MayHaveStarted:
        return
    answer.stdout.decode()
    answer.stderr.decode()


@given(st.dictionaries(st.sampled_from(FIELDS), VALUES))
def test_fields_of_any_type_are_read_or_left(fields):
    try:
        answer = read(**fields)
    except MayHaveStarted:
        return
    answer.stdout.decode()
    answer.stderr.decode()


def test_an_error_without_an_outcome_is_repeated():
    with pytest.raises(MayHaveStarted, match="said: no such image"):
        read(error="no such image")


def test_json_that_is_no_outcome_is_no_answer():
    with pytest.raises(MayHaveStarted, match="without an outcome"):
        read(message="ok")


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_an_answer_for_another_job_is_not_believed(name):
    with pytest.raises(MayHaveStarted, match=f"its {name} is not this job's"):
        read(stdout="", **{name: "other"})
    with pytest.raises(MayHaveStarted):
        read(stdout="", **{name: ["other"]})


def test_an_answer_that_says_whose_it_is_is_believed():
    assert read(stdout="ok", **EXPECTED).stdout == b"ok"
    assert read(stdout="ok", **dict.fromkeys(EXPECTED)).stdout == b"ok"


@pytest.mark.parametrize(
    "log_key",
    [
        "demo/main.py",
        "logs/",
        "logs/../code/x",
        "/logs/a.json",
        "logs//a",
        "logs/a\n",
        "logs/\ud800",
        "",
        None,
        3,
        "logs/" + "x" * 2_000,
        ["logs/a.json"],
    ],
)
def test_a_log_key_that_is_not_a_key_under_logs_is_not_believed(log_key):
    assert read(stdout="", log_key=log_key).log_key is None


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ('"a\\u0000b"', b"a\0b"),
        ('"\\ud83d\\ude00"', "😀".encode()),
        ('"\\ud800"', "\N{REPLACEMENT CHARACTER}".encode()),
        ('"\\udc80x"', "\N{REPLACEMENT CHARACTER}x".encode()),
        ("12", b"12"),
        ("null", b""),
    ],
)
def test_output_is_utf_8_whatever_the_runner_made_of_it(sent, kept):
    assert read_answer(f'{{"stdout": {sent}}}'.encode(), EXPECTED).stdout == kept


def test_bytes_that_are_no_utf_8_are_replaced_and_a_byte_order_mark_is_not_output():
    assert (
        read_answer(b'\xef\xbb\xbf{"stdout": "a\xffb"}', EXPECTED).stdout
        == "a\N{REPLACEMENT CHARACTER}b".encode()
    )


@given(st.text(alphabet=st.characters(codec=None, exclude_categories=[])))
def test_any_text_has_bytes(text):
    encoded = to_utf8(text).decode()
    if not any("\ud800" <= char <= "\udfff" for char in text):
        assert encoded == text
