"""Hosts that isolate programs in another way than usual, or cannot, and the engine's words about it."""

import os

import pytest

from tests.support.engine_process import run_under
from tests.support.sandbox import require_bubblewrap


@pytest.fixture(autouse=True)
def bubblewrap():
    require_bubblewrap()


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["unshare", "--user", "--map-root-user"], id="of a user namespace"),
        pytest.param(
            ["setpriv", "--bounding-set=-sys_admin"],
            id="without the capability to mount",
            marks=pytest.mark.skipif(os.geteuid() != 0, reason="only root has capabilities to give up"),
        ),
    ],
)
def test_root_without_privileges_isolates_programs_as_an_ordinary_user_does(command):
    ran = run_under(command)

    assert (ran["trouble"], ran.get("stdout")) == (None, "42\n")
