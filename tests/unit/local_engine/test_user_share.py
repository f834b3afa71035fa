"""A user's quotas, divided between the programs that share the user."""

import resource
from dataclasses import replace

import pytest

from adapters.local_engine.sandbox.program import NOTHING
from adapters.local_engine.sandbox.user_share import UserShare
from domain.limits import STANDARD_BOUNDS, STANDARD_LIMITS

_LARGE = UserShare(watches=500_000, pending_signals=10_000)


def _most_watches(limits):
    return limits.processes * limits.open_files**2 / 2


@pytest.mark.parametrize("watches", [600, 20_000, 500_000])
@pytest.mark.parametrize("processes", [1, 64, 512])
@pytest.mark.parametrize("open_files", [16, 256, 4_096])
def test_no_program_can_have_more_watches_than_its_part(watches, processes, open_files):
    asked = STANDARD_LIMITS.resolve({"processes": processes, "open_files": open_files})

    fitted = UserShare(watches, 1).fitted_limits(asked)

    assert _most_watches(fitted) <= watches
    assert 1 <= fitted.processes <= processes
    assert min(32, open_files) <= fitted.open_files <= open_files


def test_there_are_fewer_open_files_before_there_are_fewer_processes():
    asked = STANDARD_LIMITS.resolve({"processes": 64, "open_files": 4_096})

    fitted = _LARGE.fitted_limits(asked)

    assert fitted == replace(asked, open_files=125)


def test_a_program_that_fits_stays_as_it_is():
    program = replace(NOTHING, limits=replace(NOTHING.limits, open_files=64))

    assert _LARGE.fitted(program) is program


def test_a_program_that_does_not_fit_has_lower_limits_of_each_process():
    fitted = _LARGE.fitted(NOTHING)

    assert fitted.rlimits["NOFILE"] == (fitted.limits.open_files,) * 2
    assert {**fitted.rlimits, "NOFILE": None} == {**NOTHING.rlimits, "NOFILE": None}


def test_the_usual_limits_fit_on_a_machine_of_two_gibibytes(tmp_path):
    quota = tmp_path / "max_user_watches"
    quota.write_text("450000\n")

    share = UserShare.of_machine(8, quota)

    usual = share.fitted_limits(STANDARD_LIMITS.resolve({}))
    assert usual.processes == STANDARD_BOUNDS["processes"].default
    assert usual.open_files >= 32


def test_all_programs_together_leave_the_service_a_quarter(tmp_path):
    quota = tmp_path / "max_user_watches"
    quota.write_text("80000\n")
    signals, _ = resource.getrlimit(resource.RLIMIT_SIGPENDING)

    share = UserShare.of_machine(8, quota)

    assert share.watches == 7_500
    assert 8 * share.pending_signals <= signals * 3 / 4


def test_a_kernel_without_such_a_quota_divides_nothing(tmp_path):
    assert UserShare.of_machine(8, tmp_path / "none") is None
