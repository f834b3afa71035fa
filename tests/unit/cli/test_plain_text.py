import pytest

from entrypoints.cli.plain_text import one_line, printable


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
