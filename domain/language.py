"""The languages that a job can be written in, as a table."""

from dataclasses import dataclass

from domain.catalogue.text import text
from domain.errors import InvalidValue


@dataclass(frozen=True, slots=True)
class Language:
    """A programming language.

    Attributes:
        name: The name that callers use.
        extension: The extension of its source files.
        title: The name that people read.
    """

    name: str
    extension: str
    title: str

    def __str__(self) -> str:
        return self.name


LANGUAGES = {
    language.name: language
    for language in (
        Language("python", ".py", "Python"),
        Language("node", ".js", "Node.js"),
        Language("java", ".java", "Java"),
        Language("typescript", ".ts", "TypeScript"),
        Language("bash", ".sh", "Bash"),
        Language("c", ".c", "C"),
        Language("cpp", ".cpp", "C++"),
        Language("go", ".go", "Go"),
        Language("rust", ".rs", "Rust"),
        Language("ruby", ".rb", "Ruby"),
        Language("php", ".php", "PHP"),
        Language("perl", ".pl", "Perl"),
    )
}


# Other names that callers may use, in lower case.
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
    """Find a language by its name or an alias, ignoring case.

    Raises:
        InvalidValue: There is no such language; the detail lists the supported ones.
    """
    try:
        return _BY_NAME[name.lower()]
    except KeyError:
        raise InvalidValue(
            "language", text("problems.language_unsupported", languages=", ".join(LANGUAGES))
        ) from None
