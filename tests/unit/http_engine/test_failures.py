"""The errors of runners, in the words of the libraries that they are written with."""

import json
import time

import pytest

from adapters.http_engine.client import FAILURE_BYTES
from adapters.http_engine.failures import recognise
from domain.execution import Note
from domain.job_lifecycle import JobStatus, Reason

TRACE = 'Traceback (most recent call last):\n  File "/app/app.py", line 12, in run\n    ...\n'


@pytest.mark.parametrize(
    ("error", "reason", "says"),
    [
        ("Command '['python3', '/tmp/a.py']' timed out after 15 seconds", Reason.WALL_TIME_LIMIT, "15 s."),
        (
            TRACE + "subprocess.TimeoutExpired: Command 'python3 a.py' timed out after 14.999 seconds",
            Reason.WALL_TIME_LIMIT,
            "14.999 s.",
        ),
        ("spawnSync node ETIMEDOUT", Reason.WALL_TIME_LIMIT, "a time limit of its own"),
        ("Execution timed out", Reason.WALL_TIME_LIMIT, "a time limit of its own"),
        ("Process timed out after 10 seconds", Reason.WALL_TIME_LIMIT, "a time limit of its own"),
        ("Execution timeout", Reason.WALL_TIME_LIMIT, "a time limit of its own"),
        ("Program exceeded the time limit", Reason.WALL_TIME_LIMIT, "a time limit of its own"),
        ("java.nio.charset.MalformedInputException: Input length = 1", Reason.ENGINE_ERROR, "not UTF-8"),
        ("Out of range float values are not JSON compliant", Reason.ENGINE_ERROR, "into JSON"),
        ("stdout maxBuffer length exceeded", Reason.OUTPUT_LIMIT, "more than the runner takes"),
        ("spawnSync node ENOBUFS", Reason.OUTPUT_LIMIT, "more than the runner takes"),
        (
            "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte",
            Reason.ENGINE_ERROR,
            "not UTF-8",
        ),
        (
            TRACE + "UnicodeEncodeError: 'utf-8' codec can't encode character '\\ud800' in position 3",
            Reason.ENGINE_ERROR,
            "not UTF-8",
        ),
        ("Object of type bytes is not JSON serializable", Reason.ENGINE_ERROR, "into JSON"),
        (
            "Command '['python3', 'a.py']' returned non-zero exit status 3.",
            Reason.NONZERO_EXIT,
            "with exit code 3",
        ),
        ("Command '['python3', 'a.py']' died with <Signals.SIGSEGV: 11>.", Reason.SIGNAL, "by signal 11"),
        (
            "Command failed: node /tmp/a.js\n/tmp/a.js:1\nboom\n^\n\nReferenceError: boom is not defined",
            Reason.NONZERO_EXIT,
            "gives no exit code",
        ),
        (
            "An error occurred (NoSuchKey) when calling GetObject: The specified key does not exist.",
            Reason.ENGINE_ERROR,
            "did not find the program's code",
        ),
        (
            "An error occurred (404) when calling the HeadObject operation: Not Found",
            Reason.ENGINE_ERROR,
            "did not find the program's code",
        ),
        ("Access Denied", Reason.ENGINE_ERROR, "object store refused"),
        ("Main.java:3: error: ';' expected\n  int a\n       ^", Reason.COMPILE_ERROR, "does not compile"),
        ("Compilation failed:\nMain.java:3: error: ';' expected", Reason.COMPILE_ERROR, "does not compile"),
    ],
)
def test_a_failure_that_would_come_again_is_an_outcome(error, reason, says):
    result = recognise(error)

    is_timeout = reason is Reason.WALL_TIME_LIMIT
    assert (result.status, result.reason) == (JobStatus.TIMEOUT if is_timeout else JobStatus.FAILED, reason)
    assert says in result.error_message


@pytest.mark.parametrize(
    "error",
    [
        "",
        "Internal Server Error",
        "Failed to fetch code",
        "[Errno 28] No space left on device",
        "Connection to the store timed out after 3 seconds",
        "HTTPSConnectionPool: Read timed out. (read timeout=60)",
        TRACE + "MemoryError",
        # Words of the program, and not of the error.
        TRACE + "'utf-8' codec can't decode byte\nOSError: [Errno 12] Cannot allocate memory",
    ],
)
def test_a_failure_of_the_runner_s_own_is_none(error):
    assert recognise(error) is None


def test_an_exit_code_and_a_signal_that_cannot_be_are_unknown():
    exited = recognise("Command 'x' returned non-zero exit status 999999999999.")
    died = recognise("Command 'x' died with <Signals.SIGKILL: 999999999999>.")
    assert (exited.reason, exited.exit_code, exited.notes) == (
        Reason.NONZERO_EXIT,
        None,
        (Note.EXIT_CODE_UNKNOWN,),
    )
    assert (died.reason, died.signal) == (Reason.SIGNAL, None)


def test_an_exit_code_and_a_signal_are_kept():
    assert recognise("Command 'x' returned non-zero exit status 3.").exit_code == 3
    assert recognise("Command 'x' died with <Signals.SIGKILL: 9>.").signal == 9


def test_the_messages_of_a_compiler_are_kept():
    error = "Main.java:3: error: ';' expected\n  int a\n       ^"
    assert recognise(error).compile_output.text == error


@pytest.mark.parametrize(
    "piece", ["command ", "command  timed out after ", "x", ".java:", "Traceback\n", "9"]
)
def test_reading_an_error_takes_time_in_proportion_to_it(piece):
    error = (piece * FAILURE_BYTES)[:FAILURE_BYTES]
    began = time.process_time()
    recognise(error)
    recognise(json.dumps({"error": error}))
    assert time.process_time() - began < 2
