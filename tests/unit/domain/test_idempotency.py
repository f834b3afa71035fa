from datetime import UTC, datetime, timedelta
from itertools import product
from uuid import UUID

import pytest

from domain.idempotency import IdempotentRequest, KeyRecord, KeyState, StoredAnswer

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEPT = timedelta(hours=24)
ANSWER = StoredAnswer(status=200, headers=(), body=b"{}")


def a_request(fingerprint="f", after=timedelta(0)):
    return IdempotentRequest(
        id=UUID(int=1),
        key="k",
        fingerprint=fingerprint,
        received_at=NOW + after,
        answer_due=NOW + after + timedelta(seconds=5),
    )


# The last two come from a host whose clock is behind, or after a clock was set back.
WITHIN, AT_DEADLINE, LAST, OLD, BEFORE, LONG_BEFORE = (
    timedelta(seconds=4.999),
    timedelta(seconds=5),
    KEPT - timedelta(microseconds=1),
    KEPT,
    timedelta(seconds=-4.999),
    timedelta(hours=-1),
)
# By whether the request is the first one's like, whether there is an answer, and how much later it comes.
STATES = {
    **{(same, answered, OLD): KeyState.EXPIRED for same, answered in product((True, False), repeat=2)},
    **{
        (False, answered, after): KeyState.REUSED
        for answered, after in product((True, False), (WITHIN, AT_DEADLINE, LAST, BEFORE, LONG_BEFORE))
    },
    **{(True, True, after): KeyState.ANSWERED for after in (WITHIN, AT_DEADLINE, LAST, BEFORE, LONG_BEFORE)},
    (True, False, WITHIN): KeyState.IN_WORK,
    (True, False, AT_DEADLINE): KeyState.ABANDONED,
    (True, False, LAST): KeyState.ABANDONED,
    (True, False, BEFORE): KeyState.IN_WORK,
    (True, False, LONG_BEFORE): KeyState.ABANDONED,
}


@pytest.mark.parametrize(
    ("same", "answered", "after"),
    list(product((True, False), (True, False), (WITHIN, AT_DEADLINE, LAST, OLD, BEFORE, LONG_BEFORE))),
)
def test_the_state_of_a_key_follows_from_its_record_and_the_request(same, answered, after):
    record = KeyRecord(request=a_request(), made="thing", answer=ANSWER if answered else None)
    later = a_request("f" if same else "g", after)
    assert record.state(later, KEPT) is STATES[same, answered, after]
