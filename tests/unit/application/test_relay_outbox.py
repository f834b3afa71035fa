import pytest

from application.errors import DependencyUnavailable
from application.messages import Message
from application.use_cases.relay_outbox import RelayOutbox
from domain.values import MessageId


def test_what_is_published_is_forgotten(world):
    world.start()

    world.relay_outbox(world.relay.offered)

    assert [message.name for message in world.published] == world.announced()
    assert world.database.tables.outbox == {}


def test_a_worker_is_woken_for_each_event_that_leaves_an_execution_waiting(world):
    world.start()
    world.upload()
    world.start()

    world.relay_outbox(world.relay.offered)

    assert world.work_queue.wake_ups == 2


def test_a_request_that_an_older_version_left_in_the_outbox_wakes_a_worker(world):
    request = Message(id=MessageId(world.ids.new()), name="ExecutionRequested", body={"version": 1})
    world.unit_of_work.run(lambda transaction: transaction.outbox.add([request]))
    world.clock.advance(6)

    assert world.relay_outbox.sweep() == 1

    assert world.work_queue.wake_ups == 1


def test_what_cannot_be_published_stays_and_is_swept_later(world):
    world.start()
    world.work_queue.is_available = False
    with pytest.raises(DependencyUnavailable):
        world.relay_outbox(world.relay.offered)
    world.published.clear()

    world.work_queue.is_available = True
    assert world.relay_outbox.sweep() == 0
    world.clock.advance(6)
    assert world.relay_outbox.sweep() == 2

    assert [message.name for message in world.published] == world.announced()
    assert world.work_queue.wake_ups == 1
    assert world.database.tables.outbox == {}


def test_events_reach_the_feed_even_if_no_worker_can_be_woken(world):
    world.start()
    world.work_queue.is_available = False

    with pytest.raises(DependencyUnavailable):
        world.relay_outbox(world.relay.offered)

    assert [message.name for message in world.published] == world.announced()


def test_what_a_sweep_publishes_no_other_sweep_does(world):
    # Given messages that are stale, and two processes that sweep
    world.start()
    world.clock.advance(6)
    other = RelayOutbox(world.unit_of_work, world.work_queue, world.event_feed, stale_after_s=5.0)
    publish = world.event_feed.publish

    def publish_slowly(messages):
        world.event_feed.publish = publish
        assert other.sweep() == 0
        publish(messages)

    # When one sweeps while the other publishes what it has taken
    world.event_feed.publish = publish_slowly
    assert world.relay_outbox.sweep() == 2
    # Then each message was published once
    assert [message.name for message in world.published] == world.announced()


def test_what_a_sweep_took_and_could_not_publish_is_left_to_a_later_one(world):
    world.start()
    world.clock.advance(6)
    world.work_queue.is_available = False
    with pytest.raises(DependencyUnavailable):
        world.relay_outbox.sweep()

    world.work_queue.is_available = True
    world.clock.advance(6)

    assert world.relay_outbox.sweep() == 2
    assert world.database.tables.outbox == {}


def test_nothing_is_published_in_a_transaction(world):
    # Given an event feed that takes as long as another transaction
    world.start()
    world.clock.advance(6)
    publish = world.event_feed.publish

    def publish_beside_a_transaction(messages):
        assert world.database.lock.acquire(blocking=False)
        world.database.lock.release()
        publish(messages)

    world.event_feed.publish = publish_beside_a_transaction
    # Then the database is free meanwhile
    assert world.relay_outbox.sweep() == 2


def test_nothing_is_announced_of_what_was_rolled_back(world):
    def fail(transaction):
        transaction.outbox.add([])
        raise RuntimeError

    with pytest.raises(RuntimeError):
        world.unit_of_work.run(fail)

    assert world.relay.offered == []


@pytest.mark.parametrize("finish", ["forget", "sweep"])
def test_what_is_published_may_be_forgotten_later_and_together(world, finish):
    # Given a relay that forgets a hundred messages at once
    relay = RelayOutbox(
        world.unit_of_work, world.work_queue, world.event_feed, stale_after_s=5.0, forget_every=100
    )
    world.start()
    # When fewer were published
    relay(world.relay.offered)
    assert len(world.database.tables.outbox) == len(world.announced())
    # Then they are forgotten by the next sweep, and at the end
    getattr(relay, finish)()
    assert world.database.tables.outbox == {}
    assert [message.name for message in world.published] == world.announced()
