"""Comparison of a program's output with the expected one, in linear time and bounded memory."""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from functools import partial
from itertools import chain, zip_longest

from domain.cases import ACCEPTED, Difference, Judgement, Verdict
from domain.checker import DEFAULT_TOLERANCE, Checker, CheckerKind
from domain.pieces import BLOCK, CONTINUATION, LONGEST, MARK, ByteStream, Lines, Pieces, Place, Tokens

# Trailing blanks of a line, not counting the line end itself.
_BLANKS = b" \t\r\v\f"
_EXCERPT_BYTES = 80
_CONTEXT_BYTES = 24

# Digits are matched possessively, so that a long token is not matched twice. Groups are not possessive,
# because Python before 3.11.5 matched those wrongly.
_NUMBER = re.compile(rb"[+-]?(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][+-]?\d++)?")
_NOT_FINITE = {
    **dict.fromkeys((b"nan", b"+nan", b"-nan"), "nan"),
    **dict.fromkeys((b"inf", b"+inf", b"infinity", b"+infinity"), "inf"),
    **dict.fromkeys((b"-inf", b"-infinity"), "-inf"),
}
_LONGEST_NOT_FINITE = max(map(len, _NOT_FINITE))
_ROUNDED = Context(prec=60, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[])
_UNROUNDED = Context(prec=MAX_PREC, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[])
# Numbers up to this length are first compared as binary floats, whose relative error is at most this.
_SHORT = 32
_BINARY_ERROR = 4e-16
_SMALLEST_BINARY_TOLERANCE = 1e-15

_BUCKETS = 1 << 16
_BUCKET = _BUCKETS - 1
_SEARCHED_BUCKETS = 256


def compare(checker: Checker, expected: ByteStream, got: ByteStream) -> Judgement:
    """Compare an output with the expected one, both from their beginnings.

    An output that differs under EXACT or TRIMMED but not under TOKENS is a presentation error.

    Raises:
        ValueError: The checker is a program.
    """
    if checker.kind is CheckerKind.PROGRAM:
        raise ValueError("a program's checking is no comparison")
    if _are_identical(expected, got):
        return ACCEPTED
    difference = _find_difference(checker, expected, got)
    if difference is None:
        return ACCEPTED
    depends_on_blanks = checker.kind in {CheckerKind.EXACT, CheckerKind.TRIMMED}
    if depends_on_blanks and _pairwise(Tokens(expected), Tokens(got), _are_never_equal) is None:
        return Judgement(verdict=Verdict.PRESENTATION_ERROR, difference=difference)
    return Judgement(verdict=Verdict.WRONG_ANSWER, difference=difference)


def _find_difference(checker: Checker, expected: ByteStream, got: ByteStream) -> Difference | None:
    match checker.kind:
        case CheckerKind.EXACT:
            return _pairwise(Lines(expected), Lines(got), _are_never_equal)
        case CheckerKind.TOKENS:
            return _pairwise(Tokens(expected), Tokens(got), _are_never_equal)
        case CheckerKind.FLOAT:
            tolerance = DEFAULT_TOLERANCE if checker.tolerance is None else checker.tolerance
            return _pairwise(Tokens(expected), Tokens(got), _closeness(tolerance))
        case CheckerKind.UNORDERED_LINES:
            return _unordered(expected, got)
    return _trimmed(expected, got)


def _are_identical(expected: ByteStream, got: ByteStream) -> bool:
    expected.seek(0)
    got.seek(0)
    pairs = zip_longest(*(iter(partial(_read_block, stream), b"") for stream in (expected, got)))
    return all(block == other for block, other in pairs)


def _read_block(stream: ByteStream) -> bytes:
    block = stream.read(BLOCK)
    while len(block) < BLOCK and (more := stream.read(BLOCK - len(block))):
        block += more
    return block


def _pairwise(expected: Pieces, got: Pieces, are_equal: Callable[[bytes, bytes], bool]) -> Difference | None:
    """Skip pieces that are equal in pairs; return the difference of the next pair, if any."""
    while True:
        left, other = expected.left(), got.left()
        count = min(len(left), len(other))
        if count == 0:
            return _difference(expected, got) if left or other else None
        equal = count
        if left[:count] != other[:count]:
            pairs = enumerate(zip(left, other, strict=False))
            unequal = (index for index, (x, y) in pairs if x != y and not are_equal(x, y))
            equal = next(unequal, count)
        expected.skip(equal)
        got.skip(equal)
        if equal < count:
            return _difference(expected, got)


