"""The runners that exist, in each form of their answers."""

import json

import pytest

from domain.execution import Note, ResourceUsage
from domain.limits import STANDARD_BOUNDS
from domain.sealed_secrets import SealedSecrets
from tests.integration.http_engine.executions import (
    ENGINE_ERROR,
    NONZERO_EXIT,
    OUTPUT_LIMIT,
    SUCCESS,
    RememberingObserver,
    a_request,
    outcome,
)
from tests.support.runner import literal, modern_form, python_form, replies, runs

HELLO = {
    "python": "print('hello')",
    "node": "console.log('hello')",
    "java": 'class Main { public static void main(String[] a) { System.out.println("hello"); } }',
}
BOOM = {
    "python": "import sys; print('before'); sys.exit('boom')",
    "node": "console.log('before'); console.error('boom'); process.exit(3)",
    "java": """class Main { public static void main(String[] a) {
        System.out.println("before"); System.err.println("boom"); System.exit(3); } }""",
}
FIGURES = {"python": (0.0, 31.4), "node": (12.5, 48.2), "java": (None, None)}


@pytest.fixture
def logs(runner):
    kept = {}
    runner.keep_log = kept.__setitem__
    return kept


def has_code(runner, source):
    runner.fetch_code = lambda _: source.encode()


@pytest.mark.parametrize("language", sorted(HELLO))
def test_a_program_that_succeeds_on_each_runner(runner, engine, logs, language):
    has_code(runner, HELLO[language])
    request = a_request(language, timeout_ms=60_000)
    observer = RememberingObserver()

    report = engine.execute(request, observer)

    assert outcome(report) == SUCCESS
    assert report.result.stdout.text == "hello\n"
    assert report.result.error_message is None
    cpu_percent, memory_mb = FIGURES[language]
    assert report.result.resource == ResourceUsage(
        execution_time_ms=report.result.resource.execution_time_ms,
        cpu_percent=cpu_percent,
        memory_mb=memory_mb,
    )
    assert list(logs) == [str(report.result.log_key)]
    with report:
        assert (report.stdout.read(), report.stderr.read()) == (b"hello\n", b"")
    assert observer.starts == 1
    assert b"".join(chunk.data for chunk in observer.chunks) == b"hello\n"


@pytest.mark.parametrize("language", sorted(BOOM))
def test_a_program_that_fails_on_each_runner(runner, engine, language):
    has_code(runner, BOOM[language])

    report = engine.execute(a_request(language, timeout_ms=60_000), RememberingObserver())

    assert outcome(report) == NONZERO_EXIT
    assert report.result.exit_code is None
    assert "no exit code" in report.result.error_message
    assert report.result.stdout.text.startswith("before\n")
    assert "boom" in report.result.stdout.text + report.result.stderr.text


def test_a_runner_gets_what_the_contract_names_and_nothing_else(runner, engine):
    request = a_request(code_key="한글 프로젝트/a&b=c.py", timeout_ms=1_234)

    engine.execute(request, RememberingObserver())

    (asked,) = runner.requests
    assert (asked.method, asked.path) == ("GET", "/python/run")
    assert asked.params == {
        "code_key": "한글 프로젝트/a&b=c.py",
        "job_id": str(request.job_id),
        "execution_id": str(request.execution_id),
        "timeout_ms": "1234",
    }


@pytest.mark.parametrize("path", ["", "/", "/engines/v1", "/engines/v1/"])
def test_the_base_address_may_have_a_path(runner, make_engine, path):
    engine = make_engine(runner.url + path)

    assert outcome(engine.execute(a_request("node"), RememberingObserver())) == SUCCESS

    assert runner.requests[0].path == f"{path.rstrip('/')}/node/run"


@pytest.mark.parametrize("address", ["", "runner:9000", "ftp://runner", "http://:80", "http://runner/?a=b"])
def test_an_address_that_is_none_is_refused_at_once_and_not_repeated(make_engine, address):
    with pytest.raises(ValueError, match="a runner's address") as refused:
        make_engine(address)
    assert not address or address not in str(refused.value)


def test_an_old_runner_answers_with_a_python_literal(runner, engine):
    runner.behaviour = literal()
    assert outcome(engine.execute(a_request(), RememberingObserver())) == SUCCESS


@pytest.mark.parametrize(
    ("exit_code", "stderr", "expected"),
    [(0, "", SUCCESS), (0, "a warning", SUCCESS), (3, "", NONZERO_EXIT), ("1", "", NONZERO_EXIT)],
)
def test_an_exit_code_decides(runner, engine, exit_code, stderr, expected):
    runner.behaviour = runs(modern_form, exit_code=exit_code, stderr=stderr)

    report = engine.execute(a_request(), RememberingObserver())

    assert outcome(report) == expected
    assert report.result.exit_code == int(exit_code)
    if expected == NONZERO_EXIT:
        assert report.result.error_message == f"Exited with code {exit_code}."


