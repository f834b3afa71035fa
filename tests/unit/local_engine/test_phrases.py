import time

import pytest

from adapters.local_engine.sandbox.phrases import says


@pytest.mark.parametrize(
    ("phrase", "text", "is_said"),
    [
        ("^MemoryError", "Traceback\nMemoryError: no room\n", True),
        ("^MemoryError", "no MemoryError\n", False),
        ("std::bad_alloc", "what():  std::bad_alloc", True),
        ("cannot allocate * bytes", "main.sh: xrealloc: cannot allocate 18 bytes (9 allocated)\n", True),
        ("cannot allocate * bytes", "cannot allocate\nany bytes", False),
        ("cannot allocate * bytes", "bytes that it cannot allocate", False),
        ("^fatal error: * out of memory", "fatal error: runtime: out of memory", True),
        ("^fatal error: * out of memory", "a fatal error: out of memory", False),
        ("^fatal error: * out of memory", "warning\nfatal error: out of memory\n", True),
        ("cannot allocate * bytes", "cannot allocate\ncannot allocate 18 bytes", True),
        ("", "", False),
    ],
)
def test_a_phrase_is_found_in_a_line(phrase, text, is_said):
    assert says(text, [phrase]) is is_said


def test_any_phrase_will_do():
    assert says("it is b", ["a", "b"])
    assert not says("it is b", [])


@pytest.mark.parametrize("hostile", ["cannot allocate ", "cannot allocate\n", "a"])
def test_the_time_is_linear_in_the_text(hostile):
    def seconds(length):
        text = (hostile * length)[:length]
        began = time.thread_time()
        says(text, ["cannot allocate * bytes * bytes", "^a * b"])
        return time.thread_time() - began

    short, long = (min(seconds(length) for _ in range(3)) for length in (1 << 18, 1 << 21))

    assert long < 0.01 or long < 30 * short  # eight times as long; sixty-four times if it were quadratic


def test_empty_lines_cost_nothing_however_many_phrases_are_looked_for():
    began = time.thread_time()

    assert not says("\n" * (1 << 20), [f"phrase {number}" for number in range(20)])
    assert time.thread_time() - began < 1
