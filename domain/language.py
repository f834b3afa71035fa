"""The languages that a job can be written in, as a table."""

from dataclasses import dataclass

from domain.catalogue.text import text
from domain.errors import InvalidValue


@dataclass(frozen=True, slots=True)
class Language:
    """A programming language: the name that callers use and the extension of its source files."""

    name: str
    extension: str

    def __str__(self) -> str:
        return self.name


LANGUAGES = {
    language.name: language
    for language in (
        Language("python", ".py"),
        Language("node", ".js"),
        Language("java", ".java"),
        Language("typescript", ".ts"),
        Language("bash", ".sh"),
        Language("c", ".c"),
        Language("cpp", ".cpp"),
        Language("go", ".go"),
        Language("rust", ".rs"),
        Language("ruby", ".rb"),
        Language("php", ".php"),
        Language("perl", ".pl"),
    )
}


# Other names that callers use, in lower case.
ALIASES = {
    alias: LANGUAGES[name]
    for name, aliases in {
        "python": ("py", "python3"),
        "node": ("javascript", "js", "nodejs", "node.js"),
        "typescript": ("ts",),
        "bash": ("sh", "shell"),
        "cpp": ("c++", "cxx"),
        "go": ("golang",),
        "rust": ("rs",),
        "ruby": ("rb",),
        "perl": ("pl",),
    }.items()
    for alias in aliases
}
_BY_NAME = LANGUAGES | ALIASES


def parse_language(name: str) -> Language:
    """Find a language by its name or an alias, in upper or lower case.

    Raises:
        InvalidValue: There is no such language; the detail lists the languages there are.
    """
    try:
        return _BY_NAME[name.lower()]
    except KeyError:
        raise InvalidValue(
            "language", text("problems.language_unsupported", languages=", ".join(LANGUAGES))
        ) from None
