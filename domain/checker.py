"""A checker: how a program's output is compared with the expected one."""

import math
from dataclasses import dataclass
from enum import StrEnum

from domain.blob import BlobRef
from domain.catalogue.text import text
from domain.errors import InvalidValue
from domain.files import JobFile
from domain.language import Language

DEFAULT_TOLERANCE = 1e-6


class CheckerKind(StrEnum):
    """A way to compare outputs.

    EXACT accepts identical bytes only. TRIMMED ignores the style of line ends, trailing blanks of lines, and
    blank lines at the end. TOKENS compares the parts between blanks. FLOAT also accepts numbers that are
    close. UNORDERED_LINES compares lines as TRIMMED does, in any order and ignoring blank lines. PROGRAM is a
    program of the caller.
    """

    EXACT = "exact"
    TRIMMED = "trimmed"
    TOKENS = "tokens"
    FLOAT = "float"
    UNORDERED_LINES = "unordered_lines"
    PROGRAM = "program"


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeProgram:
    """A caller's program that judges another program: a checker or an interactor.

    Attributes:
        code: The file that is run.
        entry: Its path; None for a program of one file.
        files: The other files, sorted by path.
    """

    language: Language
    code: BlobRef
    entry: str | None = None
    files: tuple[JobFile, ...] = ()

    @property
    def blobs(self) -> frozenset[BlobRef]:
        """The blobs that it consists of."""
        return frozenset({self.code, *(file.blob for file in self.files)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Checker:
    """A way to compare outputs, with its options.

    Attributes:
        tolerance: The allowed absolute or relative error of a number; for FLOAT only.
        program: The checker program; required for PROGRAM, and for PROGRAM only.

    Raises:
        InvalidValue: An option breaks its rule.
    """

    kind: CheckerKind = CheckerKind.TRIMMED
    tolerance: float | None = None
    program: JudgeProgram | None = None

    def __post_init__(self) -> None:
        if self.program is None and self.kind is CheckerKind.PROGRAM:
            raise InvalidValue("checker", text("problems.checker_needs_program"))
        if self.program is not None and self.kind is not CheckerKind.PROGRAM:
            raise InvalidValue("checker", text("problems.checker_program_of_kind", kind=self.kind))
        if self.tolerance is None:
            return
        if self.kind is not CheckerKind.FLOAT:
            raise InvalidValue(
                "checker/tolerance", text("problems.checker_tolerance_of_kind", kind=self.kind)
            )
        if not (math.isfinite(self.tolerance) and self.tolerance >= 0):
            raise InvalidValue("checker/tolerance", text("problems.number_from_0"))


DEFAULT_CHECKER = Checker()
