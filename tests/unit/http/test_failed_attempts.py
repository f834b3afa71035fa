import pytest

from application.errors import QuotaExceeded
from entrypoints.http.failed_attempts import WINDOW_S, FailedAttempts
from tests.support.memory.clock import MemoryClock


@pytest.fixture
def clock() -> MemoryClock:
    return MemoryClock()


def test_an_address_is_refused_after_its_failures_until_its_minute_is_over(clock):
    attempts = FailedAttempts(2, clock=clock.monotonic)
    attempts.count("a")
    attempts.check("a")
    clock.advance(15.5)
    attempts.count("a")

    with pytest.raises(QuotaExceeded) as refusal:
        attempts.check("a")

    error = refusal.value
    assert (error.quota, error.used, error.allowed) == ("failed_keys_per_minute", 2, 2)
    assert error.retry_after_s == 45
    attempts.check("b")
    clock.advance(WINDOW_S - 15.5)
    attempts.check("a")
    attempts.count("a")
    attempts.check("a")


def test_no_more_addresses_are_counted_than_there_is_room_for(clock):
    attempts = FailedAttempts(1, capacity=2, clock=clock.monotonic)
    for address in ("a", "b", "c"):
        attempts.count(address)

    attempts.check("a")
    for address in ("b", "c"):
        with pytest.raises(QuotaExceeded):
            attempts.check(address)
