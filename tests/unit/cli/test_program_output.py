import base64
import json
import sys

from entrypoints.cli.client import ServerSentEvent
from entrypoints.cli.program_output import ProgramOutput


def event(name, **data):
    return ServerSentEvent(name, json.dumps(data), None)


def text(offset, text, stream="stdout"):
    return event("output", stream=stream, offset=offset, text=text)


def test_streams_stay_apart(capfdbinary):
    output = ProgramOutput(is_raw=True)
    output.take(text(0, "out"))
    output.take(text(0, "err", "stderr"))
    assert capfdbinary.readouterr() == (b"out", b"err")


def test_bytes_that_are_no_text_pass_as_they_are(capfdbinary):
    output = ProgramOutput(is_raw=True)
    output.take(event("output", stream="stdout", offset=0, base64=base64.b64encode(b"\xff\x00").decode()))
    assert capfdbinary.readouterr().out == b"\xff\x00"


def test_what_was_told_before_is_not_told_again(capfdbinary):
    output = ProgramOutput(is_raw=True)
    output.take(text(0, "héllo"))
    output.take(text(3, "llo, world"))
    assert capfdbinary.readouterr().out == "héllo, world".encode()


def test_what_comes_after_a_gap_waits_for_the_log(capfdbinary):
    output = ProgramOutput(is_raw=True)
    output.take(text(0, "one "))
    output.take(text(8, "three"))
    assert capfdbinary.readouterr().out == b"one "
    output.take_log({"stdout": "one two three", "stderr": ""})
    assert capfdbinary.readouterr().out == b"two three"


def test_the_exact_bytes_of_a_log_come_before_its_text(capfdbinary):
    output = ProgramOutput(is_raw=True)
    output.take_log({"stdout": "�", "stdout_base64": base64.b64encode(b"\xe9").decode(), "stderr": ""})
    assert capfdbinary.readouterr().out == b"\xe9"


def test_an_execution_that_replaces_another_is_told_from_its_start(capfdbinary):
    output = ProgramOutput(is_raw=True)
    output.take(event("execution", execution_id="a", number=1))
    output.take(text(0, "lost"))
    output.take(event("execution", execution_id="b", number=2))
    output.take(text(0, "found"))
    assert capfdbinary.readouterr().out == b"lostfound"


def test_the_progress_line_goes_away_before_the_first_byte_and_only_then(capfdbinary):
    gone = []
    output = ProgramOutput(is_raw=True, before_first=lambda: gone.append(capfdbinary.readouterr().out))
    output.take(text(0, "a"))
    output.take(text(1, "b"))
    assert gone == [b""]


def test_a_terminal_gets_nothing_that_acts_on_it_unless_asked_to(monkeypatch, capsys):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    ProgramOutput(is_raw=False).take_log({"stdout": "\x1b[2J", "stderr": ""})
    assert capsys.readouterr().out == "\\x1b[2J"
