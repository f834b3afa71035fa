"""The cases of an upload: their rules, and errors that name a case and its field."""

from dataclasses import replace

import pytest

from application.case_manifest import CaseManifest
from application.file_spool import FileSpool
from application.submitted_cases import NewCase, submit
from domain.blob import BlobRef
from domain.cases import StopOn
from domain.errors import InvalidValue, TooLarge
from domain.limits import STANDARD_LIMITS
from domain.submission_limits import SubmissionLimits

_BOUNDS = SubmissionLimits(cases=3, cases_bytes=10, arguments=2, arguments_bytes=8)


def _submit(*cases: NewCase):
    return submit(cases, StopOn.NEVER, _BOUNDS, STANDARD_LIMITS)


def test_cases_are_packed_with_their_defaults() -> None:
    cases, manifest = _submit(NewCase(stdin=b"1"), NewCase(name="b", expected=b"2", limits={"memory_mb": 64}))

    assert cases.manifest == BlobRef.of(manifest)
    assert cases.total == 2
    first, second = CaseManifest(manifest)
    assert (first.name, first.weight, first.expected, first.hidden) == ("1", 1.0, None, False)
    assert (second.name, second.limits) == ("b", {"memory_mb": 64})


@pytest.mark.parametrize(
    ("case", "field"),
    [
        (NewCase(name=""), "cases/1/name"),
        (NewCase(weight=-1.0), "cases/1/weight"),
        (NewCase(limits={"timeout_ms": 1}), "cases/1/limits/timeout_ms"),
        (NewCase(limits={"build_timeout_ms": 1_000}), "cases/1/limits/build_timeout_ms"),
        (NewCase(limits={"colour": 1}), "cases/1/limits/colour"),
        (NewCase(args=("a", "b", "c")), "cases/1/args"),
        (NewCase(args=("a\0",)), "cases/1/args"),
        (NewCase(args=("123456789",)), "cases/1/args"),
        (NewCase(name="1"), "cases/1/name"),
    ],
)
def test_an_error_names_the_case_and_its_field(case: NewCase, field: str) -> None:
    with pytest.raises(InvalidValue) as raised:
        _submit(NewCase(), case)

    assert raised.value.field == field


@pytest.mark.parametrize("number", [0, 4])
def test_the_number_of_cases_is_bounded(number: int) -> None:
    with pytest.raises(InvalidValue, match=f"1 to 3 cases, and {number}"):
        _submit(*[NewCase()] * number)


def test_the_size_of_all_is_bounded() -> None:
    cases, _manifest = _submit(NewCase(stdin=b"12345"), NewCase(expected=b"12345"))
    assert cases.total == 2
    with pytest.raises(TooLarge, match="11 bytes"):
        _submit(NewCase(stdin=b"12345"), NewCase(expected=b"123456"))


def test_large_contents_are_packed_from_the_disk_and_not_in_memory() -> None:
    with FileSpool() as spool:
        shared = spool.add([b"x" * 1_000_000])
        given = [NewCase(stdin=shared), NewCase(expected=shared), NewCase(stdin=b"y")]
        bounds = replace(_BOUNDS, cases_bytes=3_000_000)
        cases, manifest = submit(given, StopOn.NEVER, bounds, STANDARD_LIMITS)

    assert callable(manifest)
    with manifest() as file:
        packed = file.read()
    assert cases.manifest == BlobRef.of(packed)
    assert [(len(case.stdin), case.expected and len(case.expected)) for case in CaseManifest(packed)] == [
        (1_000_000, None),
        (0, 1_000_000),
        (1, None),
    ]
    with pytest.raises(TooLarge, match="2000001 bytes"), FileSpool() as spool:
        submit(given, StopOn.NEVER, replace(_BOUNDS, cases_bytes=2_000_000), STANDARD_LIMITS)


def test_cases_and_their_order_are_known_by_their_content() -> None:
    one, other = NewCase(name="a", stdin=b"1"), NewCase(name="b", stdin=b"2")

    assert _submit(one, other) == _submit(replace(one), other)
    assert _submit(one, other)[0] != _submit(other, one)[0]
