"""Commands of callers, before they are known to be valid."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from domain.submission import DEFAULT_PRIORITY


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadCodeCommand:
    """Code to keep as a job, and to execute at once if `execute` says so.

    Attributes:
        project: The project's name, or its id written as text.
        limits: What is asked for, by the names in `Limits`; the rest gets its defaults.
    """

    project: str
    code: str
    language: str
    function_name: str | None = None
    description: str | None = None
    stdin: str = ""
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, int] = field(default_factory=dict)
    priority: int = DEFAULT_PRIORITY
    max_attempts: int = 1
    execute: bool = False
