import threading
from dataclasses import replace
from uuid import uuid4

import pytest

from application.errors import StorageUnavailable
from application.ports.purge_repository import StoreName, UnusedBlobs
from domain.blob import BlobRef
from domain.tenant import DEFAULT_TENANT, TenantName
from tests.contract.persistence.test_purges import (
    deletions,
    finish,
    forget,
    objects,
    purge,
    remove,
    take,
)
from tests.support.samples import NOW, a_job

IDLE_S = 3_600
A, B, C = (BlobRef.of(content) for content in (b"a", b"bb", b"ccc"))
OTHER_TENANT = TenantName("other")


def announce(store, *blobs, tenant=DEFAULT_TENANT):
    return store.run(lambda transaction: transaction.blobs.announce(tenant, blobs))


def refer(store, *blobs, owner=None, tenant=DEFAULT_TENANT):
    return store.run(lambda transaction: transaction.blobs.refer(tenant, owner or uuid4(), blobs))


def have(store, *blobs, owner=None, tenant=DEFAULT_TENANT):
    announce(store, *blobs, tenant=tenant)
    return refer(store, *blobs, owner=owner, tenant=tenant)


def release(store, *owners):
    store.run(lambda transaction: transaction.blobs.release(owners))


def remove_unused(store, idle_s=IDLE_S, limit=100):
    return store.run(lambda transaction: transaction.purges.remove_unused_blobs(idle_s, limit))


def keys(*blobs, tenant=DEFAULT_TENANT):
    return {(StoreName.CODE, blob.key(tenant).value) for blob in blobs}


def nothing_freed():
    return UnusedBlobs(is_all=True, freed_bytes={})


def test_a_new_blob_is_missing_until_something_refers_to_it(store):
    assert announce(store, A, B).missing == {A, B}
    assert announce(store, A, B, C).missing == {A, B, C}

    assert refer(store, A, B) == 3

    announcement = announce(store, A, B, C)
    assert (announcement.missing, announcement.in_removal) == ({C}, frozenset())


def test_a_withdrawn_blob_is_removed_at_once_unless_something_has_it_or_announces_it(store):
    have(store, A)
    announce(store, A, B, C)
    announce(store, B, tenant=OTHER_TENANT)

    store.run(lambda transaction: transaction.blobs.withdraw(DEFAULT_TENANT, (A, B, C)))
    announce(store, C)

    remove_unused(store)
    assert objects(deletions(store)) == keys(B)
    assert refer(store, A, C) == C.size
    assert refer(store, B, tenant=OTHER_TENANT) == B.size


def test_the_bytes_of_a_blob_count_once_for_a_tenant(store):
    assert have(store, A, B) == 3
    assert have(store, B, C) == 3
    assert have(store, A, B, C) == 0
    assert have(store, A, tenant=OTHER_TENANT) == 1


def test_more_blobs_than_a_statement_takes_are_announced_referred_to_and_released(store):
    many = [BlobRef.of(str(number).encode()) for number in range(1_201)]
    owner = uuid4()

    assert announce(store, *many).missing == set(many)
    assert refer(store, *many, owner=owner) == sum(blob.size for blob in many)
    assert announce(store, *many).missing == set()

    release(store, owner)
    store.pass_time(IDLE_S + 1)
    assert [remove_unused(store, limit=800).is_all for _ in range(2)] == [False, True]


def test_a_blob_that_was_not_announced_cannot_be_referred_to(store):
    announce(store, A)

    with pytest.raises(StorageUnavailable, match="was removed before its job was stored"):
        refer(store, A, B)

    assert announce(store, A).missing == {A}


def test_a_blob_is_removed_some_time_after_its_last_reference(store):
    one, other = uuid4(), uuid4()
    have(store, A, owner=one)
    have(store, A, B, owner=other)
    store.pass_time(IDLE_S + 1)
    assert remove_unused(store) == nothing_freed()

    release(store, one)
    store.pass_time(IDLE_S + 1)
    assert remove_unused(store) == nothing_freed()

    release(store, other)
    assert remove_unused(store) == nothing_freed()
    store.pass_time(IDLE_S + 1)
    assert remove_unused(store) == UnusedBlobs(is_all=True, freed_bytes={DEFAULT_TENANT: 3})
    assert objects(deletions(store)) == keys(A, B)
    assert remove_unused(store) == nothing_freed()


