"""Each language of the table can be highlighted, and has a program to begin with."""

import json

import pytest

from domain.language import LANGUAGES
from entrypoints.http.dashboard.assets import assets
from entrypoints.http.dashboard.code_languages import CODE_LANGUAGES, modes


def test_every_language_has_a_row():
    assert CODE_LANGUAGES.keys() == LANGUAGES.keys()


@pytest.mark.parametrize("name", LANGUAGES)
def test_a_row_has_a_starter_and_scripts_that_define_its_mode(name):
    row = CODE_LANGUAGES[name]
    last = assets()[f"vendor/codemirror/{row.scripts[-1]}.js"].content.decode()

    assert f'"{row.mode}"' in last
    assert row.starter.strip()


def test_pages_are_given_the_addresses_of_the_scripts():
    php = json.loads(modes())["php"]

    assert php["mode"] == "application/x-httpd-php"
    assert [url.rpartition("/")[2] for url in php["scripts"]] == [
        *("xml.js", "css.js", "javascript.js", "htmlmixed.js", "clike.js", "php.js")
    ]
