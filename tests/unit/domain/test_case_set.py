"""Names of case sets, and references to their versions."""

import pytest

from domain.case_set import CaseSetName, CaseSetReference, parse_case_set_reference
from domain.errors import InvalidValue


@pytest.mark.parametrize("name", ["a", "sums", "2024.final-round_1", "A" * 64])
def test_a_name_has_letters_digits_and_a_few_marks(name: str) -> None:
    assert str(CaseSetName(name)) == name
    assert parse_case_set_reference(name) == CaseSetReference(CaseSetName(name))


@pytest.mark.parametrize("name", ["", ".", "..", "-a", "a b", "a/b", "a@1", "é", "A" * 65, "a\n"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidValue, match="case set's name"):
        CaseSetName(name)


def test_a_reference_may_name_a_version() -> None:
    reference = parse_case_set_reference("sums@12")
    assert reference == CaseSetReference(CaseSetName("sums"), 12)
    assert str(reference) == "sums@12"


@pytest.mark.parametrize(
    "text", ["sums@", "sums@0", "sums@-1", "sums@1.0", "sums@1@2", "sums@1234567890", "sums@ 1"]
)
def test_other_versions_are_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match="version"):
        parse_case_set_reference(text)
