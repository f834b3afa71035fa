import os
import pty
import sys
from pathlib import Path

import pytest

from entrypoints.cli.errors import Failure
from entrypoints.cli.input_files import read_text
from entrypoints.cli.run import program_input


@pytest.fixture
def stdin(tmp_path, monkeypatch):
    def replace(content):
        path = tmp_path / "stdin"
        path.write_bytes(content)
        monkeypatch.setattr(sys, "stdin", path.open())

    yield replace
    sys.stdin.close()


def test_a_text_is_what_the_program_reads(stdin):
    stdin(b"not this")
    assert program_input("1 2 3") == b"1 2 3"
    assert program_input("") == b""


def test_a_file_is_named_after_an_at_sign(tmp_path, stdin):
    stdin(b"not this")
    (tmp_path / "numbers").write_text("4 5 6")
    assert program_input(f"@{tmp_path}/numbers") == b"4 5 6"


@pytest.mark.parametrize("option", [None, "-"])
def test_what_is_redirected_to_the_command_goes_to_the_program(stdin, option):
    stdin(b"\xff\0")
    assert program_input(option) == b"\xff\0"


def test_a_terminal_is_not_waited_for(monkeypatch):
    ours, terminal = pty.openpty()
    with Path(os.ttyname(terminal)).open() as tty:
        monkeypatch.setattr(sys, "stdin", tty)
        assert program_input(None) == b""
    os.close(ours)
    os.close(terminal)


@pytest.mark.parametrize(
    ("code", "typed"),
    [
        ("print(input())", b"a\nb\n"),
        ("import sys; sys.stdin.read()", b"a\nb\n"),
        ("read -r name", b"a\nb\n"),
        ("int main() { scanf(); }", b"a\nb\n"),
        ("print('output')", b""),
        ("threading.Thread()", b""),
    ],
)
def test_a_program_that_reads_input_gets_what_is_typed(tmp_path, monkeypatch, capsys, code, typed):
    (tmp_path / "program").write_text(code)
    ours, terminal = pty.openpty()
    os.write(ours, b"a\nb\n\x04")
    with Path(os.ttyname(terminal)).open() as tty:
        monkeypatch.setattr(sys, "stdin", tty)
        assert program_input(None, tmp_path / "program") == typed
    os.close(ours)
    os.close(terminal)
    assert ("until Ctrl-D" in capsys.readouterr().err) == bool(typed)


@pytest.mark.parametrize("option", [None, "-"])
def test_a_closed_stdin_is_an_empty_one(monkeypatch, option):
    monkeypatch.setattr(sys, "stdin", None)
    assert program_input(option) == b""


def test_code_that_is_not_utf8_is_refused_with_its_place(tmp_path):
    (tmp_path / "latin").write_bytes(b"caf\xe9")
    with pytest.raises(Failure, match="is not UTF-8: byte 3 cannot be decoded"):
        read_text(tmp_path / "latin")


@pytest.mark.parametrize("name", ["missing", "."])
def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path, name):
    with pytest.raises(Failure, match=r"no such file or directory|is a directory"):
        read_text(tmp_path / name)
