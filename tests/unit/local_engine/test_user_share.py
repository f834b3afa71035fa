"""A user's quotas, divided between the programs that share the user."""

import resource
from dataclasses import replace

import pytest

from adapters.local_engine.sandbox.program import NOTHING
from adapters.local_engine.sandbox.user_share import UserShare
from domain.limits import STANDARD_BOUNDS, STANDARD_LIMITS

_LARGE = UserShare(watches=500_000, pending_signals=10_000)


def _fitted(share, limits):
    return share.fitted(replace(NOTHING, limits=limits)).limits


def _quotas(directory, **values):
    for name, value in values.items():
        path = directory / name.replace("__", "/")
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{value}\n")
    return directory


def _most_watches(limits):
    return limits.processes * limits.open_files**2 / 2


@pytest.mark.parametrize("watches", [600, 20_000, 500_000])
@pytest.mark.parametrize("processes", [1, 64, 512])
@pytest.mark.parametrize("open_files", [16, 256, 4_096])
def test_no_program_can_have_more_watches_than_its_part(watches, processes, open_files):
    asked = STANDARD_LIMITS.resolve({"processes": processes, "open_files": open_files})

    fitted = _fitted(UserShare(pending_signals=1, watches=watches), asked)

    assert _most_watches(fitted) <= watches
    assert 1 <= fitted.processes <= processes
    assert min(32, open_files) <= fitted.open_files <= open_files


def test_there_are_fewer_open_files_before_there_are_fewer_processes():
    asked = STANDARD_LIMITS.resolve({"processes": 64, "open_files": 4_096})

    fitted = _fitted(_LARGE, asked)

    assert fitted == replace(asked, open_files=125)


def test_a_program_that_fits_stays_as_it_is():
    program = replace(NOTHING, limits=replace(NOTHING.limits, open_files=64))

    assert _LARGE.fitted(program) is program


def test_a_program_that_does_not_fit_has_lower_limits_of_each_process():
    fitted = _LARGE.fitted(NOTHING)

    assert fitted.rlimits["NOFILE"] == (fitted.limits.open_files,) * 2
    assert {**fitted.rlimits, "NOFILE": None} == {**NOTHING.rlimits, "NOFILE": None}


def test_the_usual_limits_fit_on_a_machine_of_two_gibibytes(tmp_path):
    share = UserShare.of_shared_user(8, _quotas(tmp_path, epoll__max_user_watches=450_000))

    usual = _fitted(share, STANDARD_LIMITS.resolve({}))

    assert usual.processes == STANDARD_BOUNDS["processes"].default
    assert usual.open_files >= 32


def test_all_programs_together_leave_the_service_a_quarter(tmp_path):
    signals, _ = resource.getrlimit(resource.RLIMIT_SIGPENDING)

    share = UserShare.of_shared_user(8, _quotas(tmp_path, epoll__max_user_watches=80_000))

    assert share.watches == 7_500
    assert 8 * share.pending_signals <= signals * 3 / 4


def test_subordinate_users_are_bounded_in_what_counts_for_their_owner_too(tmp_path):
    quotas = _quotas(tmp_path, inotify__max_user_instances=128, inotify__max_user_watches=80_000)

    share = UserShare.of_subordinate_users(8, quotas)

    assert share.maxima == {"max_inotify_instances": 12, "max_inotify_watches": 7_500}
    assert share.fitted(NOTHING) is NOTHING


@pytest.mark.parametrize("of", [UserShare.of_shared_user, UserShare.of_subordinate_users])
def test_a_kernel_without_such_quotas_divides_none(of, tmp_path):
    share = of(8, tmp_path)

    assert share.fitted(NOTHING) is NOTHING
    assert share.maxima == {}
