"""The contract of every object store: in memory, in a directory, in moto's S3 and in OpenStack Swift's."""

import hashlib
import io
import threading
from datetime import UTC, datetime, timedelta

import pytest

from adapters.filesystem.object_store import FilesystemObjectStore
from adapters.s3.object_store import S3ObjectStore
from application.errors import NotFound, Unprocessable
from domain.values import ObjectKey
from tests.support import moto_server, swift
from tests.support.buckets import new_bucket
from tests.support.memory.object_store import MemoryObjectStore

TEXT = "text/plain; charset=utf-8"
KEY = ObjectKey("a-project/01890a5d-ac96-774b-bcce-b302099a8057.py")
ANY_SIZE = 1 << 30


@pytest.fixture(params=["memory", "filesystem", "moto", "swift"])
def store(request):
    return request.getfixturevalue(f"{request.param}_store")


@pytest.fixture
def memory_store():
    return MemoryObjectStore()


@pytest.fixture
def filesystem_store(tmp_path):
    return FilesystemObjectStore(tmp_path / "objects", "http://127.0.0.1:8000")


@pytest.fixture
def moto_store(moto_address):
    return S3ObjectStore(new_bucket(moto_address, moto_server), 600)


@pytest.fixture
def swift_store(swift_address):
    return S3ObjectStore(new_bucket(swift_address, swift), 600)


def test_what_was_stored_is_read_back(store):
    store.put(KEY, b"print(1)\n", TEXT)
    assert store.get(KEY, ANY_SIZE) == b"print(1)\n"


def test_a_copy_outlives_what_it_was_made_of(store):
    copy = ObjectKey("another-project/01890a5d-ac96-774b-bcce-b302099a8058.py")
    store.put(KEY, b"print(1)\n", TEXT)

    store.copy(KEY, copy, TEXT, ANY_SIZE)
    store.put(KEY, b"replaced", TEXT)
    assert store.get(copy, ANY_SIZE) == b"print(1)\n"
    store.delete(KEY)

    assert store.get(copy, ANY_SIZE) == b"print(1)\n"


def test_a_copy_takes_the_place_of_an_object(store):
    copy = ObjectKey("another-project/01890a5d-ac96-774b-bcce-b302099a8059.py")
    store.put(KEY, b"new", TEXT)
    store.put(copy, b"old", TEXT)

    store.copy(KEY, copy, TEXT, ANY_SIZE)

    assert store.get(copy, ANY_SIZE) == b"new"


def test_what_is_not_there_cannot_be_copied(store):
    with pytest.raises(NotFound):
        store.copy(ObjectKey("no/such.py"), KEY, TEXT, ANY_SIZE)


def test_objects_are_listed_by_their_age(store):
    keys = [ObjectKey(f"project-{n % 3}/{n}.py") for n in range(5)]
    for number, key in enumerate(keys):
        store.put(key, b"x" * number, TEXT)
    hour = timedelta(hours=1)

    found = list(store.stored_before(datetime.now(UTC) + hour))

    assert sorted((one.key.value, one.size) for one in found) == sorted(
        (key.value, number) for number, key in enumerate(keys)
    )
    assert list(store.stored_before(datetime.now(UTC) - hour)) == []


@pytest.mark.parametrize("number", [0, 1, 15, 20])  # fewer, and more than are stored at once
def test_many_objects_are_stored_and_removed_at_once(store, number):
    objects = {ObjectKey(f"project-{n % 3}/{n}.py"): b"%d" % n for n in range(number)}
    store.put_all(dict.fromkeys(objects, b"long before"), TEXT)
    store.put_all(objects, TEXT)
    assert {key: store.get(key, ANY_SIZE) for key in objects} == objects

    store.delete_all(objects)

    for key in objects:
        with pytest.raises(NotFound):
            store.get(key, ANY_SIZE)


@pytest.mark.parametrize("content", [b"", b"\0\xff\r\n", bytes(range(256)) * 300])
def test_every_byte_is_kept(store, content):
    store.put(KEY, content, "application/octet-stream")
    assert store.get(KEY, ANY_SIZE) == content


def test_a_stream_is_stored_from_where_it_stands_to_its_end(store):
    stream = io.BytesIO(b"skipped, kept")
    stream.seek(len(b"skipped, "))
    store.put(KEY, stream, TEXT)
    assert store.get(KEY, ANY_SIZE) == b"kept"


def test_a_stream_that_cannot_be_sought_and_gives_little_at_a_time_is_stored_whole(store):
    content = b"0123456789" * 1_000
    store.put(KEY, io.BufferedReader(Trickle(content)), TEXT)
    assert store.get(KEY, ANY_SIZE) == content


