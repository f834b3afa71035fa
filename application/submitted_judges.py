"""The checker and the interactor of an upload, validated."""

from collections.abc import Callable
from dataclasses import dataclass

from application.new_files import BlobContent, NewBlob, NewFile
from application.submitted_files import check_files
from domain.blob import BlobRef
from domain.checker import DEFAULT_CHECKER, Checker, CheckerKind, JudgeProgram
from domain.errors import InvalidValue
from domain.files import JobFile, find_entry
from domain.language import Language
from domain.submission_limits import SubmissionLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJudgeProgram:
    """A judge program, as a caller sent it.

    Attributes:
        files: Files beside its code.
    """

    language: str
    code: str
    files: tuple[NewFile, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NewChecker:
    """A checker as a caller sent it."""

    kind: CheckerKind
    tolerance: float | None = None
    program: NewJudgeProgram | None = None


class SubmittedJudges:
    """Validates judge programs, and collects their contents.

    Args:
        bounds: The limits on code.
        available: Returns the language with a name; raises if it is unavailable here.

    Attributes:
        contents: The contents of the programs, which have to be stored.
    """

    def __init__(self, bounds: SubmissionLimits, available: Callable[[str], Language]) -> None:
        self._bounds = bounds
        self._available = available
        self.contents: dict[BlobRef, BlobContent] = {}

    def checker(self, given: NewChecker | None) -> Checker:
        """Return a checker.

        Raises:
            InvalidValue: An option breaks its rule.
            TooLarge: Its code is too large.
        """
        if given is None:
            return DEFAULT_CHECKER
        program = None if given.program is None else self.program("checker", given.program)
        return Checker(kind=given.kind, tolerance=given.tolerance, program=program)

    def program(self, field: str, given: NewJudgeProgram) -> JudgeProgram:
        """Return a judge program.

        Raises:
            InvalidValue: Its language or its code breaks a rule.
            TooLarge: Its code is too large.
        """
        try:
            return self._program(given)
        except InvalidValue as error:
            raise type(error)(f"{field}/{error.field}", error.detail) from None

    def _program(self, given: NewJudgeProgram) -> JudgeProgram:
        language = self._available(given.language)
        code = NewBlob.of(self._bounds.check_code(given.code))
        entry = None
        if given.files:
            files = check_files(given.files, self._bounds.files)
            entry = find_entry(language, None, files, has_code=True)
            check_files([*given.files, NewFile(entry, code)], self._bounds.files)
        for blob in (code, *(file.blob for file in given.files)):
            if blob.content is not None:
                self.contents[blob.ref] = blob.content
        return JudgeProgram(
            language=language,
            code=code.ref,
            entry=entry,
            files=tuple(
                JobFile(file.path, file.blob.ref) for file in sorted(given.files, key=lambda file: file.path)
            ),
        )
