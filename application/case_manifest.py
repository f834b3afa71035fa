"""The cases of a job or a case set in one blob: an index, followed by all inputs and answers."""

import json
import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

from application.new_files import NewBlob
from domain.cases import Case
from domain.catalogue.text import text
from domain.errors import InvalidValue

_MAGIC = b"cases\x00\x00\x01"
_LENGTH = struct.Struct("<Q")
_HEAD_BYTES = len(_MAGIC) + _LENGTH.size

# An input or an answer, in memory or in a file of the upload.
CaseContent: TypeAlias = bytes | NewBlob


class CaseManifest(Sequence[Case]):
    """Cases that are read one by one from their blob.

    The blob consists of a magic number with the version, the length of the index, the index, and the
    contents. The index is JSON. For each case it has the name, arguments, weight, limits and secrecy, and the
    sizes of input and answer. The contents follow in the order of the cases.

    Args:
        blob: The bytes.

    Raises:
        InvalidValue: The blob is not a valid manifest.
    """

    def __init__(self, blob: bytes) -> None:
        if blob[: len(_MAGIC)] != _MAGIC:
            raise InvalidValue("cases", text("problems.cases_form"))
        (length,) = _LENGTH.unpack_from(blob, len(_MAGIC))
        self._blob = blob
        self._rows = json.loads(blob[_HEAD_BYTES : _HEAD_BYTES + length])
        self._offsets: list[int] = []
        offset = _HEAD_BYTES + length
        for row in self._rows:
            self._offsets.append(offset)
            offset += row["stdin"] + (row["expected"] or 0)
        if offset != len(blob):
            raise InvalidValue("cases", text("problems.cases_incomplete"))

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Case:  # type: ignore[override]  # there are no slices
        row = self._rows[index]
        middle = self._offsets[index] + row["stdin"]
        expected = row["expected"]
        return Case(
            name=row["name"],
            stdin=self._blob[self._offsets[index] : middle],
            args=None if row["args"] is None else tuple(row["args"]),
            expected=None if expected is None else self._blob[middle : middle + expected],
            weight=row["weight"],
            limits=row["limits"],
            hidden=row["hidden"],
        )

    def __iter__(self) -> Iterator[Case]:
        return (self[index] for index in range(len(self)))


def size_of(content: CaseContent | None) -> int:
    """Return the size of an input or an answer in bytes."""
    return content.ref.size if isinstance(content, NewBlob) else len(content or b"")


def manifest_pieces(
    cases: Iterable[Case], contents: Sequence[tuple[CaseContent, CaseContent | None]]
) -> Iterator[bytes]:
    """Yield the blob of cases in pieces.

    Args:
        cases: The cases; their own contents are ignored.
        contents: The input and the answer of each case.
    """
    index = json.dumps(
        [
            {
                "name": case.name,
                "args": case.args,
                "weight": case.weight,
                "limits": dict(case.limits),
                "hidden": case.hidden,
                "stdin": size_of(stdin),
                "expected": None if expected is None else size_of(expected),
            }
            for case, (stdin, expected) in zip(cases, contents, strict=True)
        ],
        separators=(",", ":"),
        ensure_ascii=False,
    ).encode()
    yield from (_MAGIC, _LENGTH.pack(len(index)), index)
    for stdin, expected in contents:
        yield from _pieces_of(stdin)
        yield from _pieces_of(expected or b"")


def _pieces_of(content: CaseContent) -> Iterable[bytes]:
    return content.pieces() if isinstance(content, NewBlob) else (content,)
