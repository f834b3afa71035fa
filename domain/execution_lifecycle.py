"""The life of an execution, as a table.

         DELAYED ────────────end, complete──────────> ENDED
            │  ^────postpone─────┐
            │ release            │
            v                    │
            ┌───────claim────────┐ ↺ progress, renew
            │                    v
         WAITING <───defer─── CLAIMED ──delegate──> DELEGATED
            │                    │  │                 │  │
            │                    │  └─await storage─┬─┘  │
            │                    │                  v    │
            │                    │               SPOOLED │  ↺ await storage
            │                    │                  │    │
     give up, end,               └──────────────┬───┴────┘
       complete                         expire, end, complete
            └──────────────────> ENDED <────────┘
                               ↺ complete

A claimed, delegated or spooled execution has a holder and a lease.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum


class ExecutionState(StrEnum):
    """The state of an execution in the queue.

    DELAYED until its backoff is over. CLAIMED by a worker; DELEGATED to an engine that reports the end
    itself; SPOOLED when its program has ended and its result is kept until the log store accepts the log.
    """

    DELAYED = "DELAYED"
    WAITING = "WAITING"
    CLAIMED = "CLAIMED"
    DELEGATED = "DELEGATED"
    SPOOLED = "SPOOLED"
    ENDED = "ENDED"


class ExecutionTrigger(StrEnum):
    """Causes of a transition.

    PROGRESS is a build, a start or a note. POSTPONE is a deferral with a delay. COMPLETE is an end with a
    result, END one without a result.
    """

    RELEASE = "release"
    CLAIM = "claim"
    PROGRESS = "progress"
    RENEW = "renew"
    DEFER = "defer"
    POSTPONE = "postpone"
    DELEGATE = "delegate"
    AWAIT_STORAGE = "await storage"
    GIVE_UP = "give up"
    EXPIRE = "expire"
    END = "end"
    COMPLETE = "complete"


_S, _T = ExecutionState, ExecutionTrigger

# A trigger without a row changes nothing.
TRANSITIONS: Mapping[tuple[ExecutionState, ExecutionTrigger], ExecutionState] = {
    (_S.DELAYED, _T.RELEASE): _S.WAITING,
    (_S.DELAYED, _T.END): _S.ENDED,
    (_S.DELAYED, _T.COMPLETE): _S.ENDED,
    (_S.WAITING, _T.CLAIM): _S.CLAIMED,
    (_S.WAITING, _T.GIVE_UP): _S.ENDED,
    (_S.WAITING, _T.END): _S.ENDED,
    (_S.WAITING, _T.COMPLETE): _S.ENDED,
    (_S.CLAIMED, _T.PROGRESS): _S.CLAIMED,
    (_S.CLAIMED, _T.RENEW): _S.CLAIMED,
    (_S.CLAIMED, _T.DEFER): _S.WAITING,
    (_S.CLAIMED, _T.POSTPONE): _S.DELAYED,
    (_S.CLAIMED, _T.DELEGATE): _S.DELEGATED,
    (_S.CLAIMED, _T.AWAIT_STORAGE): _S.SPOOLED,
    (_S.CLAIMED, _T.EXPIRE): _S.ENDED,
    (_S.CLAIMED, _T.END): _S.ENDED,
    (_S.CLAIMED, _T.COMPLETE): _S.ENDED,
    (_S.DELEGATED, _T.AWAIT_STORAGE): _S.SPOOLED,
    (_S.DELEGATED, _T.EXPIRE): _S.ENDED,
    (_S.DELEGATED, _T.END): _S.ENDED,
    (_S.DELEGATED, _T.COMPLETE): _S.ENDED,
    (_S.SPOOLED, _T.AWAIT_STORAGE): _S.SPOOLED,  # a longer lease, or another process that has a result
    (_S.SPOOLED, _T.EXPIRE): _S.ENDED,
    (_S.SPOOLED, _T.END): _S.ENDED,
    (_S.SPOOLED, _T.COMPLETE): _S.ENDED,
    (_S.ENDED, _T.COMPLETE): _S.ENDED,  # the result of an execution that was cancelled or lost
}

# The states with a holder and a lease.
LEASED = frozenset({ExecutionState.CLAIMED, ExecutionState.DELEGATED, ExecutionState.SPOOLED})

# The prefixes of holders' names that are not workers.
DELEGATE_PREFIX = "engine:"
SPOOL_PREFIX = "log-spool:"
HOLDER_PREFIXES = {ExecutionState.DELEGATED: DELEGATE_PREFIX, ExecutionState.SPOOLED: SPOOL_PREFIX}


def sources(trigger: ExecutionTrigger) -> frozenset[ExecutionState]:
    """Return the states in which a trigger has an effect."""
    return frozenset(state for state, cause in TRANSITIONS if cause is trigger)


def target(trigger: ExecutionTrigger) -> ExecutionState:
    """Return the state that a trigger leads to."""
    (state,) = {to for (_, cause), to in TRANSITIONS.items() if cause is trigger}
    return state


def held_state(holder: str) -> ExecutionState:
    """Return the state of an execution with this holder, while it has not ended."""
    for state, prefix in HOLDER_PREFIXES.items():
        if holder.startswith(prefix):
            return state
    return ExecutionState.CLAIMED


def state_of(
    holder: str | None, ended_at: datetime | None, delayed_until: datetime | None = None
) -> ExecutionState:
    """Return the state of an execution, given its holder, its end, and the end of its current delay."""
    if ended_at is not None:
        return ExecutionState.ENDED
    if holder is not None:
        return held_state(holder)
    return ExecutionState.WAITING if delayed_until is None else ExecutionState.DELAYED
