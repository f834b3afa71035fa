import pytest

from application.errors import DependencyUnavailable
from application.use_cases.relay_outbox import RelayOutbox


def test_what_is_published_is_forgotten(world):
    world.start()

    world.relay_outbox(world.relay.offered)

    assert [message.name for message in world.publisher.published] == world.announced()
    assert world.database.tables.outbox == {}


def test_what_cannot_be_published_stays_and_is_swept_later(world):
    world.start()
    world.publisher.is_available = False
    with pytest.raises(DependencyUnavailable):
        world.relay_outbox(world.relay.offered)

    world.publisher.is_available = True
    assert world.relay_outbox.sweep() == 0
    world.clock.advance(6)
    assert world.relay_outbox.sweep() == 3

    assert [message.name for message in world.publisher.published] == world.announced()
    assert world.database.tables.outbox == {}


def test_what_a_sweep_publishes_no_other_sweep_does(world):
    # Given messages that were left behind, and two processes that sweep
    world.start()
    world.clock.advance(6)
    other = RelayOutbox(world.unit_of_work, world.publisher, left_behind_after_s=5.0)
    publish = world.publisher.publish

    def publish_slowly(messages):
        world.publisher.publish = publish
        assert other.sweep() == 0
        publish(messages)

    # When one sweeps while the other publishes what it has taken
    world.publisher.publish = publish_slowly
    assert world.relay_outbox.sweep() == 3
    # Then each message was published once
    assert [message.name for message in world.publisher.published] == world.announced()


def test_what_a_sweep_took_and_could_not_publish_is_left_to_a_later_one(world):
    world.start()
    world.clock.advance(6)
    world.publisher.is_available = False
    with pytest.raises(DependencyUnavailable):
        world.relay_outbox.sweep()

    world.publisher.is_available = True
    world.clock.advance(6)

    assert world.relay_outbox.sweep() == 3
    assert world.database.tables.outbox == {}


def test_nothing_is_published_in_a_transaction(world):
    # Given a publisher that takes as long as another transaction
    world.start()
    world.clock.advance(6)
    publish = world.publisher.publish

    def publish_beside_a_transaction(messages):
        assert world.database.lock.acquire(blocking=False)
        world.database.lock.release()
        publish(messages)

    world.publisher.publish = publish_beside_a_transaction
    # Then the database is free meanwhile
    assert world.relay_outbox.sweep() == 3


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
    relay = RelayOutbox(world.unit_of_work, world.publisher, left_behind_after_s=5.0, forget_every=100)
    world.start()
    # When fewer were published
    relay(world.relay.offered)
    assert len(world.database.tables.outbox) == len(world.announced())
    # Then they are forgotten by the next sweep, and at the end
    getattr(relay, finish)()
    assert world.database.tables.outbox == {}
    assert [message.name for message in world.publisher.published] == world.announced()
