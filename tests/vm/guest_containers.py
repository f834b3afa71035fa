"""Containers of podman: which flags isolating programs takes. For the virtual machine, as root in a unit.

A container is made of the machine's own root file system, with this project mounted into it.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

_PROJECT = Path(__file__).parents[2]
_PROFILE = f"--security-opt=seccomp={_PROJECT}/deploy/containers/seccomp.json"
_UNMASKED = "--security-opt=unmask=ALL"
# As compose.yaml starts a container.
_HARDENED = (
    *("--user=10001:10001", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--read-only"),
    "--tmpfs=/tmp",
)


def _run_in_container(*flags: str) -> dict[str, str | None]:
    """Start an engine in a container, and return its trouble, or the outcome of a program."""
    ended = subprocess.run(
        [
            *("podman", "run", "--rm", "--network=none", "--cgroups=disabled", *flags),
            *(f"--volume={_PROJECT}:{_PROJECT}:ro", f"--workdir={_PROJECT}", "--rootfs", "/:O"),
            *(sys.executable, "-B", "-m", "tests.support.engine_process"),
        ],
        stdout=subprocess.PIPE,
        timeout=120,
        check=True,
    )
    return json.loads(ended.stdout)


@pytest.mark.parametrize(
    "flags",
    [
        pytest.param((*_HARDENED, _PROFILE, _UNMASKED), id="an ordinary user without capabilities"),
        pytest.param((_PROFILE, _UNMASKED), id="root with the usual capabilities"),
        pytest.param((_PROFILE, "--cap-add=SYS_ADMIN"), id="root that may mount, and a covered proc"),
    ],
)
def test_programs_are_isolated(flags):
    ran = _run_in_container(*flags)

    assert (ran["trouble"], ran.get("stdout")) == (None, "42\n")


@pytest.mark.parametrize(
    ("flags", "remedy"),
    [
        pytest.param((*_HARDENED, _PROFILE), "'--security-opt unmask=ALL'", id="a covered proc"),
        pytest.param((*_HARDENED, _UNMASKED), "'--security-opt seccomp=", id="the default profile"),
        pytest.param(
            ("--cap-drop=ALL", _PROFILE, _UNMASKED), "'--user 10001'", id="root without capabilities"
        ),
    ],
)
def test_a_flag_that_is_missing_is_named(flags, remedy):
    trouble = _run_in_container(*flags)["trouble"]

    assert trouble is not None
    assert remedy in trouble
