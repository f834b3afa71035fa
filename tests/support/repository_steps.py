"""Single steps in the life of an execution, each in its own transaction."""

from tests.support.samples import LATER


def get(store, execution_id):
    """Return the stored execution."""
    return store.run(lambda transaction: transaction.executions.get(execution_id))


def claim(store, worker="worker", lease_s=30.0, **options):
    """Claim the next waiting execution."""
    claimed = store.run(lambda transaction: transaction.executions.claim_next(worker, lease_s, **options))
    return next(iter(claimed), None)


def defer(store, claimed, worker="worker", within_s=3_600.0, queue=None, delay_s=0.0):
    """Defer a claimed execution that its engine could not start."""
    return store.run(
        lambda transaction: transaction.executions.defer(claimed, worker, within_s, queue, delay_s)
    )


def mark_deferred(store, *queues, limit=10):
    """Record that the engine of these queues is unavailable."""
    return store.run(lambda transaction: transaction.executions.mark_deferred(queues, limit))


def deferred(store, *queues, longer_than_s=0.0, limit=10):
    """Return the ids of the executions that wait for an unavailable engine."""
    return list(store.run(lambda transaction: transaction.executions.deferred(queues, longer_than_s, limit)))


def give_up(store, execution, now=LATER):
    """End the execution if it is waiting."""
    return store.run(lambda transaction: transaction.executions.give_up(execution.id, now))


def mark_started(store, execution, worker="worker"):
    """Report that the program has started."""
    return store.run(lambda transaction: transaction.executions.mark_started(execution.id, worker))


def mark_building(store, execution, worker="worker"):
    """Report that the compiler has started."""
    store.run(lambda transaction: transaction.executions.mark_building(execution.id, worker))


def set_notes(store, execution, notes, worker="worker"):
    """Record notes before the end."""
    store.run(lambda transaction: transaction.executions.set_notes(execution.id, worker, notes))


def unmark_started(store, execution, worker="worker"):
    """Report that the program did not start after all."""
    store.run(lambda transaction: transaction.executions.unmark_started(execution.id, worker))


def renew(store, *executions, worker="worker", lease_s=30.0):
    """Renew leases; return the ids of the executions that the worker still holds."""
    ids = [execution.id for execution in executions]
    return store.run(lambda transaction: transaction.executions.renew(worker, ids, lease_s))


def delegate(store, execution, worker="worker", lease_s=30.0):
    """Delegate the execution to an engine."""
    return store.run(
        lambda transaction: transaction.executions.delegate(execution.id, worker, "engine:x", lease_s)
    )


def await_storage(store, execution, holder="log-spool:worker", lease_s=600.0):
    """Spool the execution's result until its log is stored."""
    return store.run(lambda transaction: transaction.executions.await_storage(execution.id, holder, lease_s))


def awaiting_storage(store):
    """Count the executions with spooled results."""
    return store.run(lambda transaction: transaction.executions.awaiting_storage())


def end_execution(store, execution, result, now=LATER):
    """Record the end of the execution."""
    store.run(lambda transaction: transaction.executions.end(execution.id, result, now))


def expire_lease(store, execution, now=LATER):
    """End the execution if its lease has expired."""
    return store.run(lambda transaction: transaction.executions.expire_lease(execution.id, now))


def orphaned(store, limit=10):
    """Return the ids of the executions with expired leases."""
    return [
        execution.id for execution in store.run(lambda transaction: transaction.executions.orphaned(limit))
    ]


def waiting(store, longer_than_s=0.0, limit=10, queues=None):
    """Return the ids of the waiting executions."""
    return list(store.run(lambda transaction: transaction.executions.waiting(longer_than_s, limit, queues)))
