"""The filesystem store when the disk, the permissions or its own process fail."""

import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from adapters.filesystem.names import spread_names
from adapters.filesystem.object_store import FilesystemObjectStore
from application.errors import NotFound, StorageUnavailable
from domain.values import ObjectKey

KEY = ObjectKey("project/code.py")
PLACE = "/".join(spread_names(KEY))
ANY_SIZE = 1 << 30
THREADS = 1_000

# Programs that the tests start: each is given the directory, and prints what became of it.
PRELUDE = """
import os, resource, sys
from pathlib import Path
from adapters.filesystem.object_store import FilesystemObjectStore
from application.errors import StorageUnavailable
from domain.values import ObjectKey

directory = Path(sys.argv[1])
key = ObjectKey("project/code.py")
open_store = lambda: FilesystemObjectStore(directory, "http://127.0.0.1:8000")

def attempt(operation):
    try:
        operation()
        print("done")
    except StorageUnavailable as error:
        print(error)
"""
PUT_TOO_MUCH = """
store = open_store()
store.put(key, b"before", "text/plain")
LIMIT
attempt(lambda: store.put(key, b"x" * (4 << 20), "text/plain"))
print(store.get(key, 100).decode(), sorted(path.name for path in directory.rglob("*") if path.is_file()))
"""
LIMIT_FILE_SIZE = "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))"
FILL_DISK = "attempt(lambda: store.put(ObjectKey('filler'), b'x' * (4 << 20), 'text/plain'))"
BECOME_NOBODY = """
if os.geteuid() == 0:
    os.chown(directory, 65534, 65534)
    os.setgid(65534)
    os.setuid(65534)
store = open_store()
store.put(key, b"before", "text/plain")
of_object = next(directory.rglob("code.py")).parent
of_object.chmod(0o500)
attempt(lambda: store.put(key, b"after", "text/plain"))
print(store.get(key, 100).decode())
directory.chmod(0o500)
attempt(store.check)
of_object.chmod(0o000)
attempt(lambda: store.get(key, 100))
attempt(lambda: store.delete(key))
directory.chmod(0o700)
of_object.chmod(0o700)
"""
STALL_IN_A_PUT = """
class Stalling:
    def __init__(self):
        self.pieces = [b"x" * (1 << 20)] * 4
    def read(self, size):
        if self.pieces:
            return self.pieces.pop()
        print("stalled", flush=True)
        sys.stdin.read()
open_store().put(key, Stalling(), "text/plain")
"""


@pytest.fixture
def root(tmp_path):
    return tmp_path / "objects"


@pytest.fixture
def store(root):
    return open_store(root)


def open_store(root):
    return FilesystemObjectStore(root, "http://127.0.0.1:8000")


