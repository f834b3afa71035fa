"""The contract of every rate limiter, in one process and between processes."""

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import takewhile

import pytest

from adapters.in_process.rate_limiter import InProcessRateLimiter
from adapters.redis_rate_limiter.rate_limiter import KEY_PREFIX, RedisRateLimiter
from application.ports.rate_limiter import MAX_PER_S, RateLimit, RateLimiter
from tests.support.redis_server import RedisServer, redis_server

WITHIN_S = 60


@pytest.fixture(scope="module")
def server():
    with redis_server() as server:
        yield server


@pytest.fixture(params=["in process", "redis"])
def limiter(request: pytest.FixtureRequest) -> RateLimiter:
    if request.param == "in process":
        return InProcessRateLimiter()
    server: RedisServer = request.getfixturevalue("server")
    server.flush()
    return RedisRateLimiter(server.url, InProcessRateLimiter())


def take_until_refused(limiter: RateLimiter, *limits: RateLimit) -> tuple[int, float]:
    """Take tokens until there is none; return how many there were, and the seconds that it took."""
    begin = time.monotonic()
    decisions = iter(lambda: limiter.take(limits), None)
    taken = sum(1 for _ in takewhile(lambda decision: decision.is_allowed, decisions))
    return taken, time.monotonic() - begin


@pytest.mark.parametrize("per_s", [1, 3, 7, 50])
def test_a_full_bucket_has_the_tokens_of_a_second_and_no_more(limiter: RateLimiter, per_s: int):
    taken, took_s = take_until_refused(limiter, RateLimit("tenant:acme", per_s))

    assert per_s <= taken <= per_s + took_s * per_s + 1


def test_tokens_come_back_at_the_rate(limiter: RateLimiter):
    limit = RateLimit("tenant:acme", 20)
    take_until_refused(limiter, limit)
    begin = time.monotonic()

    taken = 0
    while taken < 5:
        taken += limiter.take([limit]).is_allowed

    assert (4 - 1) / 20 <= time.monotonic() - begin < WITHIN_S


def test_each_answer_has_the_tokens_that_are_left(limiter: RateLimiter):
    first = limiter.take([RateLimit("key:1", 1), RateLimit("tenant:acme", 1)])
    second = limiter.take([RateLimit("key:2", 2), RateLimit("tenant:globex", MAX_PER_S)])

    assert (first.is_allowed, [*first.left]) == (True, [0, 0])
    assert (second.is_allowed, [*second.left]) == (True, [1, MAX_PER_S - 1])


def test_nothing_is_taken_where_one_bucket_is_empty(limiter: RateLimiter):
    key, tenant = RateLimit("key:1", 1), RateLimit("tenant:acme", 1)
    begin = time.monotonic()
    limiter.take([key])

    refused = limiter.take([tenant, key])
    after = limiter.take([tenant])

    if time.monotonic() - begin < 1:  # later, the key's bucket has filled up
        assert (refused.is_allowed, [*refused.left]) == (False, [1, 0])
        assert after.is_allowed


def test_the_bucket_of_one_subject_is_none_of_anothers(limiter: RateLimiter):
    take_until_refused(limiter, RateLimit("tenant:acme", 1))

    assert limiter.take([RateLimit("tenant:globex", 1)]).is_allowed


def test_threads_take_no_more_together_than_one_would(limiter: RateLimiter):
    limit = RateLimit("tenant:acme", 10)
    begin = time.monotonic()
    with ThreadPoolExecutor(8) as threads:
        decisions = [*threads.map(lambda _: limiter.take([limit]), range(200))]
    took_s = time.monotonic() - begin

    allowed = sum(decision.is_allowed for decision in decisions)
    assert 10 <= allowed <= 10 + took_s * 10 + 1


def test_a_rate_that_changes_is_in_force_at_once(limiter: RateLimiter):
    take_until_refused(limiter, RateLimit("tenant:acme", 1))

    # Less than a second later there is a part of a second's tokens, of whichever rate.
    deadline = time.monotonic() + WITHIN_S
    while not limiter.take([RateLimit("tenant:acme", 1_000)]).is_allowed:
        assert time.monotonic() < deadline


