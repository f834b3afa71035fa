"""Secret variables: a program's own, and on no command line of the machine."""

import json
from contextlib import suppress
from pathlib import Path

import pytest

from tests.contract.engine_kit.harness import Program
from tests.support.sandbox import running_engine

SECRETS = {
    "TOKEN": "hunter2 'quoted' \"twice\" $HOME `id` \\n 값\nsecond line",
    "EMPTY": "",
    "PATH": "/nowhere",
    "IFS": "x",
}
SHOW = "import json, os\nprint(json.dumps(dict(os.environ)))"
BUILT = {
    "c": '#include <stdio.h>\n#include <stdlib.h>\nint main() { puts(getenv("TOKEN")); }',
    "java": "class Main { public static void main(String[] a) {"
    ' System.out.println(System.getenv("TOKEN")); } }',
}


def command_lines() -> bytes:
    """Read the lines that any user of the machine can list."""
    lines = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            lines.append((process / "cmdline").read_bytes())
    return b"\n".join(lines)


def test_a_program_has_its_secrets_as_they_are(kit):
    environment = json.loads(kit.run(Program(code=SHOW, secrets=SECRETS)).stdout)

    assert {name: environment[name] for name in SECRETS} == SECRETS


def test_secrets_are_beside_the_other_variables_and_the_arguments(kit):
    code = "import os, sys; print(os.environ['A'], os.environ['B'], sys.argv[1:])"
    program = Program(code=code, env={"A": "shown"}, secrets={"B": "secret"}, args=("one", "-x"))

    assert kit.run(program).stdout == b"shown secret ['one', '-x']\n"


def test_no_command_line_has_a_secret_while_the_program_runs(kit):
    started = kit.start(
        Program(
            code="import time; print('begun', flush=True); time.sleep(30)",
            env={"SHOWN": "seen-3b1c"},
            secrets={"TOKEN": "hidden-9f2e"},
        )
    )
    try:
        assert started.recorder.has_output.wait(90)
        lines = command_lines()
    finally:
        kit.engine.cancel(started.request.execution_id, started.request.job_id)
        started.end.result(20)

    assert b"python" in lines
    assert b"hidden-9f2e" not in lines


@pytest.mark.parametrize("language", BUILT)
def test_a_program_that_is_built_has_its_secrets(kit, language):
    program = Program(code=BUILT[language], language=language, secrets={"TOKEN": "x y"})

    assert kit.run(program).stdout == b"x y\n"


def test_an_interpreter_that_was_started_ahead_is_not_given_secrets_it_cannot_read(tmp_path):
    with running_engine(tmp_path / "work", warm_starts=1) as kit:
        assert kit.engine.wait_until_warm(20)
        environment = json.loads(kit.run(Program(code=SHOW, secrets=SECRETS)).stdout)

    assert environment["TOKEN"] == SECRETS["TOKEN"]
