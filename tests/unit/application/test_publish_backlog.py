"""The backlog, as it is sent to the platform that scales the workers."""

from application.errors import DependencyUnavailable
from application.metrics import BACKLOG_PUBLICATIONS
from application.ports.operation_queries import Backlog
from tests.support.in_memory_service import InMemoryService

MINUTE_S = 60


def test_the_backlog_is_sent_once_a_minute_by_all_processes_together(service: InMemoryService):
    another = service.process("worker-2")
    requested_at = service.clock.now()
    service.start()
    service.start()
    service.clock.advance(MINUTE_S)

    sent = [process.publish_backlog() for process in (service.services, another, service.services)]

    assert sent == [True, False, False]
    assert service.backlogs.published == [(Backlog(2, requested_at), service.clock.now())]
    assert service.measurements.counted[BACKLOG_PUBLICATIONS, ("published",)] == 1


def test_one_that_cannot_be_sent_is_counted_and_keeps_no_sample_from_being_recorded(
    service: InMemoryService, caplog
):
    service.backlogs.error = DependencyUnavailable("metrics", "CloudWatch cannot be reached")

    assert service.publish_backlog()

    assert len(service.cluster_history_reader(MINUTE_S).samples) == 1
    assert service.measurements.counted[BACKLOG_PUBLICATIONS, ("failed",)] == 1
    assert "the backlog was not published" in caplog.text

    service.backlogs.error = None
    service.clock.advance(MINUTE_S)
    assert service.publish_backlog()
    assert len(service.backlogs.published) == 1
