"""Comparisons of outputs: each kind of checker, the first difference, and outputs made to be dear."""

import io
import random
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from itertools import product

import pytest

from domain.cases import Difference, Judgement, Verdict
from domain.checker import Checker, CheckerKind
from domain.checking import compare
from domain.errors import InvalidValue
from domain.pieces import LONGEST, Lines, Place, Tokens

ACCEPTED, WRONG, PRESENTATION = Verdict.ACCEPTED, Verdict.WRONG_ANSWER, Verdict.PRESENTATION_ERROR
COMPARATORS = [kind for kind in CheckerKind if kind is not CheckerKind.PROGRAM]


class ShortReads(io.BytesIO):
    """A stream that returns a random number of bytes at once."""

    def __init__(self, content: bytes, numbers: random.Random) -> None:
        super().__init__(content)
        self._numbers = numbers

    def read(self, size: int | None = -1, /) -> bytes:
        assert size is not None
        assert size > 0
        return super().read(self._numbers.randint(1, size))


def compared(kind: str, expected: bytes, got: bytes, tolerance: float | None = None) -> Judgement:
    checker = Checker(kind=CheckerKind(kind), tolerance=tolerance)
    return compare(checker, io.BytesIO(expected), io.BytesIO(got))


def judged(kind: str, expected: bytes, got: bytes, tolerance: float | None = None) -> Verdict:
    return compared(kind, expected, got, tolerance).verdict


@pytest.mark.parametrize(
    ("expected", "got", "exact", "trimmed", "tokens", "unordered_lines"),
    [
        (b"", b"", ACCEPTED, ACCEPTED, ACCEPTED, ACCEPTED),
        (b"a\n", b"a\n", ACCEPTED, ACCEPTED, ACCEPTED, ACCEPTED),
        (b"a\n", b"a", PRESENTATION, ACCEPTED, ACCEPTED, ACCEPTED),
        (b"a\nb\n", b"a\r\nb\r\n", PRESENTATION, ACCEPTED, ACCEPTED, ACCEPTED),
        (b"a\nb\n", b"a \t\nb\n\n\n", PRESENTATION, ACCEPTED, ACCEPTED, ACCEPTED),
        (b"a b", b"a  b", PRESENTATION, PRESENTATION, ACCEPTED, WRONG),
        (b"a b", b" a b", PRESENTATION, PRESENTATION, ACCEPTED, WRONG),
        (b"a\nb", b"a b", PRESENTATION, PRESENTATION, ACCEPTED, WRONG),
        (b"a\n\nb", b"a\nb", PRESENTATION, PRESENTATION, ACCEPTED, ACCEPTED),
        (b"a\nb", b"b\na", WRONG, WRONG, WRONG, ACCEPTED),
        (b"a\na\nb", b"a\nb\nb", WRONG, WRONG, WRONG, WRONG),
        (b"a\n", b"", WRONG, WRONG, WRONG, WRONG),
        (b"", b"a", WRONG, WRONG, WRONG, WRONG),
        (b"", b"\n \n", PRESENTATION, ACCEPTED, ACCEPTED, ACCEPTED),
        (b"ab", b"a b", WRONG, WRONG, WRONG, WRONG),
        (b"a\0b", b"a\0b\n", PRESENTATION, ACCEPTED, ACCEPTED, ACCEPTED),
        (b"\xff\xfe", b"\xff\xff", WRONG, WRONG, WRONG, WRONG),
    ],
)
def test_each_kind_has_a_verdict(
    expected: bytes,
    got: bytes,
    exact: Verdict,
    trimmed: Verdict,
    tokens: Verdict,
    unordered_lines: Verdict,
) -> None:
    kinds = ("exact", "trimmed", "tokens", "unordered_lines")
    assert [judged(kind, expected, got) for kind in kinds] == [exact, trimmed, tokens, unordered_lines]
    # Words that are no numbers are compared as tokens are.
    assert judged("float", expected, got) == tokens


