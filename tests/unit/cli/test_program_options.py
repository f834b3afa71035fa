from dataclasses import fields

import pytest

from entrypoints.cli.errors import ExitCode, Failure
from entrypoints.cli.program_options import ProgramOptions


@pytest.fixture
def environment_of(tmp_path):
    """Return the variables of a program whose file of variables has this text."""
    (tmp_path / "program.py").write_text("print(1)")

    def read(text):
        (tmp_path / "variables").write_bytes(text.encode())
        given = {each.name: None for each in fields(ProgramOptions)}
        lists = dict.fromkeys(("files", "artifacts", "tags", "env"), ())
        options = ProgramOptions(**{**given, **lists, "env_files": (tmp_path / "variables",)})
        job, _files = options.upload(tmp_path / "program.py", (), b"")
        return job.get("env")

    return read


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_variable_ends_with_its_line(environment_of, end):
    lines = ["# a comment", "", "PAGES=one\x0ctwo", "NEXT=\x85\u2028", "EMPTY="]

    assert environment_of(end.join(lines)) == {"PAGES": "one\x0ctwo", "NEXT": "\x85\u2028", "EMPTY": ""}
    assert environment_of(end.join([*lines, ""])) == environment_of(end.join(lines))


def test_a_line_without_a_variable_is_named_by_its_number(environment_of):
    with pytest.raises(Failure, match=", line 2: not NAME=VALUE") as refused:
        environment_of("A=1\x0c\n=2\n")
    assert refused.value.exit_code == ExitCode.USAGE
