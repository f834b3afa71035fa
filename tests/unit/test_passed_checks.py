"""The record of checks by which an interrupted run in the virtual machine goes on."""

from tests.vm.passed import PassedChecks, passed_checks


def test_a_later_run_knows_the_checks_that_have_passed_until_they_are_forgotten(tmp_path):
    file = tmp_path / "passed" / "0a1b2c"
    first = PassedChecks(file)
    first.add("login", "demo")
    first.add("unit", "attacks")

    second = PassedChecks(file)

    assert (first.before, second.before) == (frozenset(), {("login", "demo"), ("unit", "attacks")})
    second.forget()
    assert PassedChecks(file).before == frozenset()


def test_files_without_a_commit_have_no_record(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.vm.passed.PROJECT", tmp_path)
    monkeypatch.setattr("tests.vm.passed._DIRECTORY", tmp_path / "passed")

    passed_checks(anew=False).add("login", "demo")

    assert not (tmp_path / "passed").exists()
