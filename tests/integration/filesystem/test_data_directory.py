"""The error messages about a data directory that cannot be used."""

import os

import pytest

from adapters.filesystem.data_directory import prepare_data_directory
from application.errors import DependencyUnavailable
from tests.support.small_disk import fill, small_disk


def trouble_with(directory):
    with pytest.raises(DependencyUnavailable) as caught:
        prepare_data_directory(directory)
    sentence = str(caught.value)
    assert sentence.startswith(f"the data directory is unavailable: {directory}: ")
    assert sentence.endswith("; SERVICE_SERVER_DATA_DIR selects another directory")
    return sentence.removeprefix(f"the data directory is unavailable: {directory}: ").partition(";")[0]


def test_one_that_is_missing_is_made_for_this_user_alone(tmp_path):
    directory = prepare_data_directory(tmp_path / "a" / "b")

    assert directory.stat().st_mode & 0o777 == 0o700
    assert list(directory.iterdir()) == []


def test_one_that_others_could_read_is_closed_to_them(tmp_path):
    tmp_path.chmod(0o755)

    assert prepare_data_directory(tmp_path).stat().st_mode & 0o777 == 0o700


def test_a_file_in_its_place_is_told(tmp_path):
    (tmp_path / "file").write_text("")

    assert trouble_with(tmp_path / "file") == "it is not a directory"
    assert trouble_with(tmp_path / "file" / "below") == f"{tmp_path / 'file'} is not a directory"


def test_a_link_to_nowhere_is_told(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")

    assert trouble_with(tmp_path / "link") == "it is not a directory"


def test_a_read_only_file_system_is_told(tmp_path):
    with small_disk(tmp_path / "disk", "ro") as disk:
        assert trouble_with(disk) == "its file system is read-only"
        assert trouble_with(disk / "below") == "its file system is read-only"


def test_a_full_disk_is_told(tmp_path):
    with small_disk(tmp_path / "disk", "size=1m") as disk:
        prepare_data_directory(disk)
        fill(disk)
        assert trouble_with(disk) == "its disk is full"


def test_the_directory_of_another_user_is_told_with_both_names(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root may become another user")
    parent = tmp_path
    while parent != parent.parent:  # the other user has to come as far as to it
        parent.chmod(parent.stat().st_mode | 0o111)
        if parent.parent.stat().st_mode & 0o001:
            break
        parent = parent.parent
    (tmp_path / "mine").mkdir(mode=0o755)
    os.seteuid(65534)
    try:
        said = [trouble_with(tmp_path / "mine"), trouble_with(tmp_path / "mine" / "below")]
    finally:
        os.seteuid(0)
    me = "user nobody"
    assert said[0] == f"{me} has no permission to write to it, which belongs to user root"
    assert said[1] == f"{me} has no permission to write to {tmp_path / 'mine'}, which belongs to user root"
