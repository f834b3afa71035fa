"""The code and the files of a job on its page, and the addresses of their lines."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import quote

from domain.files import JobFile, find_entry
from domain.job import Job
from domain.language import LANGUAGES

# The page shows files up to this size; larger ones are to be saved.
MAX_SHOWN_BYTES = 1 << 20
# The language by which a file is highlighted, by the ending of its path.
_LANGUAGES: Mapping[str, str] = MappingProxyType(
    {language.extension: language.name for language in LANGUAGES.values()}
    | {".h": "c", ".hh": "cpp", ".hpp": "cpp", ".cc": "cpp", ".cxx": "cpp"}
    | {".mjs": "node", ".cjs": "node", ".json": "node", ".tsx": "typescript", ".jsx": "node"}
)
# A type of Java has its own name in a stack, and the file that it is in may be named so.
_JAVA_TYPE = re.compile(r"\b(?:class|interface|enum|record)\s+(\w{1,250})")
_MAX_TYPES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownFile:
    """A file beside the code.

    Attributes:
        lines: The fragment of the address of a line, without its number.
        language: By which it is highlighted; empty if its ending is of none.
        is_shown: Whether it is small enough for the page.
    """

    path: str
    size: int
    lines: str
    language: str
    is_shown: bool


def code_context(job: Job, code: str | None) -> Mapping[str, object]:
    """Return the context of the template of a job's code, which is None if it is gone."""
    return {
        "code": code,
        "entry": job.spec.entry,
        "files": [_shown(file) for file in job.spec.files],
        "addresses": line_addresses(job, code),
    }


def language_of_file(path: str) -> str:
    """Return the name of the language that a file is written in, by its ending; empty if that is of none."""
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
    """Return the addresses of lines by the paths with which compilers and tracebacks name the files.

    Files beside the code are shown by the page with the address `page`, if that is another one.
    """
    names = dict.fromkeys(_names_of_code(job, code or ""), "#L")
    return names | {file.path: f"{page}#{quote(file.path)}:L" for file in job.spec.files}


def _names_of_code(job: Job, code: str) -> Sequence[str]:
    """Return the names that the file of the code may have, by its language and its engine."""
    spec = job.spec
    names = [
        find_entry(spec.language, spec.entry, (), has_code=True),
        spec.code_key.value.rpartition("/")[2],
    ]
    if spec.language.name == "java" and spec.entry is None:
        types = (found[1] for found in _JAVA_TYPE.finditer(code))
        names += [f"{name}.java" for _number, name in zip(range(_MAX_TYPES), types, strict=False)]
    return names