@pytest.mark.parametrize(
    ("expected", "got", "tolerance", "verdict"),
    [
        (b"1.0", b"1", None, ACCEPTED),
        (b"1.0", b"1.000001", None, ACCEPTED),
        (b"1.0", b"1.0000011", None, WRONG),
        (b"0", b"1e-6", None, ACCEPTED),
        (b"0", b"-0.0", None, ACCEPTED),
        (b"1000000000", b"1000000999.9", None, ACCEPTED),
        (b"1000000000", b"1000001001", None, WRONG),
        (b"1e3", b"1000", 0.0, ACCEPTED),
        (b"0.1", b"0.10000000000000000000000000000001", 0.0, WRONG),
        (b"0.3", b"0.2", 0.1, ACCEPTED),
        (
            b"12345678901234567890123456789012345678901",
            b"1.2345678901234567890123456789012345678901e40",
            0.0,
            ACCEPTED,
        ),
        (b"1e400", b"1e401", None, WRONG),
        (b"1e400", b"10e399", None, ACCEPTED),
        (b"1e308", b"-1e308", None, WRONG),
        (b"1e999999999999999999999", b"1e999999999999999999998", None, WRONG),
        (b"1e-999999999999999999999", b"0", None, ACCEPTED),
        (b"nan", b"NaN", None, ACCEPTED),
        (b"nan", b"-nan", None, ACCEPTED),
        (b"nan", b"1", None, WRONG),
        (b"1", b"nan", None, WRONG),
        (b"inf", b"+Infinity", None, ACCEPTED),
        (b"inf", b"-inf", None, WRONG),
        (b"inf", b"1e999", None, WRONG),
        (b"1000", b"1_000", None, WRONG),
        (b"16", b"0x10", None, WRONG),
        (b"1", b"1.", None, ACCEPTED),
        (b".5", b"0.5", None, ACCEPTED),
        (b"1", b".", None, WRONG),
        (b"1", b"1e", None, WRONG),
        (b"1", b"\xd9\xa1", None, WRONG),
        (b"1 2", b"1\n2\n", None, ACCEPTED),
        (b"1 2", b"1 2 3", None, WRONG),
        (b"x = 1.0", b"x = 1", None, ACCEPTED),
        (b"x = 1.0", b"y = 1", None, WRONG),
    ],
)
def test_numbers_are_close_within_the_absolute_or_the_relative_tolerance(
    expected: bytes, got: bytes, tolerance: float | None, verdict: Verdict
) -> None:
    assert judged("float", expected, got, tolerance) is verdict


@pytest.mark.parametrize(
    ("kind", "expected", "got", "difference"),
    [
        ("trimmed", b"a\nbcd\n", b"a\nbxd\n", Difference(2, "bcd", "bxd", 2)),
        ("trimmed", b"a\n", b"a\n\n\nb", Difference(4, None, "b", 1)),
        ("trimmed", b"a\nb", b"a\n", Difference(2, "b", "", 1)),
        ("exact", b"a\n", b"a", Difference(1, "", None, 2)),
        ("exact", b"a", b"a\x1b[31m\r", Difference(1, "a", "a\x1b[31m\r", 2)),
        ("tokens", b"1 2\n3 4", b"1 2\n3 5\n", Difference(2, "4", "5", 3)),
        ("tokens", b"1 2", b"1\n", Difference(2, "2", None, 1)),
        ("float", b"1 2.5", b"1.0   3.5", Difference(1, "2.5", "3.5", 7)),
        ("trimmed", "한국어".encode(), "한국말".encode(), Difference(1, "한국어", "한국말", 3)),
        ("trimmed", "é".encode(), "è".encode(), Difference(1, "é", "è", 1)),
        ("exact", b"a", b"a\xff", Difference(1, "a", r"a\xff", 2)),
        ("exact", b"a", "a\u202e".encode(), Difference(1, "a", "a\u202e", 2)),
        ("unordered_lines", b"a\nb\nc", b"c\na\na", Difference(3, "b", "a", 1)),
        ("unordered_lines", b"a\nb", b"b\n", Difference(2, "a", None, 1)),
        ("unordered_lines", b"a", b"a\n\nx\ny", Difference(3, None, "x", 1)),
    ],
)
def test_the_first_difference_has_a_place_and_excerpts(
    kind: str, expected: bytes, got: bytes, difference: Difference
) -> None:
    assert compared(kind, expected, got).difference == difference


