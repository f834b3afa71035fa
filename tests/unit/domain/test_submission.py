import pytest

from domain.errors import InvalidValue, TooLarge
from domain.priority import MAX_PRIORITY
from domain.submission import MAX_ATTEMPTS, TAG_MAX_CHARS
from domain.submission_limits import SubmissionLimits
from tests.unit.domain.builders import a_spec

SMALL = SubmissionLimits(
    code_bytes=10, stdin_bytes=10, arguments=2, arguments_bytes=20, tags=2, text_chars=10
)
LONE_SURROGATE = "\udcff"


@pytest.mark.parametrize(
    "fields",
    [
        {"stdin": "a line\0and a NUL, which a pipe carries\n"},
        {"args": ("--name", "", "-rf", "$(id)", "a\nb")},
        {"env": {"PATH": "", "_x1": "값", "a": "1"}},
        {"tags": {"team": "", "0": "값", "a.b-c_d": "x y"}},
        {"priority": 0},
        {"priority": MAX_PRIORITY},
        {"max_attempts": MAX_ATTEMPTS},
        {"function_name": "main", "description": "한 줄\n두 줄"},
    ],
)
def test_a_job_may_be_submitted_with(fields):
    assert a_spec(**fields)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("stdin", LONE_SURROGATE),
        ("args", ("a\0b",)),
        ("args", (LONE_SURROGATE,)),
        ("env", {"A": "a\0b"}),
        ("env", {"A": LONE_SURROGATE}),
        ("env", {"": "x"}),
        ("env", {"1A": "x"}),
        ("env", {"A=B": "x"}),
        ("env", {"A\n": "x"}),
        ("env", {"Ä": "x"}),
        ("tags", {"": "x"}),
        ("tags", {"-a": "x"}),
        ("tags", {"a b": "x"}),
        ("tags", {"a" * 65: "x"}),
        ("tags", {"a": "x\ny"}),
        ("tags", {"a": LONE_SURROGATE}),
        ("priority", -1),
        ("priority", MAX_PRIORITY + 1),
        ("max_attempts", 0),
        ("max_attempts", MAX_ATTEMPTS + 1),
    ],
)
def test_a_value_that_breaks_its_rule_is_refused_by_its_field(field, value):
    with pytest.raises(InvalidValue) as refused:
        a_spec(**{field: value})
    assert refused.value.field == field
    str(refused.value.detail).encode()


def test_code_is_stored_as_utf_8():
    assert SMALL.check_code("x = 'é'") == b"x = '\xc3\xa9'"


@pytest.mark.parametrize("code", ["a\0b", LONE_SURROGATE])
def test_code_that_no_file_could_hold_is_refused(code):
    with pytest.raises(InvalidValue) as refused:
        SMALL.check_code(code)
    assert refused.value.field == "code"


@pytest.mark.parametrize("code", ["", " \n\t"])
def test_code_may_be_empty(code):
    assert SMALL.check_code(code) == code.encode()


def test_code_is_measured_in_bytes():
    assert SMALL.check_code("é" * 5)
    with pytest.raises(TooLarge, match="has 11 bytes; 10 are allowed"):
        SMALL.check_code("é" * 5 + "x")


def test_stdin_is_measured_in_bytes():
    SMALL.check_stdin("é" * 5)
    with pytest.raises(TooLarge, match="has 11 bytes; 10 are allowed"):
        SMALL.check_stdin("é" * 5 + "x")


def test_stdin_that_has_no_encoding_is_refused():
    with pytest.raises(InvalidValue):
        SMALL.check_stdin(LONE_SURROGATE)


@pytest.mark.parametrize(
    "fields",
    [
        {"stdin": "x" * 10},
        {"args": ("x" * 10, "y" * 10)},
        {"env": {"A": "x" * 9, "B": "y" * 9}},
        {"tags": {"a": "x" * TAG_MAX_CHARS, "b": ""}},
        {"function_name": "x" * 10, "description": "y" * 10},
    ],
)
def test_what_fills_a_limit_exactly_is_taken(fields):
    SMALL.check_spec(a_spec(**fields))


@pytest.mark.parametrize(
    ("fields", "field", "kind"),
    [
        ({"stdin": "x" * 11}, "stdin", TooLarge),
        ({"args": ("", "", "")}, "args", InvalidValue),
        ({"env": {"A": "", "B": "", "C": ""}}, "args", InvalidValue),
        ({"args": ("x" * 21,)}, "args", TooLarge),
        ({"args": ("x" * 10,), "env": {"A": "y" * 10}}, "args", TooLarge),
        ({"tags": {"a": "", "b": "", "c": ""}}, "tags", InvalidValue),
        ({"tags": {"a": "x" * (TAG_MAX_CHARS + 1)}}, "tags", InvalidValue),
        ({"function_name": "x" * 11}, "function_name", InvalidValue),
        ({"description": "x" * 11}, "description", InvalidValue),
        ({"function_name": "a\0b"}, "function_name", InvalidValue),
        ({"description": "a\0b"}, "description", InvalidValue),
        ({"description": LONE_SURROGATE}, "description", InvalidValue),
    ],
)
def test_what_is_submitted_beyond_a_limit_is_refused_by_its_field(fields, field, kind):
    with pytest.raises(kind) as refused:
        SMALL.check_spec(a_spec(**fields))
    assert refused.value.field == field
