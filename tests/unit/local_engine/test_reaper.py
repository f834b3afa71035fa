"""The reaper: the effect of its instructions in the kernel."""

import os
import platform
import signal
import subprocess
import sys

import pytest

from adapters.local_engine.sandbox import reaper
from adapters.local_engine.sandbox.supervisor.protocol import Status
from adapters.local_engine.sandbox.supervisor.status_pipe import StatusPipe


def _reaped(tmp_path, *command, **options):
    """Run a command below the reaper; return the reaper's report."""
    path = reaper.install(tmp_path)
    if path is None:
        pytest.skip(f"there is no reaper for {platform.machine()}")
    reader, writer = os.pipe()
    at_status = f"import os, sys; os.dup2({writer}, 3); os.execv(sys.argv[1], sys.argv[1:])"
    try:
        subprocess.run(
            [sys.executable, "-c", at_status, path, *command], pass_fds=[writer], check=False, **options
        )
        os.close(writer)
        pipe = StatusPipe(reader)
        assert list(pipe.read()) == [Status.ENDED]
        return pipe
    finally:
        os.close(reader)


def test_it_reports_an_exit_code(tmp_path):
    pipe = _reaped(tmp_path, "/bin/sh", "-c", "exit 137")

    assert pipe.exit_code_and_signal(0) == (137, None)


def test_it_reports_a_signal(tmp_path):
    pipe = _reaped(tmp_path, "/bin/sh", "-c", "kill -SEGV $$")

    assert pipe.exit_code_and_signal(0) == (None, signal.SIGSEGV)


def test_a_command_has_its_arguments_its_environment_its_signals_and_not_the_status_pipe(tmp_path):
    code = (
        "import os, signal, sys; print(sys.argv[1:], os.environ['NAME'], signal.pthread_sigmask(0, ()), "
        "os.path.exists('/proc/self/fd/3'))"
    )
    output = tmp_path / "output"

    with output.open("wb") as stdout:
        _reaped(tmp_path, sys.executable, "-c", code, "a b", "", env={"NAME": "value"}, stdout=stdout)

    assert output.read_text() == "['a b', ''] value set() False\n"


def test_it_reports_the_peak_of_its_command_and_not_of_what_started_it(tmp_path):
    ballast = bytearray(50 << 20)  # in this process, which the command is made from
    grown = "bytearray(100 << 20)"

    small = _reaped(tmp_path, "/bin/true").end
    large = _reaped(tmp_path, sys.executable, "-S", "-c", grown).end

    assert ballast
    assert small.memory_kb < 4 << 10
    assert 100 << 10 < large.memory_kb < 125 << 10


def test_what_cannot_be_started_ends_as_shells_say_it(tmp_path):
    pipe = _reaped(tmp_path, str(tmp_path / "missing"))

    assert pipe.exit_code_and_signal(0) == (127, None)