def _are_never_equal(_expected: bytes, _got: bytes) -> bool:
    return False


def _difference(expected: Pieces, got: Pieces) -> Difference:
    left, other = ([piece.rstrip(pieces.marks) for piece in pieces.left()[:1]] for pieces in (expected, got))
    at = 0
    if left and other:
        at = _common_length(left[0], other[0])
        while at and any(byte in CONTINUATION for piece in (left, other) for byte in piece[0][at : at + 1]):
            at -= 1  # to the first byte of the character
    place = got.place(at)
    expected_excerpt, found = (_excerpt(piece[0], at) if piece else None for piece in (left, other))
    return Difference(place.line, expected_excerpt, found, place.column)


def _common_length(piece: bytes, other: bytes) -> int:
    pairs = enumerate(zip(piece, other, strict=False))
    return next((index for index, (x, y) in pairs if x != y), min(len(piece), len(other)))


def _excerpt(piece: bytes, at: int) -> str:
    """Return the part of a piece around an offset as text, with escapes for invalid UTF-8."""
    start = at - _CONTEXT_BYTES if at > _EXCERPT_BYTES // 2 else 0
    end = start + _EXCERPT_BYTES
    text = piece[start:end].decode("utf-8", "backslashreplace")
    return f"{'…' if start else ''}{text}{'…' if end < len(piece) else ''}"


def _trimmed(expected_stream: ByteStream, got_stream: ByteStream) -> Difference | None:
    expected, got = Lines(expected_stream), Lines(got_stream)
    while (difference := _pairwise(expected, got, _are_equal_when_trimmed)) is not None:
        if not expected.left() or not got.left():
            is_more = any([_skip_blank_lines(expected), _skip_blank_lines(got)])
            return _difference(expected, got) if is_more else None
        if not _skip_long_line(expected, got):
            return difference
    return None


def _are_equal_when_trimmed(expected: bytes, got: bytes) -> bool:
    # A mark is not a blank, so a continued piece is never trimmed.
    return expected.rstrip(_BLANKS) == got.rstrip(_BLANKS)


def _skip_blank_lines(lines: Lines) -> bool:
    """Skip blank lines; return whether another line follows."""
    while left := lines.left():
        blank = next((index for index, line in enumerate(left) if line.strip()), len(left))
        lines.skip(blank)
        if blank < len(left):
            return True
    return False


def _skip_long_line(expected: Lines, got: Lines) -> bool:
    """Skip the rest of a line that is long in one of the outputs; return whether only blanks differ."""
    line, other = expected.left()[0], got.left()[0]
    if not line.endswith(MARK) and not other.endswith(MARK):
        return False
    at = _common_length(line.removesuffix(MARK), other.removesuffix(MARK))
    return _skip_blanks(expected, at) and _skip_blanks(got, at)


def _skip_blanks(lines: Lines, at: int) -> bool:
    """Skip the rest of a line; return whether it is blank from an offset of its next piece."""
    is_blank = is_continued = True
    while is_blank and is_continued:
        piece = lines.left()[0]
        is_continued = piece.endswith(MARK)
        is_blank = not piece[at:].strip()
        at = 0
        lines.skip(1)
    return is_blank


def _closeness(tolerance: float) -> Callable[[bytes, bytes], bool]:
    exact_tolerance = Decimal(repr(tolerance))

    def are_close(expected: bytes, got: bytes) -> bool:
        if not _NUMBER.fullmatch(expected) or not _NUMBER.fullmatch(got):
            return _is_same_value(expected, got)
        if max(len(expected), len(got)) <= _SHORT and tolerance >= _SMALLEST_BINARY_TOLERANCE:
            value, other = float(expected), float(got)
            error = abs(value - other) + _BINARY_ERROR * (abs(value) + abs(other))
            if error <= tolerance * max(1.0, abs(value)) < math.inf:
                return True
        return _is_close(expected, got, exact_tolerance)

    return are_close


def _is_same_value(expected: bytes, got: bytes) -> bool:
    """Whether both tokens are the same infinity, or both are NaN."""
    if max(len(expected), len(got)) > _LONGEST_NOT_FINITE:
        return False
    value = _NOT_FINITE.get(expected.lower())
    return value is not None and value == _NOT_FINITE.get(got.lower())


