"""Figures that operators watch."""

from datetime import timedelta
from uuid import uuid4

from application.messages import Message
from application.ports.operation_queries import Backlog, TenantClass
from application.ports.purge_repository import StoreName
from domain.delivery import DeliveryStatus
from domain.quota import Quota
from domain.tenant import TenantName, TenantTrigger
from domain.values import MessageId, ObjectKey
from tests.support.callers import a_caller
from tests.support.repository_steps import claim, defer
from tests.support.samples import NOW, a_delivery, a_running_job

SECOND = timedelta(seconds=1)


def test_an_empty_service_has_nothing_that_waits(store):
    assert store.operations.queue() == dict.fromkeys(TenantClass, Backlog(0, None))
    assert store.operations.outbox() == Backlog(0, None)
    assert store.operations.dead_deliveries() == 0
    assert store.operations.pending_deletions() == 0


def test_executions_that_wait_are_counted_by_the_cause_of_their_wait(store):
    def suspend(transaction):
        before = transaction.tenants.get(TenantName("idle"))
        transaction.tenants.replace(before, before.apply(TenantTrigger.SUSPEND))

    for name, quota in (("busy", Quota(running=1)), ("free", Quota(running=2)), ("idle", Quota())):
        tenant = a_caller(name, quota=quota).tenant
        store.run(lambda transaction, tenant=tenant: transaction.tenants.add(tenant))
    for name in ("busy", "free"):
        a_running_job(store, caller=a_caller(name))
    assert claim(store) is not None
    assert claim(store) is not None
    for number, name in enumerate(("free", "busy", "idle", "busy", "free", "free")):
        a_running_job(store, caller=a_caller(name), now=NOW + number * SECOND, priority=number)
    store.run(suspend)

    assert store.operations.queue() == {
        TenantClass.READY: Backlog(3, NOW),
        TenantClass.AT_QUOTA: Backlog(2, NOW + SECOND),
        TenantClass.SUSPENDED: Backlog(1, NOW + 2 * SECOND),
    }


def test_executions_that_their_engine_refused_are_counted_until_they_are_sent_again(store):
    a_running_job(store)
    assert store.operations.postponed() == Backlog(0, None)

    assert defer(store, claim(store), delay_s=60.0)

    assert store.operations.postponed() == Backlog(1, NOW)
    assert store.operations.queue()[TenantClass.READY] == Backlog(0, None)
    store.pass_time(61)
    store.run(lambda transaction: transaction.executions.release(9))
    assert store.operations.postponed() == Backlog(0, None)
    assert store.operations.queue()[TenantClass.READY] == Backlog(1, NOW)


def test_the_oldest_message_gives_the_outbox_its_age(store):
    for _ in range(3):
        message = Message(id=MessageId(uuid4()), name="JobCompleted", body={})
        store.run(lambda transaction, message=message: transaction.outbox.add([message]))
    before = store.operations.outbox()

    store.pass_time(60)

    after = store.operations.outbox()
    assert (before.number, after.number) == (3, 3)
    # In memory it is the clock that moves, and in a database the times do.
    assert after.oldest_since in {before.oldest_since, before.oldest_since - timedelta(seconds=60)}


def test_dead_letters_and_deletions_are_counted(store):
    key = ObjectKey("demo/program.py")
    dead = a_delivery(status=DeliveryStatus.FAILED)
    store.run(lambda transaction: transaction.deliveries.add([dead, a_delivery()]))
    store.run(lambda transaction: transaction.purges.delete_object(StoreName.CODE, key))

    assert store.operations.dead_deliveries() == 1
    assert store.operations.pending_deletions() == 1


def test_the_age_is_that_of_the_oldest():
    assert Backlog(1, NOW).age_s(NOW + 3 * SECOND) == 3
    assert Backlog(1, NOW).age_s(NOW - SECOND) == 0
    assert Backlog(0, None).age_s(NOW) == 0