def test_buckets_that_are_full_take_no_memory():
    now = [0.0]
    limiter = InProcessRateLimiter(lambda: now[0])
    for number in range(5_000):
        limiter.take([RateLimit(f"key:{number}", 1_000)])
        now[0] += 0.001

    assert limiter.take([RateLimit("key:0", 1)]).left == [0]
    assert limiter.kept < 2_000


def test_buckets_in_redis_are_shared_by_processes_and_expire(server: RedisServer):
    server.flush()
    limit = RateLimit("tenant:acme", 1)
    one, other = (RedisRateLimiter(server.url, InProcessRateLimiter()) for _ in range(2))

    begin = time.monotonic()
    allowed = [limiter.take([limit]).is_allowed for limiter in (one, other)]

    with server.client() as client:
        left_ms = client.pttl(KEY_PREFIX + limit.subject)
    assert allowed == [True, False] or time.monotonic() - begin > 1
    assert left_ms <= 1_000
    assert left_ms != -1  # it would stay


def test_a_busy_process_takes_tokens_ahead_and_asks_redis_seldom(server: RedisServer):
    limiter = RedisRateLimiter(server.url, InProcessRateLimiter())
    limit = RateLimit("tenant:busy", MAX_PER_S)
    with server.client() as client:
        client.config_resetstat()

        begin = time.monotonic()
        allowed = [limiter.take([limit]).is_allowed for _ in range(5_000)]
        took_s = time.monotonic() - begin

        calls = sum(
            figures["calls"]
            for name, figures in client.info("commandstats").items()
            if name.startswith("cmdstat_eval")
        )
    assert all(allowed)
    assert calls < 100 + took_s * 50


def test_processes_that_take_tokens_ahead_take_no_more_together_than_there_are(server: RedisServer):
    server.flush()
    limit = RateLimit("tenant:acme", 200)
    limiters = [RedisRateLimiter(server.url, InProcessRateLimiter()) for _ in range(3)]
    begin = time.monotonic()

    def ask(limiter: RateLimiter) -> int:
        allowed = 0
        while time.monotonic() - begin < 1:
            allowed += limiter.take([limit]).is_allowed
        return allowed

    with ThreadPoolExecutor(3) as threads:
        allowed = sum(threads.map(ask, limiters))

    assert 200 <= allowed <= 200 + (time.monotonic() - begin) * 200 + 1


def test_a_bucket_from_before_the_servers_clock_was_set_back_is_full(server: RedisServer):
    with server.client() as client:
        client.set(KEY_PREFIX + "tenant:acme", "9e15")

    decision = RedisRateLimiter(server.url, InProcessRateLimiter()).take([RateLimit("tenant:acme", 2)])

    assert (decision.is_allowed, [*decision.left]) == (True, [1])


def test_without_redis_each_process_limits_its_own_requests_and_says_so_once(
    server: RedisServer, caplog: pytest.LogCaptureFixture
):
    limit = RateLimit("tenant:acme", 1)
    limiter = RedisRateLimiter(server.url, InProcessRateLimiter())
    assert limiter.take([RateLimit("tenant:other", 1)]).is_allowed

    server.kill()
    try:
        with caplog.at_level(logging.WARNING, "service_server.rates"):
            allowed = [limiter.take([limit]).is_allowed for _ in range(3)]
    finally:
        server.start()

    assert allowed[0]
    assert not all(allowed)
    (warning,) = caplog.records
    assert warning.getMessage() == (
        "request rates are limited per process, not across processes: the rate limiter is unavailable: "
        "Redis does not respond, or its response is invalid"
    )
    # And once it is back, they are shared again.
    deadline = time.monotonic() + WITHIN_S
    with server.client() as client:
        while not client.exists(KEY_PREFIX + "key:back"):
            limiter.take([RateLimit("key:back", 1_000)])
            assert time.monotonic() < deadline
