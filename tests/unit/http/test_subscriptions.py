import asyncio

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
