"""The highlighting mode of each language, and the editor's starter programs."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

from markupsafe import Markup

from entrypoints.http.dashboard.assets import asset_url
from entrypoints.http.dashboard.formatting import script_json

_TABLE = Path(__file__).with_suffix(".toml")


@dataclass(frozen=True, slots=True)
class CodeLanguage:
    """A row of code_languages.toml, where the columns are explained."""

    mode: str
    scripts: Sequence[str]
    starter: str

    def script_urls(self) -> Sequence[str]:
        """Return the URLs of the mode's scripts."""
        return [asset_url(f"vendor/codemirror/{name}.js") for name in self.scripts]


CODE_LANGUAGES: Mapping[str, CodeLanguage] = MappingProxyType(
    {name: CodeLanguage(**row) for name, row in tomllib.loads(_TABLE.read_text(encoding="utf-8")).items()}
)


@cache
def modes() -> Markup:
    """Return the modes by language, with their scripts' URLs, as JSON that is safe inside an element."""
    rows = {name: {"mode": row.mode, "scripts": row.script_urls()} for name, row in CODE_LANGUAGES.items()}
    return script_json(rows)
