import pytest

from application.errors import DependencyUnavailable


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


def test_nothing_is_announced_of_what_was_rolled_back(world):
    def fail(transaction):
        transaction.outbox.add([])
        raise RuntimeError

    with pytest.raises(RuntimeError):
        world.unit_of_work.run(fail)

    assert world.relay.offered == []
