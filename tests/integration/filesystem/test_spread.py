"""Objects spread over directories, and those of earlier versions beside them."""

import os
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from adapters.filesystem.names import key_of_names, names_on_disk, spread_names
from adapters.filesystem.object_store import FilesystemObjectStore
from adapters.filesystem.tree import Tree
from application.errors import NotFound
from domain.values import ObjectKey

OLD, NEW = ObjectKey("project/01890a5d-ac96-774b-bcce-b302099a8057.py"), ObjectKey("project/new.py")
DAY_S = 86_400
SIZE = 100


@pytest.fixture
def root(tmp_path):
    return tmp_path / "objects"


def open_store(root):
    return FilesystemObjectStore(root, "http://127.0.0.1:8000")


def written_before(root, *keys):
    """Store objects as the version before did, each under its key as a path."""
    tree = Tree(root, "~incoming", durable=False)
    tree.prepare()
    tree.write_all({tuple(names_on_disk(key)): b"old" for key in keys})


def listed(store, before=None):
    before = before or datetime.now(UTC) + timedelta(seconds=10)
    return {(stored.key.value, stored.size) for stored in store.stored_before(before)}


def ids(count, per_second):
    """Return UUIDs of version 7 that are made at a rate."""
    first = 0x01890A5DAC96
    for number in range(count):
        at_ms = first + number * 1_000 // per_second
        yield UUID(int=at_ms << 80 | 0x7 << 76 | 0x8 << 60 | number)


@pytest.mark.parametrize("per_second", [1, 100])
def test_a_directory_has_a_small_part_of_very_many_objects(per_second):
    places = Counter(spread_names(ObjectKey(f"p/{job_id}.py"))[1] for job_id in ids(50_000, per_second))

    assert max(places.values()) < 500
    assert len(places) > (3_700 if per_second == 1 else 110)


def test_the_objects_of_a_batch_are_in_few_directories():
    assert len({spread_names(ObjectKey(f"p/{job_id}.py"))[1] for job_id in ids(1_000, 1_000)}) <= 2


@pytest.mark.parametrize(
    "key",
    ["project/new.py", "a", "tenants/acme/logs/x.json", "tenants/acme/blobs/ab/abc", "프로젝트/코드.py"],
)
def test_a_key_is_found_from_its_place(key):
    for names in (spread_names(ObjectKey(key)), names_on_disk(ObjectKey(key))):
        assert key_of_names(names) == ObjectKey(key)


@pytest.mark.parametrize("key", ["~abc/new.py", "project/~new.py", f"{'x' * 300}/new.py"])
def test_no_key_is_made_up_for_a_name_that_does_not_show_it(key):
    assert key_of_names(spread_names(ObjectKey(key))) is None


def test_objects_of_the_version_before_are_read_copied_replaced_listed_and_removed(root):
    written_before(root, OLD)
    store = open_store(root)
    later = ObjectKey("project/copy.py")

    assert store.get(OLD, SIZE) == b"old"
    store.copy(OLD, later, "text/plain", SIZE)
    assert store.get(later, SIZE) == b"old"
    assert listed(store) == {(OLD.value, 3), (later.value, 3)}
    store.put(OLD, b"newer", "text/plain")
    assert store.get(OLD, SIZE) == b"newer"
    store.delete(OLD)
    with pytest.raises(NotFound):
        store.get(OLD, SIZE)
    assert listed(store) == {(later.value, 3)}


def test_a_store_of_the_version_before_is_spread_a_day_after_it_was_opened(root, monkeypatch):
    # Given a store that processes of the version before may use for a while
    written_before(root, OLD)
    store = open_store(root)
    store.put(NEW, b"new", "text/plain")
    assert root.joinpath(*names_on_disk(NEW)).exists()
    # When it is opened again, a day passes
    now = time.time()
    again = open_store(root)
    monkeypatch.setattr(time, "time", lambda: now + DAY_S + 1)
    # Then both processes spread what is new, and find what is not
    for store_then, name in ((store, "first.py"), (again, "second.py")):
        key = ObjectKey(f"project/{name}")
        store_then.put(key, b"new", "text/plain")
        assert root.joinpath(*spread_names(key)).exists()
        assert again.get(key, SIZE) == store.get(key, SIZE) == store.get(NEW, SIZE) == b"new"


def test_a_new_store_is_spread_at_once(root):
    store = open_store(root)
    store.put(NEW, b"new", "text/plain")
    store.put_all({ObjectKey(f"many/{number}.py"): b"x" for number in range(40)}, "text/plain")

    files = [path for path in root.rglob("*") if path.is_file()]
    assert len(files) == 41
    assert all(path.parent.name.startswith("~") for path in files)


def test_objects_are_listed_by_the_time_at_which_their_file_got_its_name(root):
    # Given an object whose file says that it is old, as a copy has the times of its source
    store = open_store(root)
    store.put(NEW, b"new", "text/plain")
    os.utime(root.joinpath(*spread_names(NEW)), (0, 0))

    assert listed(store, datetime.now(UTC) - timedelta(hours=1)) == set()
    assert listed(store) == {(NEW.value, 3)}


def test_files_that_are_no_objects_are_not_listed(root):
    store = open_store(root)
    store.put(NEW, b"new", "text/plain")
    (root / "~incoming" / "draft").write_bytes(b"draft")
    (root / "project" / "link.py").symlink_to("/etc/passwd")
    (root / "project" / "link").symlink_to(root)

    assert listed(store) == {(NEW.value, 3)}
