"""Subordinate user ids, of an ordinary user that has them, and of ones that have not."""

import json
import os
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from adapters.local_engine.sandbox import subordinate_ids
from adapters.local_engine.sandbox.subordinate_ids import SubordinateIds, SubordinateIdsUnavailable
from tests.support.ordinary_user import command, copy_engine, with_subordinate_ids
from tests.support.sandbox import require_bubblewrap

_ENGINE = "tests.support.engine_process"
_as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")


@pytest.fixture(scope="module")
def directory():
    require_bubblewrap()
    with TemporaryDirectory(prefix="service-server-copy-") as name:  # which its user may go through
        directory = Path(name)
        directory.chmod(0o755)
        copy_engine(directory)
        yield directory


def _described(command, directory):
    done = subprocess.run(command, cwd=directory, stdout=subprocess.PIPE, timeout=120, check=True)
    return json.loads(done.stdout)


@_as_root
def test_programs_of_a_user_with_subordinate_ids_have_a_user_each(directory):
    engine = _described(with_subordinate_ids(command(_ENGINE), directory), directory)

    assert (engine["trouble"], engine["stdout"]) == (None, "42\n")
    assert engine["artifacts"] == {"out/written": "kept"}  # which only its program's user may read
    assert not [guarantee for guarantee in engine["missing"] if guarantee.startswith("a user id")]


@_as_root
@pytest.mark.parametrize(
    ("options", "count", "cause"),
    [
        (["--no-new-privs"], 65_536, "NoNewPrivileges= of the service's systemd unit"),
        (
            [],
            1_000,
            "/etc/subuid has no range of 65536 ids for the user nobody; as root, add one with 'usermod ",
        ),
    ],
)
def test_a_host_that_gives_a_user_no_ids_is_named_with_its_remedy(directory, options, count, cause):
    engine = _described(with_subordinate_ids(command(_ENGINE, *options), directory, count), directory)

    assert engine["stdout"] == "42\n"
    [missing] = [guarantee for guarantee in engine["missing"] if guarantee.startswith("a user id")]
    assert cause in missing


def _etc(directory, text):
    for name in ("subuid", "subgid"):
        (directory / name).write_text(text)
    return directory


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("somebody:1:65536\n{name}:200000:65536\n", 200_000),
        ("{user}:300000:65535\n", 300_000),
        ("{name}:100000:1000\n{name}:400000:65536\n", 400_000),
    ],
)
def test_the_first_range_that_is_large_enough_is_taken(tmp_path, monkeypatch, text, first):
    monkeypatch.setattr(SubordinateIds, "_try_out", lambda _ids: None)
    user = os.geteuid()

    ids = SubordinateIds.find(_etc(tmp_path, text.format(name=subordinate_ids.user_name(), user=user)))

    assert (ids.users, ids.groups) == (first, first)


@pytest.mark.parametrize("text", ["", "somebody:1:65536\n", "{name}:100000:1000\n", "{name}::\n", "{name}\n"])
def test_a_file_without_such_a_range_is_named(tmp_path, text):
    with pytest.raises(SubordinateIdsUnavailable, match="subuid has no range of 65536 ids for the user"):
        SubordinateIds.find(_etc(tmp_path, text.format(name=subordinate_ids.user_name())))


def test_a_machine_without_the_tools_is_told_of_them(tmp_path, monkeypatch):
    monkeypatch.setattr(subordinate_ids, "SYSTEM_PATH", str(tmp_path))

    with pytest.raises(
        SubordinateIdsUnavailable,
        match="newuidmap is not installed; install it with 'apt-get install uidmap'",
    ):
        SubordinateIds.find()
