"""`service-server run --cases`: many inputs, a table of verdicts, and a report for build servers."""

from xml.etree import ElementTree as ET

import pytest

from tests.support import service

_DOUBLE = "print(int(input()) * 2)"


@pytest.fixture
def cases(tmp_path):
    directory = tmp_path / "cases"
    (directory / "secret").mkdir(parents=True)
    files = {
        "2.in": "2\n",
        "2.out": "4\n",
        "10.in": "10\n",
        "10.out": "20\n",
        "notes.txt": "nothing",
        "secret/x.in": "7\n",
        "secret/x.out": "14\n",
    }
    for name, text in files.items():
        (directory / name).write_text(text)
    return directory


@pytest.fixture
def run(env, server, tmp_path, cases):
    def run(code, *options, name="program.py"):
        (tmp_path / name).write_text(code)
        arguments = ("run", str(tmp_path / name), "--cases", str(cases), *options)
        return service.run(*arguments, env={**env, "SERVICE_SERVER_SERVER_URL": server.url})

    return run


def _table(ran):
    return [line.split("\t") for line in ran.stdout.decode().splitlines()]


def test_all_accepted_is_success(run, tmp_path):
    ran = run(_DOUBLE, "--junit", str(tmp_path / "report.xml"))

    assert (ran.returncode, ran.stderr) == (0, b"")
    head, *rows, sums = _table(ran)
    assert head[:2] == ["CASE", "VERDICT"]
    assert [row[:2] for row in rows] == [["2", "accepted"], ["10", "accepted"], ["secret/x", "accepted"]]
    assert sums == ["3 of 3 accepted, score 3 of 3"]
    suite = ET.parse(tmp_path / "report.xml").getroot()  # noqa: S314 - our own
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "3",
        "failures": "0",
        "errors": "0",
        "skipped": "0",
    }


def test_a_failure_has_its_difference_unless_it_is_hidden(run, tmp_path):
    ran = run("print(input())", "--junit", str(tmp_path / "report.xml"))

    assert ran.returncode == 1
    _, two, _ten, hidden, _sums = _table(ran)
    assert two[1] == "wrong answer"
    assert "expected '4'" in two[4]
    assert (hidden[1], hidden[4]) == ("wrong answer", "(hidden)")
    suite = ET.parse(tmp_path / "report.xml").getroot()  # noqa: S314
    assert suite.get("failures") == "3"
    failures = suite.findall("testcase/failure")
    assert failures[0].get("type") == "wrong_answer"
    assert failures[-1].text == "(hidden)"
    assert not any("14" in (failure.text or "") for failure in failures)


def test_the_stderr_of_a_crash_is_shown_and_in_the_report(run, tmp_path):
    ran = run("assert input() != '10', 'ten\\33'", "--junit", str(tmp_path / "report.xml"))

    assert b"stderr of case 10:" in ran.stderr
    assert b"AssertionError: ten\\x1b" in ran.stderr
    suite = ET.parse(tmp_path / "report.xml").getroot()  # noqa: S314
    assert "AssertionError: ten" in suite.findall("testcase/system-err")[0].text


def test_the_rest_is_skipped_if_so_asked(run, tmp_path):
    ran = run("raise SystemExit(3)", "--stop-on", "first_failure", "--junit", str(tmp_path / "report.xml"))

    assert ran.returncode == 1
    verdicts = [row[1] for row in _table(ran)[1:-1]]
    assert verdicts[0] == "runtime error"
    assert set(verdicts[1:]) <= {"skipped", "runtime error"}


def test_a_program_that_does_not_compile_shows_why(run, tmp_path):
    ran = run("int main() { return x; }", "--junit", str(tmp_path / "report.xml"), name="program.cpp")

    assert ran.returncode == 1
    assert b"was not declared" in ran.stderr
    suite = ET.parse(tmp_path / "report.xml").getroot()  # noqa: S314
    assert suite.get("errors") == "1"
    assert "was not declared" in suite.findtext("testcase/error")
    assert len(suite.findtext("testcase/error").splitlines()) > 1


def test_cases_that_cannot_be_read_are_wrong_usage(env, tmp_path):
    (tmp_path / "program.py").write_text("")
    (tmp_path / "empty").mkdir()
    for directory, cause in (("none", "not a directory"), ("empty", "no input")):
        ran = service.run(
            *("run", str(tmp_path / "program.py"), "--cases", str(tmp_path / directory)), env=env
        )
        assert ran.returncode == 2
        assert cause in ran.stderr.decode()


@pytest.mark.parametrize(
    "option", ["--stop-on=never", "--junit=x.xml", "--checker=tokens", "--tolerance=0.1"]
)
def test_options_of_cases_need_cases(env, tmp_path, option):
    (tmp_path / "program.py").write_text("")

    ran = service.run("run", str(tmp_path / "program.py"), option, env=env)

    assert (ran.returncode, b"--cases" in ran.stderr) == (2, True)


def test_outputs_are_compared_as_asked_or_by_a_program(run, tmp_path):
    (tmp_path / "checker.py").write_text("import sys\nprint(len(sys.argv), file=sys.stderr)\nsys.exit(2)")
    spaced = "print(' ', int(input()) * 2)"

    tokens = run(spaced, "--checker", "tokens")
    near = run("print(int(input()) * 2.01)", "--checker", "float", "--tolerance", "0.01")
    program = run(spaced, "--checker", str(tmp_path / "checker.py"))

    assert run(spaced, "--checker", "exact").returncode == 1
    assert (tokens.returncode, near.returncode, program.returncode) == (0, 0, 1)
    assert [row[1] for row in _table(program)[1:-1]] == ["presentation error"] * 3
    assert "4" in _table(program)[1][4]


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        (("--checker", "magic"), "neither a file nor one of exact"),
        (("--tolerance", "0.1"), "--tolerance needs --checker float"),
        (("--artifact", "*.txt"), "--artifact cannot be combined with --cases"),
    ],
)
def test_what_is_no_way_to_judge_is_wrong_usage(run, options, cause):
    ran = run(_DOUBLE, *options)

    assert (ran.returncode, cause in ran.stderr.decode()) == (2, True)
