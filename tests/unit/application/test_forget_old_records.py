from datetime import timedelta

from application.pace import FIRST
from application.use_cases.forget_old_records import ForgetOldRecords

DAY_S = 86_400


def receive(service, message_id):
    now = service.clock.now()
    return service.unit_of_work.run(lambda transaction: transaction.inbox.add("engine", message_id, now))


def test_messages_are_remembered_for_so_many_days_and_then_forgotten(service):
    # Given messages of a week ago, more than one transaction forgets, and of today
    forget_processed_messages = ForgetOldRecords(
        service.unit_of_work,
        service.clock,
        lambda transaction, before, batch: transaction.inbox.forget(before, batch),
        kept=timedelta(days=7),
        batch=2,
    )
    for number in range(5):
        receive(service, str(number))
    service.clock.advance(6 * DAY_S)
    receive(service, "late")
    # When they are swept before and after the week is over
    assert forget_processed_messages() == 0
    service.clock.advance(1.5 * DAY_S)
    assert forget_processed_messages() == 5
    # Then those of today are still known
    assert not receive(service, "late")
    assert receive(service, "0")


def test_a_slow_pass_leaves_no_small_batches_to_the_next_one(service):
    # Given a database that a batch took ten seconds of
    sizes: list[int] = []

    def forget(_transaction, _before, size):
        sizes.append(size)
        service.clock.advance(10)
        return size if len(sizes) == 1 else 0

    forget_slowly = ForgetOldRecords(service.unit_of_work, service.clock, forget, kept=timedelta(days=7))
    # When the records are swept twice
    forget_slowly()
    forget_slowly()
    # Then the second time begins as the first one did
    assert sizes == [FIRST, 1, FIRST]
