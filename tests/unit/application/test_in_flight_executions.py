from contextlib import ExitStack
from threading import Event, Thread
from uuid import uuid4

from application.in_flight_executions import InFlightExecutions
from domain.values import JobId
from tests.support.processes import PATIENCE_S
from tests.support.samples import new_execution_id


def test_executions_that_end_one_after_the_other_are_waited_for():
    in_flight, are_tracked = InFlightExecutions(), Event()

    def end_one_by_one():
        with ExitStack() as tracked:
            for _ in range(3):
                tracked.enter_context(in_flight.track(new_execution_id(), JobId(uuid4())))
            are_tracked.set()

    ending = Thread(target=end_one_by_one)
    ending.start()
    are_tracked.wait(PATIENCE_S)

    assert in_flight.wait_while_they_end(PATIENCE_S)
    assert not in_flight.snapshot()
    ending.join()


def test_the_wait_is_over_when_none_ends_for_the_pause():
    in_flight, execution_id, job_id = InFlightExecutions(), new_execution_id(), JobId(uuid4())

    with in_flight.track(execution_id, job_id), in_flight.track(new_execution_id(), job_id):
        assert not in_flight.wait_while_they_end(0.01)
        assert execution_id in in_flight.snapshot()
