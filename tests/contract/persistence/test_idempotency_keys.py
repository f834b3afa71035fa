import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from domain.idempotency import IdempotentRequest, KeyRecord, StoredAnswer
from domain.tenant import TenantName
from tests.support.samples import LATER, NOW

ACME, OTHER = TenantName("acme"), TenantName("other")
ANSWER = StoredAnswer(
    status=201, headers=(("content-type", "application/json"),), body=b'{"a": "\xc3\xa9"}\0'
)


def a_record(key="k", number=1, made="thing", received_at=NOW):
    request = IdempotentRequest(
        id=UUID(int=number),
        key=key.ljust(64, "0"),
        fingerprint="f" * 64,
        received_at=received_at,
        answer_due=received_at + timedelta(seconds=5),
    )
    return KeyRecord(request=request, made=made)


def add(unit_of_work, record, tenant=ACME):
    return unit_of_work.run(lambda transaction: transaction.idempotency_keys.add(tenant, record))


def get(store, record, tenant=ACME):
    return store.unit_of_work.read(lambda t: t.idempotency_keys.get(tenant, record.request.key))


def set_answer(store, record, answer=ANSWER, tenant=ACME):
    return store.run(lambda transaction: transaction.idempotency_keys.set_answer(tenant, record, answer))


def test_a_key_is_recorded_once_and_read_as_it_was_recorded(store):
    record = a_record(made="Grüße 프로젝트 ")
    assert get(store, record) is None
    assert add(store.unit_of_work, record)
    assert not add(store.unit_of_work, a_record(number=2, made="another"))
    assert get(store, record) == record


def test_each_tenant_has_its_own_keys(store):
    assert add(store.unit_of_work, a_record(), ACME)
    assert add(store.unit_of_work, a_record(number=2), OTHER)
    assert get(store, a_record(), OTHER).request.id == UUID(int=2)
    assert set_answer(store, a_record(), tenant=ACME)
    assert get(store, a_record(), OTHER).answer is None


def test_a_transaction_that_meets_a_recorded_key_reads_it_and_goes_on(store):
    add(store.unit_of_work, a_record(made="first"))

    def work(transaction):
        keys = transaction.idempotency_keys
        assert not keys.add(ACME, a_record(number=2))
        return keys.get(ACME, a_record().request.key), keys.add(ACME, a_record("other"))

    assert store.run(work) == (a_record(made="first"), True)


def test_a_key_whose_transaction_fails_is_not_recorded(store):
    def work(transaction):
        transaction.idempotency_keys.add(ACME, a_record())
        raise LookupError

    with pytest.raises(LookupError):
        store.run(work)
    assert add(store.unit_of_work, a_record(number=2))


def test_of_many_at_once_one_records_the_key(store):
    units_of_work = [store.unit_of_work, store.another()]
    barrier = threading.Barrier(8)

    def request(number):
        barrier.wait()
        return add(units_of_work[number % 2], a_record(number=number))

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(request, range(8))) == 1


def test_only_the_request_that_made_the_record_answers_it(store):
    add(store.unit_of_work, a_record(number=1))
    assert not set_answer(store, a_record(number=2))
    assert get(store, a_record()).answer is None
    assert set_answer(store, a_record(number=1))
    assert get(store, a_record()) == replace(a_record(), answer=ANSWER)


def test_an_answer_that_is_stored_stays(store):
    add(store.unit_of_work, a_record())
    assert set_answer(store, a_record())
    assert not set_answer(store, a_record(), replace(ANSWER, body=b"later"))
    assert get(store, a_record()).answer == ANSWER


def test_an_answer_may_be_as_long_as_any(store):
    add(store.unit_of_work, a_record())
    long = replace(ANSWER, body=bytes(range(256)) * 1_000)
    assert set_answer(store, a_record(), long)
    assert get(store, a_record()).answer == long


def test_a_record_is_removed_as_it_was_read(store):
    add(store.unit_of_work, a_record(number=1))

    def remove(record):
        return store.run(lambda transaction: transaction.idempotency_keys.remove(ACME, record))

    assert not remove(a_record(number=2))
    assert [remove(a_record(number=1)) for _ in range(2)] == [True, False]
    assert add(store.unit_of_work, a_record(number=3))


def test_old_records_are_forgotten_a_few_at_a_time(store):
    for number in range(5):
        add(store.unit_of_work, a_record(str(number), received_at=NOW - timedelta(days=number)))

    def forget(before, limit=2):
        return store.run(lambda transaction: transaction.idempotency_keys.forget(before, limit))

    assert [forget(NOW - timedelta(days=1)) for _ in range(3)] == [2, 1, 0]
    assert get(store, a_record("1")) is not None
    assert forget(LATER, limit=100) == 2