def test_an_engine_that_takes_the_work_reports_later(runner, engine):
    runner.behaviour = replies(202, '{"status": "accepted"}')
    observer = RememberingObserver()

    assert engine.execute(a_request(), observer) is None
    assert observer.starts == 1


def test_the_report_has_all_the_bytes(runner, engine):
    stdout = "a\0" * 60_000 + "end"
    runner.behaviour = runs(python_form, stdout=stdout, exit_code=0)

    with engine.execute(a_request(), RememberingObserver()) as report:
        assert report.result.log_key is None
        assert report.result.stdout.truncated
        assert report.result.stdout.total_bytes == len(stdout)
        assert len(report.result.stdout.text) < 66_000
        assert report.result.stdout.text.endswith("end")
        assert report.result.stdout.text.startswith("a\0a\0")
        assert report.stdout.read() == stdout.encode()
        assert report.stderr.read() == b""


def test_output_beyond_the_job_s_limit_is_a_failure_that_says_so(runner, engine):
    runner.behaviour = runs(python_form, stdout="x" * (3 << 20), stderr="y", exit_code=0)

    with engine.execute(a_request(limits={"output_mb": 2}), RememberingObserver()) as report:
        assert outcome(report) == OUTPUT_LIMIT
        hit = report.result.limit
        assert (hit.name, hit.measured, hit.allowed) == ("output_mb", 4, 2)
        assert len(report.stdout.read()) == 2 << 20
        assert report.stderr.read() == b""


def test_a_log_key_outside_the_logs_is_not_believed(runner, engine):
    runner.behaviour = runs(log_key="../code/secret.py")

    with engine.execute(a_request(), RememberingObserver()) as report:
        assert report.result.log_key is None
        assert report.stdout is not None


def test_output_is_passed_on_in_pieces_that_join(runner, engine):
    runner.behaviour = runs(stdout="x" * 200_000, stderr="")
    observer = RememberingObserver()

    engine.execute(a_request(), observer)

    assert [chunk.offset for chunk in observer.chunks] == [0, 65_536, 131_072, 196_608]
    assert sum(len(chunk.data) for chunk in observer.chunks) == 200_000


@pytest.mark.parametrize(("stdin", "notes"), [("42\n", [Note.STDIN_NOT_PASSED]), ("", [])])
def test_a_job_with_stdin_runs_without_it_and_a_note_says_so_from_its_start(engine, stdin, notes):
    observer = RememberingObserver()

    assert outcome(engine.execute(a_request(stdin=stdin), observer)) == SUCCESS

    assert observer.notes == notes


@pytest.mark.parametrize(
    "spec",
    [{"args": ("--dry-run",)}, {"env": {"MODE": "dry"}}, {"secrets": SealedSecrets("key", "a", "b")}],
    ids=["args", "env", "secrets"],
)
def test_a_job_with_arguments_or_variables_is_not_run_without_them(runner, engine, spec):
    observer = RememberingObserver()

    report = engine.execute(a_request(**spec), observer)

    assert outcome(report) == ENGINE_ERROR
    assert "neither arguments nor environment" in report.result.error_message
    assert (observer.starts, list(runner.requests)) == (0, [])
    assert not any(support.takes_arguments for support in engine.languages())


def test_a_language_without_a_runner_is_not_asked_for(runner, make_engine):
    engine = make_engine(runner.url, languages=("node",))

    assert [str(support.language) for support in engine.languages()] == ["node"]
    assert all(support.is_available for support in engine.languages())
    assert outcome(engine.execute(a_request("python"), RememberingObserver())) == ENGINE_ERROR
    assert list(runner.requests) == []


def test_a_runner_that_names_the_job_it_answers_for_is_believed(runner, engine):
    request = a_request()
    runner.behaviour = runs(job_id=str(request.job_id), execution_id=str(request.execution_id))
    assert outcome(engine.execute(request, RememberingObserver())) == SUCCESS


def test_the_log_that_the_runner_wrote_holds_what_it_answered(engine, logs):
    engine.execute(a_request(), RememberingObserver())
    (document,) = map(json.loads, logs.values())
    assert document["stdout"] == "ran demo/main.py\n"


def test_the_engine_says_its_address_and_which_limits_it_watches_itself(runner, engine):
    description = engine.describe()
    assert description.addresses == (runner.url,)
    watched = {name for name, how in description.limits.items() if str(how) != "left to the runner"}
    assert (description.name, description.is_isolated) == ("http", None)
    assert watched == {"timeout_ms", "output_mb"}
    assert set(description.limits) == set(STANDARD_BOUNDS)
