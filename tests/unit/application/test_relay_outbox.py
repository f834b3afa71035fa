import pytest

from application.commands import UploadCodeCommand
from application.errors import DependencyUnavailable
from application.messages import Message
from domain.events import JobCancelled, JobSubmitted
from domain.values import MessageId
from tests.support.callers import ANONYMOUS
from tests.support.failing import Failing


def cancel(service):
    """Add a message that may not be lost, and none that may."""
    job_id = service.upload().job_id
    service.relay.offered.clear()
    service.cancel_job(ANONYMOUS, job_id)
    assert service.announced() == [JobCancelled.__name__]


def test_what_is_published_is_forgotten_a_hundred_at_a_time(service):
    for _ in range(100):
        service.cancel_job(ANONYMOUS, service.upload().job_id)
    assert len(service.database.tables.outbox) == 100

    service.relay_outbox(service.relay.offered)

    assert [message.name for message in service.published] == heard(service)
    assert service.database.tables.outbox == {}


def heard(service):
    return [name for name in service.announced() if name != JobSubmitted.__name__]


def test_a_message_that_is_no_more_than_a_wake_up_is_published_and_not_stored(service):
    service.start()

    assert service.database.tables.outbox == {}
    service.relay_outbox(service.relay.offered)

    assert [message.name for message in service.published] == ["JobStarted"]
    assert service.work_queue.wake_ups == 1


def test_a_worker_is_woken_for_each_event_that_leaves_an_execution_waiting(service):
    service.start()
    service.upload()
    service.start()

    service.relay_outbox(service.relay.offered)

    assert service.work_queue.wake_ups == 2


def test_a_request_that_an_older_version_left_in_the_outbox_wakes_a_worker(service):
    request = Message(id=MessageId(service.ids.new()), name="ExecutionRequested", body={"version": 1})
    service.unit_of_work.run(lambda transaction: transaction.outbox.add([request]))
    service.clock.advance(6)

    assert service.relay_outbox.sweep() == 1

    assert service.work_queue.wake_ups == 1


def test_what_cannot_be_published_stays_and_is_swept_later(service):
    cancel(service)
    publish = service.event_feed.publish
    service.event_feed.publish = Failing(DependencyUnavailable("event feed", "it is away")).publish
    with pytest.raises(DependencyUnavailable):
        service.relay_outbox(service.relay.offered)

    service.event_feed.publish = publish
    assert service.relay_outbox.sweep() == 0
    service.clock.advance(6)
    assert service.relay_outbox.sweep() == 1

    assert [message.name for message in service.published] == heard(service)
    assert service.database.tables.outbox == {}


@pytest.mark.parametrize("error", [DependencyUnavailable("database", "down"), RuntimeError("a bug")])
def test_messages_that_are_published_and_not_removed_do_not_count_as_unpublished(service, error, caplog):
    # Given a database that fails once the hundredth message is published
    for _ in range(100):
        service.cancel_job(ANONYMOUS, service.upload().job_id)
    run = service.unit_of_work.run
    service.unit_of_work.run = Failing(error).run
    # When the relay publishes them
    service.relay_outbox(service.relay.offered)
    # Then the log says what happened
    assert [message.name for message in service.published] == heard(service)
    (record,) = caplog.records
    assert record.message.startswith("published messages stay in the outbox")
    # And a sweep publishes them again and removes them
    service.unit_of_work.run = run
    service.clock.advance(6)
    assert service.relay_outbox.sweep() == 100
    assert service.database.tables.outbox == {}


@pytest.mark.parametrize("error", [DependencyUnavailable("database", "down"), RuntimeError("a bug")])
def test_messages_whose_batch_cannot_be_completed_do_not_count_as_unpublished(service, error, caplog):
    # Given a batch whose jobs have ended, and a database that fails
    command = UploadCodeCommand(project="demo", code="1", language="python", execute=True)
    batch = service.submit_batch(ANONYMOUS, [command])
    service.run_execution()
    read = service.unit_of_work.read
    service.unit_of_work.read = Failing(error).read
    # When the relay publishes their ends
    service.relay_outbox(service.relay.offered)
    # Then the log says what happened
    assert [message.name for message in service.published] == heard(service)
    (record,) = caplog.records
    assert record.message.startswith("published messages stay in the outbox")
    # And a sweep completes the batch
    service.unit_of_work.read = read
    service.clock.advance(6)
    service.relay_outbox.sweep()
    assert service.batch_reader.get(ANONYMOUS, batch.batch.id).batch.completed_at is not None


def test_events_reach_the_feed_even_if_no_worker_can_be_woken(service):
    service.start()
    service.work_queue.is_available = False

    with pytest.raises(DependencyUnavailable):
        service.relay_outbox(service.relay.offered)

    assert [message.name for message in service.published] == heard(service)


def test_what_a_sweep_publishes_no_other_sweep_does(service):
    # Given a message that is stale, and two processes that sweep
    cancel(service)
    service.clock.advance(6)
    other = service.process("worker-2").relay_outbox
    publish = service.event_feed.publish

    def publish_slowly(messages):
        service.event_feed.publish = publish
        assert other.sweep() == 0
        publish(messages)

    # When one sweeps while the other publishes what it has taken
    service.event_feed.publish = publish_slowly
    assert service.relay_outbox.sweep() == 1
    # Then it was published once
    assert [message.name for message in service.published] == heard(service)


def test_what_a_sweep_took_and_could_not_publish_is_left_to_a_later_one(service):
    cancel(service)
    service.clock.advance(6)
    publish = service.event_feed.publish
    service.event_feed.publish = Failing(DependencyUnavailable("event feed", "it is away")).publish
    with pytest.raises(DependencyUnavailable):
        service.relay_outbox.sweep()

    service.event_feed.publish = publish
    service.clock.advance(6)

    assert service.relay_outbox.sweep() == 1
    assert service.database.tables.outbox == {}


def test_nothing_is_published_in_a_transaction(service):
    # Given an event feed that takes as long as another transaction
    cancel(service)
    service.clock.advance(6)
    publish = service.event_feed.publish

    def publish_beside_a_transaction(messages):
        assert service.database.lock.acquire(blocking=False)
        service.database.lock.release()
        publish(messages)

    service.event_feed.publish = publish_beside_a_transaction
    # Then the database is free meanwhile
    assert service.relay_outbox.sweep() == 1


def test_nothing_is_announced_of_what_was_rolled_back(service):
    def fail(transaction):
        transaction.outbox.add([])
        raise RuntimeError

    with pytest.raises(RuntimeError):
        service.unit_of_work.run(fail)

    assert service.relay.offered == []


@pytest.mark.parametrize("finish", ["forget", "sweep"])
def test_what_is_published_may_be_forgotten_later_and_together(service, finish):
    # Given a relay that forgets a hundred messages at once
    cancel(service)
    # When fewer were published
    service.relay_outbox(service.relay.offered)
    assert len(service.database.tables.outbox) == len(service.announced())
    # Then they are forgotten by the next sweep, and at the end
    getattr(service.relay_outbox, finish)()
    assert service.database.tables.outbox == {}
    assert [message.name for message in service.published] == heard(service)