def test_a_blob_of_another_tenant_stays(store):
    owner = uuid4()
    have(store, A, owner=owner)
    have(store, A, tenant=OTHER_TENANT)
    release(store, owner)
    store.pass_time(IDLE_S + 1)

    assert remove_unused(store).freed_bytes == {DEFAULT_TENANT: 1}
    assert objects(deletions(store)) == keys(A)
    assert announce(store, A, tenant=OTHER_TENANT).missing == set()


def test_what_an_upload_announced_and_never_referred_to_is_removed_and_was_never_counted(store):
    announce(store, A)
    store.pass_time(IDLE_S + 1)

    assert remove_unused(store) == UnusedBlobs(is_all=True, freed_bytes={DEFAULT_TENANT: 0})
    assert objects(deletions(store)) == keys(A)


def test_an_announcement_keeps_a_blob_that_is_about_to_be_removed(store):
    owner = uuid4()
    have(store, A, owner=owner)
    release(store, owner)
    store.pass_time(IDLE_S + 1)

    assert announce(store, A).missing == set()

    assert remove_unused(store) == nothing_freed()
    assert refer(store, A) == 0


def test_an_announcement_keeps_an_object_that_no_process_deletes_yet(store):
    announce(store, A)
    store.pass_time(IDLE_S + 1)
    remove_unused(store)

    assert announce(store, A).missing == {A}

    assert deletions(store) == []
    assert refer(store, A) == 1


def test_an_object_that_a_process_deletes_is_to_be_announced_again(store):
    announce(store, A)
    store.pass_time(IDLE_S + 1)
    remove_unused(store)
    taken = deletions(store)

    assert announce(store, A, B).in_removal == {A}
    assert announce(store, A).in_removal == {A}

    forget(store, taken)
    assert announce(store, A).missing == {A}
    assert refer(store, A, B) == 3


def test_the_blobs_of_a_removed_job_lose_its_reference(store):
    job, kept = a_job(store), a_job(store)
    have(store, A, B, owner=job.id)
    have(store, B, owner=kept.id)

    removed = store.run(lambda transaction: transaction.purges.remove_job(job))

    assert removed.freed_bytes == 0
    store.pass_time(IDLE_S + 1)
    assert remove_unused(store).freed_bytes == {DEFAULT_TENANT: 1}


def test_a_purged_tenant_loses_all_its_blobs_at_once(store):
    job = a_job(store)
    have(store, A, B, owner=job.id)
    announce(store, C)
    have(store, A, tenant=OTHER_TENANT)
    noted = replace(purge(store), project_id=None, id=uuid4(), requested_at=NOW)
    store.run(lambda transaction: transaction.purges.add(noted))
    while (taken := take(store)) is not None:
        remove(store, taken)

    later = NOW.replace(year=NOW.year + 1)
    done = []
    for _ in range(10):
        if (finished := finish(store, later)) is not None:
            done.append(finished)
        forget(store, [each for each in deletions(store) if each.key != A.key(OTHER_TENANT)])

    assert next(each for each in done if each.project_id is None).freed_bytes == 3
    assert announce(store, A, B, C).missing == {A, B, C}
    assert announce(store, A, tenant=OTHER_TENANT).missing == set()


def test_uploads_of_the_same_blobs_at_once_count_them_once(store):
    blobs = [BlobRef.of(str(number).encode()) for number in range(30)]
    units = [store.another() for _ in range(4)]
    added = []

    def upload(unit, offset):
        mine = blobs[offset:] + blobs[:offset]
        unit.run(lambda transaction: transaction.blobs.announce(DEFAULT_TENANT, mine))
        added.append(unit.run(lambda transaction: transaction.blobs.refer(DEFAULT_TENANT, uuid4(), mine)))

    threads = [threading.Thread(target=upload, args=(unit, 7 * number)) for number, unit in enumerate(units)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(added) == sum(blob.size for blob in blobs)
    assert len(added) == 4
