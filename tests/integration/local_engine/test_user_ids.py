"""The leases of user ids, with the kernel's own locks and processes."""

import multiprocessing
import os
import signal
import subprocess
from pathlib import Path

import pytest

from adapters.local_engine.sandbox import bubblewrap
from adapters.local_engine.sandbox.supervisor.protocol import UserRange
from adapters.local_engine.sandbox.supervisor.user_ids import UserIds
from tests.contract.engine_kit.harness import Program
from tests.support.sandbox import isolated_engine

_FIRST = 61_000


@pytest.fixture
def users(tmp_path):
    return UserRange(first=_FIRST, count=3, lock=str(tmp_path / "users.lock"))


def test_an_id_has_one_lease_at_a_time_whichever_supervisor_asks(users):
    one, other = UserIds(users), UserIds(users)

    leased = [one.lease(), other.lease(), one.lease()]

    assert sorted(leased) == [_FIRST, _FIRST + 1, _FIRST + 2]
    with pytest.raises(OSError, match="every user id for programs, 61000 to 61002, is in use"):
        other.lease()
    one.release(leased[0])
    assert other.lease() == leased[0]


def test_no_other_user_of_the_machine_can_open_the_file_of_locks(users):
    UserIds(users)

    assert Path(users.lock).stat().st_mode & 0o777 == 0o600


def _lease_and_wait(users, pipe):
    ids = UserIds(users)
    pipe.send([ids.lease() for _ in range(users.count)])
    signal.pause()


def test_a_killed_supervisor_s_leases_end_with_it(users):
    ours, theirs = multiprocessing.Pipe()
    holder = multiprocessing.get_context("spawn").Process(target=_lease_and_wait, args=(users, theirs))
    holder.start()
    try:
        assert len(ours.recv()) == users.count
        ids = UserIds(users)
        with pytest.raises(OSError, match="is in use"):
            ids.lease()
    finally:
        holder.kill()
        holder.join()

    assert ids.lease() == _FIRST


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives programs users of their own")
def test_an_id_is_not_leased_while_a_process_has_it(users):
    ids = UserIds(users)
    with subprocess.Popen(["sleep", "60"], user=_FIRST, group=_FIRST) as outlives_its_supervisor:
        assert ids.lease() == _FIRST + 1
        outlives_its_supervisor.kill()

    assert ids.lease() == _FIRST


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives programs users of their own")
def test_without_a_place_that_all_services_see_an_engine_says_so_and_leases_by_itself(
    tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr(bubblewrap, "_USERS_LOCK", tmp_path / "missing" / "users.lock")

    with isolated_engine(tmp_path) as kit:
        assert kit.run(Program(code="print(1)")).stdout == b"1\n"

    assert f"{tmp_path / 'missing'} is not writable" in caplog.text
    assert (tmp_path / "work" / "users.lock").exists()
