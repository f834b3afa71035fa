import io
from threading import Thread
from uuid import uuid4

import pytest

from application.blobs import Blobs
from application.errors import StorageUnavailable
from application.retry_policy import RetryPolicy
from domain.audit import Act
from domain.blob import BlobRef
from domain.tenant import DEFAULT_TENANT
from tests.support.in_memory_service import FILES_KEPT_HOURS

CONTENTS = {BlobRef.of(content): content for content in (b"", b"one", b"two")}
ONE = BlobRef.of(b"one")


def refer(service, *blobs):
    owner = uuid4()
    service.unit_of_work.run(lambda transaction: transaction.blobs.refer(DEFAULT_TENANT, owner, blobs))
    return owner


def release(service, owner):
    service.unit_of_work.run(lambda transaction: transaction.blobs.release([owner]))


def later(service):
    service.clock.advance(FILES_KEPT_HOURS * 3_600 + 1)


def test_blobs_are_stored_by_their_content_and_read_again(service):
    service.blobs.put(DEFAULT_TENANT, CONTENTS)

    assert [service.blobs.read(DEFAULT_TENANT, blob) for blob in CONTENTS] == list(CONTENTS.values())
    assert set(service.code_store.objects) == {blob.key(DEFAULT_TENANT).value for blob in CONTENTS}


def test_blobs_are_stored_although_no_thread_can_be_started(service, monkeypatch, caplog):
    def refuse(_thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Thread, "start", refuse)
    service.blobs.put(DEFAULT_TENANT, CONTENTS)

    assert [service.blobs.read(DEFAULT_TENANT, blob) for blob in CONTENTS] == list(CONTENTS.values())
    assert "files are stored one by one: can't start new thread" in caplog.text


def test_a_file_is_stored_as_a_stream(service):
    service.blobs.put(DEFAULT_TENANT, {ONE: lambda: io.BytesIO(b"one")})

    assert service.blobs.read(DEFAULT_TENANT, ONE) == b"one"


def test_a_blob_that_something_has_is_not_stored_again(service):
    service.blobs.put(DEFAULT_TENANT, CONTENTS)
    refer(service, *CONTENTS)

    def must_not_be_read():
        raise AssertionError

    service.blobs.put(DEFAULT_TENANT, dict.fromkeys(CONTENTS, must_not_be_read))


def test_a_blob_whose_upload_died_before_it_was_stored_is_stored_by_the_next(service):
    service.blobs.announce(DEFAULT_TENANT, frozenset(CONTENTS))

    service.blobs.put(DEFAULT_TENANT, CONTENTS)
    refer(service, *CONTENTS)

    assert service.blobs.read(DEFAULT_TENANT, ONE) == b"one"


@pytest.mark.parametrize("content", [b"o", b"two"])
def test_a_blob_whose_object_has_other_bytes_is_not_read(service, content):
    service.blobs.put(DEFAULT_TENANT, CONTENTS)
    service.code_store.objects[ONE.key(DEFAULT_TENANT).value] = content

    with pytest.raises(StorageUnavailable, match="has other bytes than were stored"):
        service.blobs.read(DEFAULT_TENANT, ONE)


def test_unused_blobs_go_with_their_objects_and_their_bytes_are_the_tenants_again(service):
    service.blobs.put(DEFAULT_TENANT, CONTENTS)
    release(service, refer(service, *CONTENTS))

    assert service.remove_unused_blobs() == 0
    later(service)
    assert service.remove_unused_blobs() == 6

    entries = service.unit_of_work.read(lambda transaction: transaction.audit.waiting(10))
    assert [(entry.act, entry.principal, entry.usage.stored_bytes) for entry in entries] == [
        (Act.FILES_REMOVE, "service", -6)
    ]
    service.remove_deleted()
    assert service.code_store.objects == {}


def test_a_blob_that_is_being_deleted_is_stored_once_it_is_gone(service):
    service.blobs.put(DEFAULT_TENANT, CONTENTS)
    later(service)
    service.remove_unused_blobs()
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        if len(slept) == 2:
            service.clock.advance(60)
            service.remove_deleted()

    taken = service.unit_of_work.run(lambda transaction: transaction.purges.take_deletions(15, 10))
    assert len(taken) == 3
    blobs = Blobs(service.unit_of_work, service.code_store, RetryPolicy((0.1, 0.2, 0.3), sleep=sleep))

    blobs.put(DEFAULT_TENANT, CONTENTS)

    assert slept == [0.1, 0.2]
    refer(service, *CONTENTS)
    assert blobs.read(DEFAULT_TENANT, ONE) == b"one"


def test_an_upload_does_not_wait_for_a_deletion_for_ever(service):
    service.blobs.put(DEFAULT_TENANT, CONTENTS)
    later(service)
    service.remove_unused_blobs()
    service.unit_of_work.run(lambda transaction: transaction.purges.take_deletions(15, 10))
    blobs = Blobs(service.unit_of_work, service.code_store, RetryPolicy((0.1,), sleep=lambda _seconds: None))

    with pytest.raises(StorageUnavailable, match="an earlier copy of an uploaded file is being deleted"):
        blobs.put(DEFAULT_TENANT, CONTENTS)


def test_a_process_that_was_held_up_deletes_nothing_that_may_be_stored_anew(service, monkeypatch):
    service.blobs.put(DEFAULT_TENANT, CONTENTS)
    later(service)
    service.remove_unused_blobs()
    run = service.unit_of_work.run

    def run_slowly(work):
        result = run(work)
        service.clock.advance(8)
        return result

    with monkeypatch.context() as patch:
        patch.setattr(service.unit_of_work, "run", run_slowly)
        service.remove_deleted()

    assert len(service.code_store.objects) == 3
    service.clock.advance(15)
    service.remove_deleted()
    assert service.code_store.objects == {}
