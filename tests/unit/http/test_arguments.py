"""Arguments in one line, as a shell reads them."""

import shlex
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidValue
from entrypoints.http.dashboard.arguments import join_arguments, split_arguments


@pytest.mark.parametrize(
    ("line", "arguments"),
    [
        ("", ()),
        ("  a\tb\n c ", ("a", "b", "c")),
        ("'two words' \"and more\"", ("two words", "and more")),
        ("a'b'\"c\"\\ d", ("abc d",)),
        ("'' \"\"", ("", "")),
        (r'"\$HOME \" \n" $HOME *', (r'$HOME " \n', "$HOME", "*")),
    ],
)
def test_arguments_are_words(line, arguments):
    assert split_arguments(line) == arguments


@pytest.mark.parametrize("line", ["'", 'a "b', "a\\", "'a' \""])
def test_what_is_open_is_refused(line):
    with pytest.raises(InvalidValue):
        split_arguments(line)


@given(st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8"))))
def test_arguments_are_read_as_they_are_written(arguments):
    assert split_arguments(join_arguments(arguments)) == tuple(arguments)


@given(st.text("ab'\"\\ ", max_size=12))
def test_a_line_is_read_as_a_shell_reads_it(line):
    try:
        words = shlex.split(line)
    except ValueError:
        with pytest.raises(InvalidValue):
            split_arguments(line)
    else:
        assert split_arguments(line) == tuple(words)


@pytest.mark.parametrize("part", ["a", "'", '"', "\\", " ", "\\a", '"\\', "' ", '"" '])
def test_a_long_line_takes_no_time_to_speak_of(part):
    line = part * 300_000  # which would take minutes if the time were not linear

    with suppress(InvalidValue):
        split_arguments(line)
