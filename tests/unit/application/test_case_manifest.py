"""Cases in one blob."""

from collections.abc import Sequence

import pytest

from application.case_manifest import CaseManifest, manifest_pieces
from domain.cases import Case
from domain.errors import InvalidValue

_CASES = [
    Case(name="plain", stdin=b"1\n", expected=b"2\n"),
    Case(name="größte", stdin=b"\xff\0" * 1_000, args=("a b", ""), weight=2.5, limits={"timeout_ms": 100}),
    Case(name="empty answer", expected=b"", hidden=True),
]


def write_manifest(cases: Sequence[Case]) -> bytes:
    return b"".join(manifest_pieces(cases, [(case.stdin, case.expected) for case in cases]))


def test_cases_come_back_as_they_were() -> None:
    manifest = CaseManifest(write_manifest(_CASES))

    assert list(manifest) == _CASES
    assert len(manifest) == 3
    assert manifest[1] == _CASES[1]


def test_equal_cases_are_equal_bytes() -> None:
    assert write_manifest(_CASES) == write_manifest(list(_CASES))


@pytest.mark.parametrize("blob", [b"", b"cases", b"x" * 100, write_manifest(_CASES)[:-1]])
def test_other_bytes_are_refused(blob: bytes) -> None:
    with pytest.raises(InvalidValue, match="cases"):
        CaseManifest(blob)
