import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.local_engine.sandbox.capture import CapturedOutput
from domain.execution import Output


def _captured(pieces, *, allowed=1 << 20, inline=64, tmp="/tmp"):  # noqa: S108 - files without a name
    output = CapturedOutput(allowed, inline, tmp)
    for piece in pieces:
        output.stdout.write(piece)
    return output


@given(st.lists(st.binary(max_size=50), max_size=20))
def test_every_byte_is_kept_and_counted(pieces):
    output = _captured(pieces)

    whole = b"".join(pieces)
    assert output.stdout.rewound().read() == whole
    assert output.stdout.output().total_bytes == len(whole)
    assert output.stdout.output().truncated == (len(whole) > 64)
    output.close()


@given(
    st.text(st.characters(codec="utf-8", exclude_characters="\0\ufffd"), min_size=40, max_size=200),
    st.integers(1, 7),
)
def test_no_character_is_cut(text, step):
    data = text.encode()
    output = _captured([data[place : place + step] for place in range(0, len(data), step)])

    shown = output.stdout.output().text
    assert "\ufffd" not in shown
    output.close()


def test_what_is_left_out_is_said_to_the_byte():
    output = _captured([b"a" * 100, b"z" * 100])

    assert output.stdout.output().text == "a" * 32 + "\n[... 136 bytes omitted ...]\n" + "z" * 32
    output.close()


def test_a_character_on_the_cut_is_left_out_whole():
    output = _captured([b"a" * 31, "한".encode(), b"b" * 100, "글".encode(), b"c" * 31])

    text = output.stdout.output().text
    assert text.startswith("a" * 31 + "\n[... 106 bytes omitted ...]\n")
    assert text.endswith("]\n" + "c" * 31)
    output.close()


def test_both_streams_share_one_allowance():
    output = _captured([], allowed=10)

    first = output.stdout.write(b"12345678")
    second = output.stderr.write(b"12345678")
    third = output.stdout.write(b"more")

    assert (first.data, second.data, third) == (b"12345678", b"12", None)
    assert (output.budget.used, output.is_exceeded) == (20, True)
    assert output.stderr.rewound().read() == b"12"
    assert output.stderr.output() == Output("12", 2, truncated=True)
    assert output.stdout.output() == Output("12345678", 8, truncated=True)
    output.close()


@pytest.mark.parametrize("size", [63, 64, 65])
def test_what_just_fits_is_shown_whole(size):
    output = _captured([b"x" * size])

    assert output.stdout.output().truncated == (size > 64)
    output.close()
