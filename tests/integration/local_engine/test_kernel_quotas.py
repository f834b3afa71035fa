"""The quotas of docs/kernel-quotas.md: a program that takes all that it gets leaves another one enough."""

from pathlib import Path

import pytest

from adapters.local_engine.sandbox.supervisor.privileges import has_privileges
from tests.contract.engine_kit.harness import SLOWNESS, Program
from tests.support.processes import eventually
from tests.support.sandbox import has_cgroups, isolated_engine

_ROOT = Path(__file__).parents[3]
_TABLE = _ROOT / "docs" / "kernel-quotas.md"
_PROBE = _ROOT / "tests" / "attack" / "programs" / "take_quota.py"
_LIMITS = {"memory_mb": 160, "processes": 16, "open_files": 400, "timeout_ms": 20_000}
_COLUMNS = ("quota", "setting", "scope", "bound", "left", "test")


_WITH_ONE_USER = "\n## Where programs share a user\n"


def _rows():
    text, _, _ = _TABLE.read_text().partition(_WITH_ONE_USER)
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [
        dict(zip(_COLUMNS, (cell.strip() for cell in line.strip("|").split("|")), strict=True))
        for line in lines[2:]
    ]


def _tests(outcome):
    """Return the names of the tests whose outcome that is, each once."""
    cells = (row["test"].split(": ") for row in _rows() if row["test"])
    return sorted({name for expected, name in cells if expected == outcome})


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    with isolated_engine(tmp_path_factory.mktemp("engine")) as kit:
        yield kit


def _probe(how, test):
    return Program(code=_PROBE.read_text(), args=(how, test), limits=_LIMITS)


@pytest.mark.parametrize("test", _tests("none"))
def test_a_program_gets_none_of_a_quota_that_is_refused(kit, test):
    running = kit.start(_probe("take", test))
    try:
        assert running.recorder.has_output.wait(20)
    finally:
        kit.engine.cancel(running.request.execution_id, running.request.job_id)
        ended = running.end.result(10)
    assert ended.stdout == b"0\n", ended


@pytest.mark.parametrize("test", _tests("beside"))
def test_a_program_works_beside_one_that_takes_all_that_it_gets(kit, test):
    if not has_cgroups(kit.engine) or not has_privileges():
        pytest.skip("programs share a user, or nothing counts what they take")
    taking = kit.start(_probe("take", test))
    try:
        # It has taken all, or so much that it was ended: with version 2, sockets are a part of its memory.
        assert eventually(lambda: taking.recorder.has_output.is_set() or taking.end.done(), 20 * SLOWNESS)

        used = kit.run(_probe("use", test))

        assert used.stdout == b"fine\n", used
    finally:
        kit.engine.cancel(taking.request.execution_id, taking.request.job_id)
        taken = taking.end.result(10 * SLOWNESS)
    # One that was ended by a limit has nothing any more, and had too much.
    assert not taken.stdout or int(taken.stdout) > 0, taken
    assert taken.stderr == b"", taken


def test_every_quota_of_a_user_has_a_bound_where_programs_share_one():
    _, _, text = _TABLE.read_text().partition(_WITH_ONE_USER)
    bounded = ", ".join(line.split(" | ")[0].lower() for line in text.splitlines() if line.startswith("| "))

    quotas = [row["quota"].lower() for row in _rows() if row["scope"].startswith("user")]
    assert len(quotas) > 6
    for quota in quotas:
        assert quota.removeprefix("posix ") in bounded, quota


def test_every_row_has_a_bound():
    for row in _rows():
        assert all(row[column] for column in _COLUMNS[:-1]), row
    assert len(_tests("none")) + len(_tests("beside")) > 15
