"""The filesystem store with foreign files in its directory, or a forged key."""

import os
import socket
import stat
from contextlib import suppress
from pathlib import Path

import pytest

from adapters.filesystem.names import spread_names
from adapters.filesystem.object_store import FilesystemObjectStore
from application.errors import ApplicationError, NotFound, StorageUnavailable
from domain.values import ObjectKey

KEY = ObjectKey("project/job/code.py")
PLACE = "/".join(spread_names(KEY))
ANY_SIZE = 1 << 30
SECRET = "the secret outside"


@pytest.fixture
def root(tmp_path):
    return tmp_path / "objects"


@pytest.fixture
def store(root):
    return FilesystemObjectStore(root, "http://127.0.0.1:8000")


@pytest.fixture
def outside(tmp_path):
    """A directory beside the store's, with a file that must not be read or changed through the store."""
    directory = tmp_path / "outside"
    (directory / "job").mkdir(parents=True)
    (directory / "code.py").write_text(SECRET)
    (directory / "job" / "code.py").write_text(SECRET)
    return directory


def forged(text):
    """A key as it would be if its own checks had been passed by."""
    key = object.__new__(ObjectKey)
    object.__setattr__(key, "value", text)
    return key


def snapshot(directory):
    return {path: path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()}


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("project", ""),
        ("project/job", ""),
        ("project/job/code.py", "code.py"),
        (PLACE, "code.py"),
        ("project", "/"),
    ],
)
def test_a_link_planted_at_any_level_is_not_followed_to_read(store, root, outside, link, target):
    # Given a symbolic link on the key's way that leads to the secret
    (root / link).parent.mkdir(parents=True, exist_ok=True)
    (root / link).symlink_to(outside / target)
    # When the object is read, then there is none
    with pytest.raises(NotFound):
        store.get(KEY, ANY_SIZE)


@pytest.mark.parametrize("link", ["project", "project/job", "~incoming"])
def test_a_link_in_place_of_a_directory_is_not_followed_to_write_or_remove(tmp_path, outside, link):
    # Given a store in which a directory is a link to the outside
    root = tmp_path / "objects"
    store = FilesystemObjectStore(root, "http://127.0.0.1:8000")
    (root / "~incoming").rmdir()
    (root / link).parent.mkdir(parents=True, exist_ok=True)
    (root / link).symlink_to(outside)
    before = snapshot(outside)
    # When an object is stored and removed through it
    with pytest.raises(StorageUnavailable, match="a part of the path is not a directory"):
        store.put(KEY, b"mine", "text/plain")
    store.delete(KEY)
    # Then nothing has changed outside
    assert snapshot(outside) == before


def test_a_link_in_place_of_an_object_is_replaced_and_what_it_led_to_stays(store, root, outside):
    (root / PLACE).parent.mkdir(parents=True)
    (root / PLACE).symlink_to(outside / "code.py")
    store.put(KEY, b"mine", "text/plain")
    assert (outside / "code.py").read_text() == SECRET
    assert store.get(KEY, ANY_SIZE) == b"mine"
    assert not (root / PLACE).is_symlink()


@pytest.mark.parametrize("operation", ["put", "delete"])
def test_the_other_name_of_a_hard_link_is_never_written_through(store, root, outside, operation):
    (root / PLACE).parent.mkdir(parents=True)
    os.link(outside / "code.py", root / PLACE)
    if operation == "put":
        store.put(KEY, b"mine", "text/plain")
    else:
        store.delete(KEY)
    assert (outside / "code.py").read_text() == SECRET


def plant_fifo(path):
    os.mkfifo(path)


def plant_socket(path):
    os.chdir(path.parent)  # the address of a socket has little room
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path.name)


def plant_directory(path):
    path.mkdir()


def plant_device(path):
    if os.geteuid() != 0:
        pytest.skip("only root can make a device")
    os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 5))  # /dev/zero, which has no end


@pytest.mark.parametrize("plant", [plant_fifo, plant_socket, plant_directory, plant_device])
def test_what_is_not_a_regular_file_is_no_object_and_holds_nobody_up(store, root, plant, monkeypatch):
    monkeypatch.chdir(root)
    (root / PLACE).parent.mkdir(parents=True)
    plant(root / PLACE)
    with pytest.raises(NotFound):
        store.get(KEY, ANY_SIZE)


@pytest.mark.parametrize("plant", [plant_fifo, plant_socket, plant_device])
def test_what_is_not_a_regular_file_gives_way_to_an_object(store, root, plant, monkeypatch):
    monkeypatch.chdir(root)
    (root / PLACE).parent.mkdir(parents=True)
    plant(root / PLACE)
    store.put(KEY, b"mine", "text/plain")
    assert store.get(KEY, ANY_SIZE) == b"mine"


def test_a_directory_in_place_of_an_object_is_refused_with_a_reason(store, root):
    (root / PLACE).mkdir(parents=True)
    with pytest.raises(StorageUnavailable, match="the object's path is a directory"):
        store.put(KEY, b"mine", "text/plain")


@pytest.mark.parametrize(
    "text",
    [
        "../outside/code.py",
        "../../outside/code.py",
        "project/../../outside/code.py",
        "/etc/hostname",
        "//etc/hostname",
        "./../outside/code.py",
        "..",
        ".",
        "",
        "project/",
        "project//code.py",
        "project/\0/code.py",
        "project/\ud800\udcff",
        "project/" + "\n" * 200,
        "\x7f" * 300,
    ],
)
def test_a_forged_key_never_leaves_the_directory(store, root, outside, text):
    # Given a key that breaks every rule of keys
    before = snapshot(outside.parent)
    # When it is used to store, read and remove
    store.put(forged(text), b"mine", "text/plain")
    assert store.get(forged(text), ANY_SIZE) == b"mine"
    added = set(snapshot(outside.parent)) - set(before)
    store.delete(forged(text))
    # Then it was an object like any other, and everything else is as it was
    assert [path.is_relative_to(root) for path in added] == [True]
    assert snapshot(outside.parent) == before


def test_objects_and_directories_are_for_the_service_alone(store, root):
    store.put(KEY, b"1", "text/plain")
    modes = {path.relative_to(root).as_posix(): stat.S_IMODE(path.stat().st_mode) for path in root.rglob("*")}
    directories = ("~incoming", "~spread-0", "project", "project/job", PLACE.rpartition("/")[0])
    assert modes == {**dict.fromkeys(directories, 0o700), PLACE: 0o600}


def test_no_descriptor_is_left_open_whatever_happens(store, root):
    # Given one of everything
    (root / "fifo").parent.mkdir(exist_ok=True)
    os.mkfifo(root / "fifo")
    (root / "directory").mkdir()
    (root / "link").symlink_to(root)
    before = len(list(Path("/proc/self/fd").iterdir()))
    # When each is read, written below and removed
    for text in ("fifo", "directory", "link", "fifo/a", "link/a", "missing/a", "new"):
        for operation in (
            lambda key: store.put(key, b"1", "text/plain"),
            lambda key: store.get(key, 0),
            store.delete,
        ):
            with suppress(ApplicationError):
                operation(ObjectKey(text))
    # Then no more descriptors are open than before
    assert len(list(Path("/proc/self/fd").iterdir())) == before
