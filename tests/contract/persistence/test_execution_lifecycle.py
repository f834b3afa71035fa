"""Each adapter applies the transitions of the lifecycle's table to an execution, and no others."""

import pytest

from domain.execution import ExecutionResult, Note
from domain.execution_lifecycle import TRANSITIONS, ExecutionState, ExecutionTrigger
from domain.job_lifecycle import JobStatus
from tests.support.repository_steps import get
from tests.support.samples import LATER, a_running_job

SUCCESS = ExecutionResult(status=JobStatus.SUCCESS, exit_code=0)
# Over from the beginning, so that any lease may expire.
LEASE_S = -30.0

# The way of a waiting execution into each state.
WAYS = {
    ExecutionState.DELAYED: (),
    ExecutionState.WAITING: (),
    ExecutionState.CLAIMED: (ExecutionTrigger.CLAIM,),
    ExecutionState.DELEGATED: (ExecutionTrigger.CLAIM, ExecutionTrigger.DELEGATE),
    ExecutionState.SPOOLED: (ExecutionTrigger.CLAIM, ExecutionTrigger.AWAIT_STORAGE),
    ExecutionState.ENDED: (ExecutionTrigger.CLAIM, ExecutionTrigger.END),
}

# Each with the execution as it is stored, by its holder.
STEPS = {
    ExecutionTrigger.RELEASE: lambda executions, _one, _holder: executions.release(100),
    ExecutionTrigger.CLAIM: lambda executions, one, holder: executions.claim(one.id, holder, LEASE_S),
    ExecutionTrigger.PROGRESS: lambda executions, one, holder: (
        executions.mark_building(one.id, holder),
        executions.set_notes(one.id, holder, [Note.NO_NETWORK]),
        executions.mark_started(one.id, holder),
    ),
    ExecutionTrigger.RENEW: lambda executions, one, holder: executions.renew(holder, [one.id], LEASE_S - 1),
    ExecutionTrigger.DEFER: lambda executions, one, holder: executions.defer(one, holder, 3_600),
    ExecutionTrigger.DELEGATE: lambda executions, one, holder: executions.delegate(
        one.id, holder, "engine:http", LEASE_S
    ),
    ExecutionTrigger.AWAIT_STORAGE: lambda executions, one, _holder: executions.await_storage(
        one.id, "log-spool:another", LEASE_S
    ),
    ExecutionTrigger.POSTPONE: lambda executions, one, holder: executions.defer(
        one, holder, 3_600, delay_s=LEASE_S
    ),
    ExecutionTrigger.GIVE_UP: lambda executions, one, _holder: executions.give_up(one.id, LATER),
    ExecutionTrigger.EXPIRE: lambda executions, one, _holder: executions.expire_lease(one.id, LATER),
    ExecutionTrigger.END: lambda executions, one, _holder: executions.end(one.id, None, LATER),
    ExecutionTrigger.COMPLETE: lambda executions, one, _holder: executions.end(one.id, SUCCESS, LATER),
}
# Their effect may be on the lease alone.
RETURNED = {ExecutionTrigger.RENEW, ExecutionTrigger.AWAIT_STORAGE}


def take(store, execution_id, trigger):
    """Take a step, and return whether it had an effect, and the execution before and after."""

    def work(transaction):
        before = transaction.executions.get(execution_id)
        returned = STEPS[trigger](transaction.executions, before, before.claimed_by or "host:1:ab")
        after = transaction.executions.get(execution_id)
        return bool(returned) if trigger in RETURNED else after != before, after

    return store.run(work)


@pytest.mark.parametrize("state", ExecutionState)
def test_a_trigger_does_to_a_state_what_the_table_says(store, state):
    for trigger in ExecutionTrigger:
        delay_s = LEASE_S if state is ExecutionState.DELAYED else 0.0
        _job, execution = a_running_job(store, delay_s=delay_s)
        for step in WAYS[state]:
            take(store, execution.id, step)
        assert get(store, execution.id).state is state

        had_effect, after = take(store, execution.id, trigger)

        follows = TRANSITIONS.get((state, trigger))
        expected = (False, state) if follows is None else (True, follows)
        assert (had_effect, after.state) == expected, trigger
