"""docs/settings.md has every setting, with the default that it has."""

import re
from pathlib import Path

import pytest
from pydantic import SecretStr

from entrypoints.cli.settings_report import variables
from entrypoints.settings import LimitSettings, Settings

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "settings.md"
NAME_AND_DEFAULT = re.compile(r"\| `([A-Z_]+)` \|(?: `([^`]*)`)? (?=\|)")


@pytest.fixture(autouse=True)
def without_another_data_directory(monkeypatch):
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)


def shown(default: object) -> str:
    """Return a default as the page has it."""
    match default:
        case None | {}:
            return ""
        case SecretStr():
            return default.get_secret_value()
        case bool():
            return str(default).lower()
        case tuple():
            return ",".join(default)
        case Path():
            return str(default).replace(str(Path.home()), "~")
    return str(default)


def test_no_variable_is_of_two_settings():
    names = [*variables(Settings), *variables(LimitSettings)]

    assert len(names) == len(set(names))


def test_every_setting_is_on_the_page_with_its_default():
    standard = {
        variable: shown(field.get_default(call_default_factory=True))
        for settings in (Settings, LimitSettings)
        for variable, field in zip(variables(settings), settings.model_fields.values(), strict=True)
    }
    # The rows of limits have two settings each, so a name begins where another's default ends.
    told = dict(NAME_AND_DEFAULT.findall(PAGE.read_text()))

    assert told == standard


def test_the_readme_names_no_setting_that_there_is_not():
    known = {variable for settings in (Settings, LimitSettings) for variable in variables(settings)}
    named = set(re.findall(r"\bSERVICE_SERVER_[A-Z_]+\b", (ROOT / "README.md").read_text()))

    assert named - known == {"SERVICE_SERVER_API_KEY", "SERVICE_SERVER_SERVER_URL"}  # the command line's own