def test_excerpts_of_long_lines_are_bounded_and_near_the_difference() -> None:
    difference = compared("trimmed", b"a" * 500 + b"b" * 500, b"a" * 500 + b"c" * 500).difference
    assert difference is not None
    assert (difference.line, difference.column) == (1, 501)
    assert difference.expected == "…" + "a" * 24 + "b" * 56 + "…"
    assert difference.found == "…" + "a" * 24 + "c" * 56 + "…"


def test_a_difference_in_words_is_printable() -> None:
    difference = compared("exact", b"a", "a\x1b[31m\u202e".encode()).difference
    assert str(difference) == r"line 1, column 2: expected 'a', found 'a\x1b[31m\u202e'"


@pytest.mark.parametrize("length", [LONGEST - 1, LONGEST, LONGEST + 1, 3 * LONGEST, 3 * LONGEST + 7])
@pytest.mark.parametrize("kind", COMPARATORS)
def test_long_lines_and_tokens_are_compared_to_their_ends(kind: CheckerKind, length: int) -> None:
    expected = b"first\n" + b"1" * length + b" 2\nlast\n"
    assert judged(kind, expected, expected) is ACCEPTED
    for wrong in (b"1" * (length - 1) + b"2 2", b"1" * (length + 1) + b" 2", b"1" * (length - 1) + b" 1 2"):
        judgement = compared(kind, expected, b"first\n" + wrong + b"\nlast\n")
        assert judgement.verdict is (ACCEPTED if _is_near(kind, length, wrong) else WRONG), wrong[-9:]
        if kind in {CheckerKind.EXACT, CheckerKind.TRIMMED, CheckerKind.TOKENS} and judgement.difference:
            assert judgement.difference.line == 2
            assert judgement.difference.column == min(len(wrong.split()[0]), length) + (
                len(wrong.split()[0]) != length
            )


def _is_near(kind: CheckerKind, length: int, wrong: bytes) -> bool:
    """Whether a checker takes a wrong number, which differs by one of very many digits."""
    return kind is CheckerKind.FLOAT and length <= LONGEST and wrong == b"1" * (length - 1) + b"2 2"


@pytest.mark.parametrize("blanks", [LONGEST - 3, LONGEST, 3 * LONGEST + 5])
def test_blanks_at_the_end_of_a_long_line_do_not_count_and_others_do(blanks: int) -> None:
    line = b" " * blanks
    for kind in ("trimmed", "unordered_lines"):
        assert judged(kind, b"a\nb\n", b"a" + line + b"\nb" + line) is ACCEPTED
        assert judged(kind, b"a" + line + b"\r\nb\n", b"a\nb\n") is ACCEPTED
        assert judged(kind, b"a" + line + b"b\nc", b"a" + line + b"b" + line + b"\nc") is ACCEPTED
        assert judged(kind, b"a\nb\n", b"a" + line + b"x\nb") is WRONG
    assert judged("trimmed", b"a b\n", b"a" + line + b"b\n") is PRESENTATION
    assert judged("trimmed", b"a\n" + b" " * blanks + b"\nb", b"a\n\nb") is ACCEPTED
    assert judged("exact", b"a\n", b"a" + line) is PRESENTATION


def _number(token: bytes) -> Decimal | None:
    try:
        return Decimal(token.decode("ascii"))
    except ArithmeticError:
        return None


