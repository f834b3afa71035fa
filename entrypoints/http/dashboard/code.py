"""The code and the files on a job's page, and the links to their lines."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import quote

from domain.files import JobFile, find_entry
from domain.job import Job
from domain.language import LANGUAGES

# The page shows files up to this size; larger ones can only be downloaded.
MAX_SHOWN_BYTES = 1 << 20
# The language for highlighting a file, by its extension.
_LANGUAGES: Mapping[str, str] = MappingProxyType(
    {language.extension: language.name for language in LANGUAGES.values()}
    | {".h": "c", ".hh": "cpp", ".hpp": "cpp", ".cc": "cpp", ".cxx": "cpp"}
    | {".mjs": "node", ".cjs": "node", ".json": "node", ".tsx": "typescript", ".jsx": "node"}
)
# A Java stack trace names types, and a file may have the name of any type in it.
_JAVA_TYPE = re.compile(r"\b(?:class|interface|enum|record)\s+(\w{1,250})")
_MAX_TYPES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownFile:
    """A file besides the code.

    Attributes:
        lines: The fragment of a line's link, without the line number.
        language: The language for highlighting; empty if the extension is unknown.
        is_shown: Whether the file is small enough for the page.
    """

    path: str
    size: int
    lines: str
    language: str
    is_shown: bool


def code_context(job: Job, code: str | None) -> Mapping[str, object]:
    """Return the context of the template for a job's code, which is None if it was deleted."""
    return {
        "code": code,
        "entry": job.spec.entry,
        "files": [_shown(file) for file in job.spec.files],
        "addresses": line_addresses(job, code),
    }


def language_of_file(path: str) -> str:
    """Return the language of a file by its extension; empty if the extension is unknown."""
    name = path.rpartition("/")[2]
    return _LANGUAGES.get(name[name.rfind(".") :], "") if "." in name else ""


def _shown(file: JobFile) -> ShownFile:
    return ShownFile(
        path=file.path,
        size=file.blob.size,
        lines=f"{file.path}:L",
        language=language_of_file(file.path),
        is_shown=file.blob.size <= MAX_SHOWN_BYTES,
    )


def line_addresses(job: Job, code: str | None, page: str = "") -> Mapping[str, str]:
    """Return the links to lines, by the file names in the output of compilers and in tracebacks.

    If another page shows the files besides the code, `page` is its URL.
    """
    names = dict.fromkeys(_names_of_code(job, code or ""), "#L")
    return names | {file.path: f"{page}#{quote(file.path)}:L" for file in job.spec.files}


def _names_of_code(job: Job, code: str) -> Sequence[str]:
    """Return the names that the code's file may have, depending on its language and its engine."""
    spec = job.spec
    names = [
        find_entry(spec.language, spec.entry, (), has_code=True),
        spec.code_key.value.rpartition("/")[2],
    ]
    if spec.language.name == "java" and spec.entry is None:
        types = (found[1] for found in _JAVA_TYPE.finditer(code))
        names += [f"{name}.java" for _number, name in zip(range(_MAX_TYPES), types, strict=False)]
    return names