def _is_close(expected: bytes, got: bytes, tolerance: Decimal) -> bool:
    value, other = (_UNROUNDED.create_decimal(token.decode()) for token in (expected, got))
    if not (value.is_finite() and other.is_finite()):
        return False
    error = _ROUNDED.abs(_ROUNDED.subtract(value, other))
    allowed = max(tolerance, _ROUNDED.multiply(tolerance, _ROUNDED.abs(value)))
    return error <= allowed


class _LineHashes:
    """Hashes of lines without trailing blanks, with this process's secret hash key.

    A blank line has the hash 0, and so has each piece of a long line except for the last.
    """

    def __init__(self) -> None:
        self._whole: int | None = None
        self._trimmed = 0

    def of(self, pieces: Sequence[bytes]) -> list[int]:
        """Return the hashes of the next pieces."""
        if self._whole is None and max(map(len, pieces)) <= LONGEST:
            return [hash(piece.rstrip(_BLANKS)) for piece in pieces]
        return list(map(self._of_piece, pieces))

    def _of_piece(self, piece: bytes) -> int:
        body = piece.removesuffix(MARK)
        if trimmed := body.rstrip(_BLANKS):
            self._trimmed = self._joined(trimmed)
        self._whole = self._joined(body)
        if body is not piece:
            return 0
        value, self._whole, self._trimmed = self._trimmed, None, 0
        return value

    def _joined(self, piece: bytes) -> int:
        return hash(piece) if self._whole is None else hash((self._whole, hash(piece)))


def _hashes(stream: ByteStream) -> Iterator[list[int]]:
    """Yield the hashes of a stream's lines, block by block."""
    lines, hashes = Lines(stream), _LineHashes()
    while pieces := lines.left():
        yield hashes.of(pieces)
        lines.skip(len(pieces))


def _unordered(expected: ByteStream, got: ByteStream) -> Difference | None:
    """Compare the sums of the hashes of all lines, and search for lines in buckets whose sums differ.

    The sums of different lines are equal only by chance, with a probability of 1 in 2**64. Lines cannot be
    chosen to collide, because the hash key is generated when the process starts. A dictionary of the lines
    would not be bounded.
    """
    if sum(map(sum, _hashes(expected))) == sum(map(sum, _hashes(got))):
        return None
    sums = [0] * _BUCKETS
    for value in chain.from_iterable(_hashes(expected)):
        sums[value & _BUCKET] += value
    for value in chain.from_iterable(_hashes(got)):
        sums[value & _BUCKET] -= value
    searched = _searched_buckets(sums, chain(_hashes(got), _hashes(expected)))
    missing = Counter(
        value for value in chain.from_iterable(_hashes(expected)) if value & _BUCKET in searched
    )
    place, extra = _find_extra(got, missing, searched)
    return Difference(place.line, _find_missing(expected, missing), extra, place.column)


def _searched_buckets(sums: Sequence[int], hashes: Iterator[list[int]]) -> frozenset[int]:
    """Return the first buckets whose sums differ, in the order of the lines."""
    count = min(_SEARCHED_BUCKETS, _BUCKETS - sums.count(0))
    found: set[int] = set()
    for value in chain.from_iterable(hashes):
        if sums[value & _BUCKET]:
            found.add(value & _BUCKET)
            if len(found) == count:
                break
    return frozenset(found)


def _find_extra(got: ByteStream, missing: Counter[int], searched: frozenset[int]) -> tuple[Place, str | None]:
    """Subtract the lines of the output from the missing ones; return the first that is not among them."""
    extra: tuple[Place, str | None] | None = None
    lines, hashes = Lines(got), _LineHashes()
    while pieces := lines.left():
        passed = 0
        for index, value in enumerate(hashes.of(pieces)):
            if value & _BUCKET not in searched or value == 0:
                continue
            if missing[value] > 0:
                missing[value] -= 1
            elif extra is None:
                lines.skip(index)
                passed = index
                extra = lines.place(), _excerpt(pieces[index], 0)
        lines.skip(len(pieces) - passed)
    return extra or (lines.place(), None)


def _find_missing(expected: ByteStream, missing: Counter[int]) -> str | None:
    """Return the first missing line."""
    lines, hashes = Lines(expected), _LineHashes()
    while pieces := lines.left():
        for piece, value in zip(pieces, hashes.of(pieces), strict=True):
            if missing.get(value, 0) > 0:
                return _excerpt(piece, 0)
        lines.skip(len(pieces))
    return None
