import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.http_engine.python_literal import read_literal

_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(max_size=20)
)
_KEYS = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
_VALUES = st.recursive(
    _SCALARS, lambda each: st.lists(each, max_size=3) | st.dictionaries(_KEYS, each, max_size=3), max_leaves=9
)


@given(st.dictionaries(st.text(), _SCALARS))
def test_what_python_writes_is_read(value):
    assert read_literal(repr(value)) == value


@given(_VALUES)
def test_values_may_be_in_others(value):
    assert read_literal(repr([value])) == [value]


def test_a_tuple_is_read_as_a_list():
    assert read_literal("{'a': (1, 2.5,), 'b': ()}") == {"a": [1, 2.5], "b": []}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[" * 9 + "]" * 9,
        "[" * 50_000,
        "[1",
        "[1}",
        "{1}",
        "{'a' 1}",
        "'a",
        "'a\nb'",
        "'a' 'b'",
        "1 2",
        "-",
        "f()",
    ],
)
def test_what_is_no_such_literal_is_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011 - whatever it says
        read_literal(text)


@pytest.mark.parametrize("hostile", ["'", "\\", "[", "{1:", "1,", " ", "'a',"])
def test_the_time_is_linear_in_the_text(hostile):
    def seconds(length):
        text = "[" + hostile * length
        began = time.thread_time()
        with pytest.raises(ValueError):  # noqa: PT011 - whatever it says
            read_literal(text)
        return time.thread_time() - began

    short, long = (min(seconds(length) for _ in range(3)) for length in (1 << 12, 1 << 15))

    assert long < 0.01 or long < 30 * short  # eight times as long; sixty-four times if it were quadratic
