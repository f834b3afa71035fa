import json

import pytest

from entrypoints.cli.terminal import one_line, printable, printable_json


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("한국어 日本語　è", "한국어 日本語　è"),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("\x9b31m", "\\x9b31m"),
        ("back\rover", "back\\rover"),
        ("evil\u202etxt", "evil\\u202etxt"),
        ("bell\a\x00", "bell\\x07\\x00"),
        ("two\nlines\tand tabs", "two\nlines\tand tabs"),
    ],
)
def test_what_would_act_on_a_terminal_is_shown_and_the_rest_stays(text, shown):
    assert printable(text) == shown


def test_one_line_stays_one_line():
    assert one_line("first\nsecond\tthird") == "first\\nsecond\\tthird"


def test_json_has_escapes_of_its_own_for_what_would_act_on_a_terminal():
    data = {"evil\u202etxt": ["\x1b[2J\x7f\x9b31m", "\U000e0001", "한국어 日本語　è", "a\nb"]}

    text = printable_json(data)

    assert json.loads(text) == data
    assert all(c.isprintable() or c in "\n　" for c in text)
    assert "한국어 日本語　è" in text
    assert "evil\\u202etxt" in text