def _close(expected: bytes, got: bytes) -> bool:
    value, other = _number(expected), _number(got)
    if expected == got or value is None or other is None:
        return expected == got
    return abs(value - other) <= max(Decimal("0.01"), Decimal("0.01") * abs(value))


def _simple_float(expected: bytes, got: bytes) -> bool:
    tokens, other = expected.split(), got.split()
    return len(tokens) == len(other) and all(map(_close, tokens, other))


def _simple_lines(text: bytes) -> list[bytes]:
    lines = [line.rstrip() for line in text.split(b"\n")]
    while lines and not lines[-1]:
        lines.pop()
    return lines


SIMPLE: dict[CheckerKind, Callable[[bytes, bytes], bool]] = {
    CheckerKind.EXACT: lambda expected, got: expected == got,
    CheckerKind.TRIMMED: lambda expected, got: _simple_lines(expected) == _simple_lines(got),
    CheckerKind.TOKENS: lambda expected, got: expected.split() == got.split(),
    CheckerKind.FLOAT: _simple_float,
    CheckerKind.UNORDERED_LINES: lambda expected, got: (
        Counter(filter(None, _simple_lines(expected))) == Counter(filter(None, _simple_lines(got)))
    ),
}


@pytest.mark.parametrize("kind", COMPARATORS)
def test_all_pairs_of_short_texts_are_judged_as_the_whole_texts_would_be(kind: CheckerKind) -> None:
    texts = [bytes(letters) for length in range(4) for letters in product(b"1 \n", repeat=length)]
    checker = Checker(kind=kind, tolerance=0.01 if kind is CheckerKind.FLOAT else None)
    for expected, got in product(texts, repeat=2):
        verdict = compare(checker, io.BytesIO(expected), io.BytesIO(got)).verdict
        assert (verdict is ACCEPTED) == SIMPLE[kind](expected, got), (expected, got)
        if kind in {CheckerKind.EXACT, CheckerKind.TRIMMED} and verdict is not ACCEPTED:
            assert (verdict is PRESENTATION) == (expected.split() == got.split()), (expected, got)


