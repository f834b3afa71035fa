from concurrent.futures import ThreadPoolExecutor

import pytest

from adapters.filesystem.secret_key import read_or_make_key
from application.errors import DependencyUnavailable


def test_a_key_is_made_once_for_its_owner_alone(tmp_path):
    path = tmp_path / "link-key"

    with ThreadPoolExecutor(8) as threads:
        keys = set(threads.map(lambda _: read_or_make_key(path), range(32)))

    assert len(keys) == 1
    assert len(keys.pop()) == 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["link-key"]


def test_another_directory_has_another_key(tmp_path):
    assert read_or_make_key(tmp_path / "a") != read_or_make_key(tmp_path / "b")


@pytest.mark.parametrize("content", [b"", b"short"])
def test_a_key_that_is_cut_off_is_refused(tmp_path, content):
    path = tmp_path / "link-key"
    path.write_bytes(content)

    with pytest.raises(DependencyUnavailable, match="remove it"):
        read_or_make_key(path)


def test_a_directory_that_is_missing_is_named(tmp_path):
    with pytest.raises(DependencyUnavailable, match="link-key"):
        read_or_make_key(tmp_path / "missing" / "link-key")
