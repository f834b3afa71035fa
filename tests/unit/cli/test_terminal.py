import json

import pytest
from rich.cells import cell_len

from domain.catalogue.text import text
from entrypoints.cli.columns import Column, yes_or_no
from entrypoints.cli.terminal import one_line, print_fields, print_table, printable, printable_json


@pytest.mark.parametrize(
    ("given", "shown"),
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
def test_what_would_act_on_a_terminal_is_shown_and_the_rest_stays(given, shown):
    assert printable(given) == shown


def test_one_line_stays_one_line():
    assert one_line("first\nsecond\tthird") == "first\\nsecond\\tthird"


def test_json_has_escapes_of_its_own_for_what_would_act_on_a_terminal():
    data = {"evil\u202etxt": ["\x1b[2J\x7f\x9b31m", "\U000e0001", "한국어 日本語　è", "a\nb"]}

    written = printable_json(data)

    assert json.loads(written) == data
    assert all(c.isprintable() or c in "\n　" for c in written)
    assert "한국어 日本語　è" in written
    assert "evil\\u202etxt" in written


@pytest.mark.parametrize("locale", ["C", "ko_KR.UTF-8", "ja_JP.UTF-8"])
def test_fields_are_aligned_where_characters_are_wide(monkeypatch, capsys, locale):
    monkeypatch.setenv("LC_ALL", locale)
    print_fields([(text("parts.database"), "|"), ("Python", "|"), (text("parts.logs"), "|")])

    lines = capsys.readouterr().out.splitlines()
    assert len({cell_len(line) for line in lines}) == 1


def test_a_cell_has_the_language_of_a_terminal_and_is_english_in_a_pipe(monkeypatch, capsys):
    monkeypatch.setenv("LC_ALL", "ko_KR.UTF-8")
    rows = [("python", yes_or_no(is_so=True)), ("go", yes_or_no(is_so=False))]

    print_table((Column.LANGUAGE, Column.AVAILABLE), rows)
    assert capsys.readouterr().out == "python\tyes\ngo\tno\n"

    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    print_table((Column.LANGUAGE, Column.AVAILABLE), rows)
    _head, *lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [["python", "예"], ["go", "아니요"]]