@pytest.mark.parametrize("kind", COMPARATORS)
def test_texts_are_judged_in_the_same_way_however_they_are_read(
    kind: CheckerKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = random.Random(f"{kind}")
    for name in ("BLOCK", "LONGEST"):
        monkeypatch.setattr(f"domain.pieces.{name}", 8)
    monkeypatch.setattr("domain.checking.LONGEST", 8)
    monkeypatch.setattr("domain.checking.BLOCK", 8)
    checker = Checker(kind=kind, tolerance=0.01 if kind is CheckerKind.FLOAT else None)
    # As often as not one text is the other with few changes.
    for _ in range(1_000):
        parts = [b"1", b"2", b" ", b"\n", b"\r\n", b"  \n", b"x" * 9, b" " * 9, b"a" * 30]
        expected = b"".join(numbers.choices(parts, k=numbers.randint(0, 12)))
        got = expected
        for _ in range(numbers.randint(0, 2)):
            at = numbers.randint(0, len(got))
            got = got[:at] + numbers.choice([*parts, b""]) + got[at + numbers.randint(0, 1) :]
        streams = (ShortReads(expected, numbers), ShortReads(got, numbers))
        judgement = compare(checker, *streams)
        assert (judgement.verdict is ACCEPTED) == SIMPLE[kind](expected, got), (expected, got)
        assert (judgement.difference is None) == (judgement.verdict is ACCEPTED)


def test_pieces_join_to_the_text_and_know_their_places() -> None:
    text = "ab 한국\n\n".encode() + b"x" * (2 * LONGEST + 1) + b" y\nlast"
    lines = Lines(io.BytesIO(text))
    pieces, places = [], []
    while left := lines.left():
        pieces.append(left[0])
        places.append(lines.place())
        lines.skip(1)
    whole = b"".join(piece.removesuffix(b"\n") if len(piece) > LONGEST else piece + b"\n" for piece in pieces)
    assert whole == text + b"\n"
    assert places == [
        Place(1, 1), Place(2, 1), Place(3, 1), Place(3, LONGEST + 1), Place(3, 2 * LONGEST + 1), Place(4, 1)
    ]  # fmt: skip
    assert lines.place() == Place(4, 5)

    tokens = Tokens(io.BytesIO(text))
    places = []
    while tokens.left():
        places.append(tokens.place())
        tokens.skip(1)
    assert places == [
        Place(1, 1), Place(1, 4), Place(3, 1), Place(3, LONGEST + 1), Place(3, 2 * LONGEST + 1),
        Place(3, 2 * LONGEST + 3), Place(4, 1),
    ]  # fmt: skip
    assert tokens.place() == Place(4, 5)


DEAR: dict[str, Callable[[int], tuple[bytes, bytes]]] = {
    "one line": lambda size: (b"1" * size, b"1" * (size - 1) + b"2"),
    "one line of blanks": lambda size: (b"a\nb", b"a" + b" " * size + b"\nb"),
    "empty lines": lambda size: (b"a", b"a" + b"\n" * size + b"a"),
    "blanks and no end": lambda size: (b" \t" * (size // 2) + b"a", b" \t" * (size // 2) + b" a"),
    "long numbers": lambda size: (
        b"1" * (LONGEST - 9) + b" ",
        (b"1" * (LONGEST - 9) + b".5 ") * (size // LONGEST),
    ),
    "a long exponent": lambda size: (b"1e" + b"9" * size, b"1e-" + b"9" * size),
    "short lines": lambda size: (b"a\n" * (size // 2), b"a\r\n" * (size // 2) + b"b"),
    "lines that differ": lambda size: (
        b"".join(b"%d\n" % number for number in range(size // 8)),
        b"".join(b"%d\n" % (number + 1) for number in range(size // 8)),
    ),
    "continuations of characters": lambda size: (b"\x80" * size, b"\x80" * (size - 1) + b"\x81"),
}


@pytest.mark.parametrize("kind", COMPARATORS)
@pytest.mark.parametrize("dear", DEAR)
def test_time_is_linear_for_outputs_that_were_made_to_be_dear(kind: CheckerKind, dear: str) -> None:
    def cost(size: int) -> float:
        expected, got = map(io.BytesIO, DEAR[dear](size))
        start = time.thread_time()
        compare(Checker(kind=kind), expected, got)
        return time.thread_time() - start

    # Sixteen times the bytes may take four times as long again as they should; the square would be 256 times.
    assert cost(1 << 20) < 0.05 + 64 * min(cost(1 << 16) for _ in range(3))


@pytest.mark.parametrize("kind", COMPARATORS)
@pytest.mark.parametrize("dear", ["one line", "one line of blanks", "lines that differ"])
def test_memory_is_bounded_however_large_the_outputs_are(kind: CheckerKind, dear: str) -> None:
    streams = list(map(io.BytesIO, DEAR[dear](1 << 20)))
    tracemalloc.start()
    try:
        compare(Checker(kind=kind), *streams)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # Some blocks and their lines; a dictionary of all lines would have 12 MiB.
    assert peak < 6 << 20, peak


def test_a_checker_compares_trimmed_lines_by_default() -> None:
    assert Checker() == Checker(kind=CheckerKind.TRIMMED)


@pytest.mark.parametrize(
    ("kind", "tolerance"),
    [("trimmed", 0.1), ("float", -1.0), ("float", float("nan")), ("float", float("inf"))],
)
def test_a_tolerance_is_a_number_of_the_kind_float(kind: str, tolerance: float) -> None:
    with pytest.raises(InvalidValue, match="tolerance"):
        Checker(kind=CheckerKind(kind), tolerance=tolerance)