def outcome(command, directory, program):
    done = subprocess.run(
        [*command, sys.executable, "-c", PRELUDE + program, str(directory)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines(), done.stderr


def files(root):
    return [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()]


def test_an_object_that_grows_past_what_a_file_may_be_leaves_the_old_one(root):
    (said, kept), log = outcome((), root, PUT_TOO_MUCH.replace("LIMIT", LIMIT_FILE_SIZE))
    assert said == "the object store is unavailable: the object exceeds the maximum file size"
    assert kept == "before ['code.py']"
    assert "storing object 'project/code.py' failed" in log


def test_a_full_disk_is_named_and_leaves_the_old_object(root):
    # Given a file system of one MiB of its own, in a mount namespace that ends with the program
    root.mkdir()
    mount = f'mount -t tmpfs -o size=1m none {root} && exec "$@"'
    command = ("unshare", "--map-root-user", "--mount", "sh", "-c", mount, "sh")
    if subprocess.run([*command, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine's kernel lets nobody mount a file system of their own")
    # When more is stored than it holds
    lines, log = outcome(command, root, PUT_TOO_MUCH.replace("LIMIT", FILL_DISK))
    # Then every attempt says so, what was there still is, and the half-written ones are gone
    assert lines[:2] == ["the object store is unavailable: the disk is full"] * 2
    assert lines[2] == "before ['code.py']"
    assert "the disk is full" in log


def test_a_directory_without_permission_is_named():
    # Given a directory that an ordinary user may no longer write to, and then not even read
    with tempfile.TemporaryDirectory() as directory:
        # When that user stores, checks, reads and removes
        (stored, kept, checked, read, removed), _ = outcome((), directory, BECOME_NOBODY)
    # Then each says what is in the way, and the object stays
    denied = "the object store is unavailable: permission denied in its directory"
    assert (stored, kept, checked, read, removed) == (denied, "before", denied, denied, denied)


def test_a_directory_that_has_vanished_is_an_outage_and_not_an_empty_store(store, root):
    # Given a store whose disk is no longer there
    store.put(KEY, b"1", "text/plain")
    root.rename(root.with_name("elsewhere"))
    # When it is used, then it does not pretend that the objects are gone, nor begin anew
    for operation in (
        lambda: store.get(KEY, ANY_SIZE),
        lambda: store.put(KEY, b"2", "text/plain"),
        lambda: store.delete(KEY),
        store.check,
    ):
        with pytest.raises(StorageUnavailable, match="directory does not exist"):
            operation()
    # And once it is back, all is as it was
    root.with_name("elsewhere").rename(root)
    assert store.get(KEY, ANY_SIZE) == b"1"


def test_a_store_that_cannot_be_opened_says_why(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageUnavailable, match="a part of the path is not a directory"):
        open_store(tmp_path / "file" / "objects")


def test_a_process_killed_while_storing_leaves_nothing_to_be_seen(store, root):
    # Given an object, and a process killed in the middle of replacing it
    store.put(KEY, b"before", "text/plain")
    writer = subprocess.Popen(
        [sys.executable, "-c", PRELUDE + STALL_IN_A_PUT, str(root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with writer:
        assert writer.stdout.readline() == b"stalled\n"
        writer.send_signal(signal.SIGKILL)
    # When the store is opened again, at once and much later
    assert open_store(root).get(KEY, ANY_SIZE) == b"before"
    (draft,) = (root / "~incoming").iterdir()
    an_hour_ago = time.time() - 3_600
    os.utime(draft, (an_hour_ago, an_hour_ago))
    open_store(root)
    # Then the object is as it was, and what the process left is gone
    assert files(root) == [PLACE]


def test_a_draft_that_is_being_written_survives_the_opening_of_the_store(store, root):
    # Given a stream that opens the store a second time while it is stored
    pieces = iter([b"first ", b"second", b""])

    class Reopening:
        def read(self, _size):
            open_store(root)
            return next(pieces)

    store.put(KEY, Reopening(), "text/plain")
    assert store.get(KEY, ANY_SIZE) == b"first second"


def test_a_thousand_threads_never_see_half_an_object(store, root):
    # Given threads that each store, read or remove the same object
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8 * THREADS, hard), hard))
    barrier = threading.Barrier(THREADS)
    seen, unexpected = [], []

    def act(number):
        barrier.wait()
        try:
            if number % 3 == 0:
                store.put(KEY, bytes([number % 256]) * 50_000, "text/plain")
            elif number % 3 == 1:
                seen.append(store.get(KEY, ANY_SIZE))
            else:
                store.delete(KEY)
        except NotFound:
            pass
        except BaseException as error:  # noqa: BLE001  (a thread's error is the test's)
            unexpected.append(error)

    threads = [threading.Thread(target=act, args=(number,)) for number in range(THREADS)]
    # When all act at once
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    # Then what was read was always whole, nothing failed, and no draft is left
    assert unexpected == []
    assert {(len(content), len(set(content))) for content in seen} <= {(50_000, 1)}
    assert set(files(root)) <= {PLACE}


def test_directories_may_be_removed_under_writers(store, root):
    # Given somebody who keeps removing the project's directory
    stop = threading.Event()

    def remove():
        while not stop.is_set():
            shutil.rmtree(root / "project", ignore_errors=True)

    remover = threading.Thread(target=remove)
    remover.start()
    # When objects are stored and read meanwhile
    seen = []
    try:
        for number in range(60):
            with suppress(NotFound, StorageUnavailable):
                store.put(KEY, bytes([number % 256]) * 10_000, "text/plain")
                seen.append(store.get(KEY, ANY_SIZE))
    finally:
        stop.set()
        remover.join()
    # Then they are whole or gone, and what is stored afterwards stays
    assert {(len(content), len(set(content))) for content in seen} <= {(10_000, 1)}
    store.put(KEY, b"after", "text/plain")
    assert store.get(KEY, ANY_SIZE) == b"after"
    assert files(root) == [PLACE]


def test_the_address_of_an_object_is_this_services_log_endpoint(store):
    key = ObjectKey("logs/a b+é%?#&.json")
    assert store.url(key) == ("http://127.0.0.1:8000/api/log?log_key=logs%2Fa%20b%2B%C3%A9%25%3F%23%26.json")


def test_a_store_that_need_not_be_durable_works_the_same(root):
    store = FilesystemObjectStore(Path(root), "http://127.0.0.1:8000", durable=False)
    store.put(KEY, b"1", "text/plain")
    assert store.get(KEY, ANY_SIZE) == b"1"


def test_a_directory_goes_with_its_last_object_and_writers_are_not_in_its_way(tmp_path):
    root = tmp_path / "objects"
    store = FilesystemObjectStore(root, "http://127.0.0.1:8000", durable=False)

    def come_and_go(number):
        key = ObjectKey(f"tenants/acme/demo/{number}.py")
        for _ in range(50):
            store.put(key, b"x", "text/plain")
            assert store.get(key, 10) == b"x"
            store.delete(key)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(come_and_go, range(8)))

    assert sorted(path.name for path in root.iterdir()) == ["~incoming", "~spread-0"]


def test_of_many_objects_that_cannot_all_be_stored_none_is_left_but_those_that_were_there(store, root):
    before = ObjectKey("many/20.py")
    store.put(before, b"before", "text/plain")
    # A directory in the place of the last one: it is neither made nor replaced.
    root.joinpath(*spread_names(ObjectKey("many/39.py"))).mkdir(parents=True)
    objects = {ObjectKey(f"many/{number}.py"): b"%d" % number for number in range(40)}

    with pytest.raises(StorageUnavailable):
        store.put_all(objects, "text/plain")

    assert sorted(path.name for path in root.joinpath("many").rglob("*.py")) == ["20.py", "39.py"]


def test_a_link_in_the_place_of_one_of_many_objects_is_replaced(store, root, tmp_path):
    outside = tmp_path / "outside"
    outside.write_bytes(b"outside")
    place = root.joinpath(*spread_names(ObjectKey("many/7.py")))
    place.parent.mkdir(parents=True)
    place.symlink_to(outside)
    objects = {ObjectKey(f"many/{number}.py"): b"%d" % number for number in range(40)}

    store.put_all(objects, "text/plain")

    assert {key: store.get(key, ANY_SIZE) for key in objects} == objects
    assert outside.read_bytes() == b"outside"
