"""Texts as JSON, and back."""

import json

import pytest

from domain.catalogue.language import Language
from domain.catalogue.text import said_by, text, text_of


def test_a_text_with_texts_comes_back_from_json():
    said = text(
        "outcomes.both",
        first=text("outcomes.not_started_because", cause="a {b}"),
        second=text("outcomes.exit_code", code=3),
    )

    back = text_of(json.loads(json.dumps(said.parts)))

    assert back == said
    assert back.into(Language.KOREAN) == said.into(Language.KOREAN)


def test_a_value_that_json_does_not_have_is_a_string():
    said = text("outcomes.cannot_run", cause=ValueError("full"))
    assert said.plain_values == {"cause": "full"}


@pytest.mark.parametrize(
    "parts",
    [
        None,
        "outcomes.exit_code",
        {"code": "outcomes.exit_code"},
        {"code": "outcomes.exit_code", "values": {}},
        {"code": "outcomes.exit_code", "values": ["code"]},
        {"code": "outcomes.of_a_newer_version", "values": {}},
        {"code": "no_such_area.exit_code", "values": {}},
        {"code": "../en/outcomes.exit_code", "values": {"code": 1}},
        {"code": "cli.cancel_jobs", "values": {"count": "many"}},
        {"code": 3, "values": {}},
    ],
)
def test_other_parts_are_no_text(parts):
    assert text_of(parts) is None


def test_an_error_says_a_text_or_its_message():
    said = text("outcomes.not_started")
    assert said_by(ValueError(said)) == said
    assert said_by(ValueError("full")) == "full"
    assert said_by(ValueError()) == ""
