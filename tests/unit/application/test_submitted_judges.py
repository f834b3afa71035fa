"""Checkers and interactors as callers send them."""

import pytest

from application.new_files import NewBlob, NewFile
from application.submitted_judges import NewJudgeProgram, SubmittedJudges
from domain.errors import InvalidValue
from domain.language import LANGUAGES
from domain.submission_limits import SubmissionLimits


@pytest.mark.parametrize("field", ["checker", "interactor"])
@pytest.mark.parametrize("path", [".case", ".case/input", ".CASE/notes"])
def test_a_file_in_the_place_of_a_cases_files_is_refused(field: str, path: str) -> None:
    judges = SubmittedJudges(SubmissionLimits(), LANGUAGES.__getitem__)
    program = NewJudgeProgram(language="python", code="", files=(NewFile(path, NewBlob.of(b"")),))

    with pytest.raises(InvalidValue) as refused:
        judges.program(field, program)

    assert refused.value.field == f"{field}/files"
    assert str(refused.value.detail) == f"'{path}': the name '{path.partition('/')[0]}' is the service's own"
