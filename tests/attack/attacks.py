import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from domain.language import LANGUAGES
from tests.contract.engine_kit.harness import Program

_HERE = Path(__file__).parent
_LIMITS = {
    "build_timeout_ms": 2_000,
    "timeout_ms": 1_500,
    "cpu_time_ms": 20_000,
    "memory_mb": 128,
    "processes": 32,
    "disk_mb": 16,
    "files": 1_000,
    "file_size_mb": 8,
    "output_mb": 2,
}
# A neighbour stays until its attack has ended.
_NEIGHBOUR_LIMITS = {"timeout_ms": 60_000, "cpu_time_ms": 120_000, "processes": 64, "open_files": 4096}
_BY_EXTENSION = {language.extension: language.name for language in LANGUAGES.values()}


@dataclass(frozen=True, kw_only=True)
class Attack:
    """A row of corpus.toml."""

    name: str
    file: str
    ends: Sequence[str]
    contained: bool = False
    args: Sequence[str] = ()
    beside: str | None = None
    limits: Mapping[str, int] = field(default_factory=dict)

    @property
    def language(self) -> str:
        return _BY_EXTENSION[Path(self.file).suffix]

    @property
    def timeout_ms(self) -> int:
        return (_LIMITS | dict(self.limits))["timeout_ms"]

    def program(self, words: Mapping[str, Sequence[str]]) -> Program:
        """Fill in the values that the runner has prepared."""
        return self._program(self.file, words, {})

    def neighbour(self, words: Mapping[str, Sequence[str]]) -> Program | None:
        """The program that runs beside it, if there is one."""
        if self.beside is None:
            return None
        return replace(
            self._program(self.beside, words, {"STAY": "1"}),
            limits=_LIMITS | _NEIGHBOUR_LIMITS,
        )

    def _program(self, file: str, words: Mapping[str, Sequence[str]], env: Mapping[str, str]) -> Program:
        return Program(
            code=(_HERE / "programs" / file).read_text(),
            language=self.language,
            args=tuple(value for word in self.args for value in words[word.strip("{}")]),
            env=env,
            limits=_LIMITS | dict(self.limits),
        )


def corpus() -> Mapping[str, Attack]:
    """Read the corpus."""
    with (_HERE / "corpus.toml").open("rb") as file:
        return {name: Attack(name=name, **row) for name, row in tomllib.load(file).items()}