def test_a_large_stream_is_stored_whole(store):
    content = b"".join(hashlib.sha256(bytes([n])).digest() for n in range(256)) * 2_560
    store.put(KEY, io.BytesIO(content), "application/json")
    assert hashlib.sha256(store.get(KEY, ANY_SIZE)).digest() == hashlib.sha256(content).digest()


def test_an_object_is_replaced_by_one_of_the_same_key(store):
    store.put(KEY, b"long before", TEXT)
    store.put(KEY, b"after", TEXT)
    assert store.get(KEY, ANY_SIZE) == b"after"


def test_a_stream_that_breaks_off_leaves_the_object_as_it_was(store):
    # Given an object
    store.put(KEY, b"before", TEXT)
    # When its successor's stream fails after a part of it was read
    with pytest.raises(BrokenOff):
        store.put(KEY, Broken(b"x" * (24 << 20)), TEXT)
    # Then it is still the old one
    assert store.get(KEY, ANY_SIZE) == b"before"


def test_an_object_that_does_not_exist_is_not_found(store):
    with pytest.raises(NotFound, match="a-project"):
        store.get(KEY, ANY_SIZE)


def test_an_object_as_large_as_allowed_is_read_and_a_larger_one_is_refused(store):
    store.put(KEY, b"12345", TEXT)
    assert store.get(KEY, 5) == b"12345"
    with pytest.raises(Unprocessable, match="larger than 4 bytes"):
        store.get(KEY, 4)


def test_an_object_is_gone_once_deleted(store):
    store.put(KEY, b"1", TEXT)
    store.delete(KEY)
    with pytest.raises(NotFound):
        store.get(KEY, ANY_SIZE)


def test_deleting_what_does_not_exist_is_no_error(store):
    store.delete(KEY)
    store.delete(ObjectKey("no/such/path"))


@pytest.mark.parametrize(
    "key",
    [
        "logs/01890a5d-ac96-774b-bcce-b302099a8057.json",
        "한국어 프로젝트/가나다.py",
        "日本語/コード.js",
        "spaces and + & % ? # = ~/%2e%2e/~x.py",
        "-rf/--help.py",
        "'; drop table jobs; --/$(id).py",
        "가" * 255 + "/01890a5d-ac96-774b-bcce-b302099a8057.py",
        "..../...a",
        "é/e\u0301",
        "x" * 1_024,
    ],
)
def test_every_valid_key_names_an_object(store, key):
    store.put(ObjectKey(key), key.encode(), TEXT)
    assert store.get(ObjectKey(key), ANY_SIZE) == key.encode()
    store.delete(ObjectKey(key))
    with pytest.raises(NotFound):
        store.get(ObjectKey(key), ANY_SIZE)


def test_keys_that_look_alike_name_different_objects(store):
    long = "가" * 255
    shortened = f"~{hashlib.sha256(long.encode()).hexdigest()}-{'가' * 40}"
    keys = ["a/é", "a/e\u0301", "A/é", "a/~", "a/~incoming", "~incoming/x", "%61/é", "a /é"]
    keys += [f"{long}/x", f"{long[:-1]}나/x", f"{shortened}/x"]
    for key in keys:
        store.put(ObjectKey(key), key.encode(), TEXT)
    assert [store.get(ObjectKey(key), ANY_SIZE).decode() for key in keys] == keys


def test_readers_see_one_whole_object_while_writers_replace_it(store):
    # Given an object that four writers replace, each with its own letter
    store.put(KEY, b"a" * 100_000, TEXT)

    def replace(letter):
        for _ in range(10):
            store.put(KEY, letter * 100_000, TEXT)

    writers = [threading.Thread(target=replace, args=(letter,)) for letter in (b"b", b"c", b"d", b"e")]
    for writer in writers:
        writer.start()
    # When it is read meanwhile
    seen = [store.get(KEY, ANY_SIZE) for _ in range(50)]
    for writer in writers:
        writer.join()
    # Then every reading is of one letter and complete
    assert {(len(content), len(set(content))) for content in seen} == {(100_000, 1)}


def test_an_object_has_an_address_before_it_exists(store):
    assert store.url(KEY)
    assert store.url(KEY) != store.url(ObjectKey("another"))


def test_a_store_that_answers_passes_its_check(store):
    store.check()


class Trickle(io.RawIOBase):
    """A stream, such as a pipe, that cannot be sought and gives a few bytes at a time."""

    def __init__(self, content):
        self._rest = content

    def readable(self):
        return True

    def readinto(self, buffer):
        given, self._rest = self._rest[:7], self._rest[7:]
        buffer[: len(given)] = given
        return len(given)


class BrokenOff(Exception):
    """The rest of a stream cannot be read."""


class Broken(io.BytesIO):
    """A stream whose first eight MiB can be read, and no more."""

    def read(self, size=-1):
        if size < 0 or self.tell() >= 8 << 20:
            raise BrokenOff
        return super().read(size)
