"""Results of programs that their runner ended, cut, or cannot stop."""

import threading

import pytest

from domain.execution import Note
from tests.integration.http_engine.executions import (
    CANCELLED,
    ENGINE_ERROR,
    SUCCESS,
    TIMEOUT,
    RememberingObserver,
    a_request,
    outcome,
    wait_until,
)
from tests.support.runner import cuts_output, hang, python_runner, replies, runs

NO_STDIN = "passes programs no standard input"
RUNS_ON = "The runner cannot stop programs: this one runs on to its end."


@pytest.mark.parametrize(
    ("source", "limit_s", "expected", "says"),
    [
        ("import time; time.sleep(60)", 0.5, TIMEOUT, "after a time limit of its own, 0.5 s."),
        (r"import sys; sys.stdout.buffer.write(b'\xff')", 30, ENGINE_ERROR, "which is not UTF-8."),
    ],
)
def test_what_the_python_runner_reports_as_500_is_the_outcome_of_the_only_run(
    runner, engine, source, limit_s, expected, says
):
    runner.fetch_code = lambda _: source.encode()
    runner.behaviour = python_runner(limit_s)

    report = engine.execute(a_request(max_attempts=3, timeout_ms=60_000), RememberingObserver())

    assert (outcome(report), report.is_lost) == (expected, False)
    assert says in report.result.error_message
    assert len(runner.asked("/run")) == 1


def test_an_error_without_an_outcome_is_read_alike_whatever_the_status(runner, engine):
    runner.behaviour = replies(200, '{"error": "spawnSync node ETIMEDOUT"}', "application/json")

    assert outcome(engine.execute(a_request("node"), RememberingObserver())) == TIMEOUT


@pytest.mark.parametrize(
    ("written", "notes"),
    [
        ("'x' * 2_000_000", {Note.OUTPUT_CUT_BY_RUNNER, Note.EXIT_CODE_UNKNOWN}),
        ("'x' * 1_048_576", {Note.OUTPUT_CUT_BY_RUNNER, Note.EXIT_CODE_UNKNOWN}),
        ("'x' + '한' * 500_000", {Note.OUTPUT_CUT_BY_RUNNER, Note.EXIT_CODE_UNKNOWN}),
        ("'x' * 1_048_575", {Note.EXIT_CODE_UNKNOWN}),
    ],
    ids=["more", "just as much", "cut through a character", "less"],
)
def test_output_that_the_runner_cut_is_noted(runner, engine, written, notes):
    runner.fetch_code = lambda _: f"import sys; sys.stdout.write({written})".encode()
    runner.behaviour = cuts_output()

    request = a_request(timeout_ms=30_000, limits={"output_mb": 8})

    with engine.execute(request, RememberingObserver()) as report:
        assert outcome(report) == SUCCESS
        assert set(report.result.notes) == notes


def test_a_runner_that_tells_the_exit_code_leaves_nothing_to_be_noted(runner, engine):
    runner.behaviour = runs(exit_code=0)
    assert engine.execute(a_request(), RememberingObserver()).result.notes == ()


@pytest.mark.parametrize(
    ("language", "stdin", "is_told"),
    [("python", "", False), ("python", "42", True), ("node", "", True), ("java", "", True)],
)
def test_a_timeout_says_that_a_program_may_have_waited_for_stdin(runner, engine, language, stdin, is_told):
    runner.behaviour = hang

    report = engine.execute(a_request(language, stdin=stdin, timeout_ms=200), RememberingObserver())

    assert outcome(report) == TIMEOUT
    assert (NO_STDIN in report.result.error_message) == is_told
    assert (Note.STDIN_NOT_PASSED in report.result.notes) == is_told


def stopped(runner, engine, stop):
    """Return the report of an execution that is stopped while its runner has it."""
    runner.behaviour = hang
    request, reports = a_request(timeout_ms=60_000), []
    thread = threading.Thread(
        target=lambda: reports.append(engine.execute(request, RememberingObserver())), daemon=True
    )
    thread.start()
    wait_until(lambda: runner.asked("/run"))
    stop(request.execution_id, request.job_id)
    thread.join(90)
    (report,) = reports
    return report


def cancelled(runner, engine):
    """Return the result of an execution that is cancelled while its runner has it."""
    report = stopped(runner, engine, engine.cancel)
    assert outcome(report) == CANCELLED
    return report.result


def test_a_runner_that_accepts_a_cancel_is_said_to_have_accepted_it(runner, engine):
    runner.can_cancel = True

    result = cancelled(runner, engine)

    accepted = "The job was cancelled. The runner accepted the request to stop the program."
    assert (result.error_message, result.notes) == (accepted, ())


def test_a_runner_that_knows_no_cancel_is_said_to_run_on(runner, engine):
    result = cancelled(runner, engine)

    assert (result.error_message, result.notes) == (
        f"The job was cancelled. {RUNS_ON}",
        (Note.CANCEL_NOT_SUPPORTED,),
    )
    # And from then on it is known when a program runs out of time.
    late = engine.execute(a_request(timeout_ms=200), RememberingObserver())
    assert (outcome(late), late.result.notes) == (TIMEOUT, (Note.CANCEL_NOT_SUPPORTED,))


def test_a_program_that_was_given_up_and_not_cancelled_is_not_said_to_be_told(runner, engine):
    report = stopped(runner, engine, engine.detach)

    assert "was not asked to stop the program" in report.result.error_message
