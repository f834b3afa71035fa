"""Commands of callers, before they are known to be valid."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from domain.submission import JobOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadCodeCommand(JobOptions):
    """Code to keep as a job, and to execute at once with `execute`.

    Attributes:
        project: The project's name, or its id written as text.
        limits: The requested ones, by the names in `Limits`; the rest gets its defaults.
    """

    project: str
    code: str
    language: str
    limits: Mapping[str, int] = field(default_factory=dict)
    execute: bool = False
