import asyncio
from dataclasses import replace
from datetime import UTC, datetime

from application.views import JobVersion
from domain.job_lifecycle import JobStatus
from entrypoints.http.streaming.job_notifier import Subscription


def test_a_wait_ends_when_it_is_woken_or_its_time_is_over():
    async def check():
        subscription = Subscription()
        assert not await subscription.wait(0.001)
        subscription.woken.set()
        assert await subscription.wait(60)
        assert not await subscription.wait(0.001)  # not at the time of the longer wait before
        subscription.stop()

    asyncio.run(check())


def test_the_timer_of_an_earlier_wait_ends_no_later_one():
    async def check():
        loop, subscription = asyncio.get_running_loop(), Subscription()
        subscription.woken.set()
        assert await subscription.wait(0.001)
        loop.call_later(0.02, subscription.woken.set)
        assert await subscription.wait(60)
        subscription.stop()

    asyncio.run(check())


def test_a_subscription_to_the_end_is_not_woken_by_other_changes():
    running = JobVersion(
        status=JobStatus.RUNNING,
        updated_at=datetime(2026, 1, 1, tzinfo=UTC),
        claimed_at=None,
        building_at=None,
        started_at=None,
        ended_at=None,
    )
    to_all, to_end = Subscription(), Subscription(is_for_end=True)

    woken = []
    for version in (
        running,
        replace(running, status=JobStatus.FAILED),
        replace(running, status=JobStatus.FAILED),
        None,
    ):
        for subscription in (to_all, to_end):
            subscription.notice(version)
            woken.append(subscription.woken.is_set())
            subscription.woken.clear()

    assert woken == [True, False, True, True, False, False, True, True]
