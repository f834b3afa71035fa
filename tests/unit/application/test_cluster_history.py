"""The history of the queue and of the machines: one sample a minute, of any process."""

from datetime import timedelta

import pytest

from application.errors import DependencyUnavailable
from application.ports.cluster_history import ClusterSample
from domain.errors import InvalidValue
from tests.support.in_memory_service import InMemoryService

MINUTE_S = 60


def samples(service: InMemoryService, minutes: int = 60) -> list[ClusterSample]:
    return [sample for _begin, sample in service.cluster_history_reader(minutes).samples]


def test_a_sample_has_the_queue_its_oldest_wait_and_the_machines(service: InMemoryService):
    service.start()
    service.start()
    service.clock.advance(3)
    service.metrics.record("local", service.clock.now(), 12.5, 40.0)

    assert service.record_cluster_sample()

    assert samples(service) == [
        ClusterSample(
            waiting=2, running=0, oldest_wait_ms=3_000, cpu_percent=12.5, memory_percent=40.0, measured=1
        )
    ]


def test_processes_take_one_sample_a_minute_together(service: InMemoryService):
    another = service.process("worker-2")

    taken = [process.record_cluster_sample() for process in (service.services, another)]
    service.clock.advance(MINUTE_S)
    taken += [process.record_cluster_sample() for process in (another, service.services)]

    assert taken == [True, False, True, False]
    assert len(samples(service)) == 2


def test_a_process_that_runs_no_programs_leaves_the_sample_to_those_that_do(service: InMemoryService):
    api = service.process("api", sample_patience_s=30.0)
    begin = service.clock.now().replace(second=0, microsecond=0) + timedelta(minutes=1)
    service.clock.advance((begin - service.clock.now()).total_seconds() + 10)

    assert not api.record_cluster_sample()
    service.clock.advance(25)
    assert api.record_cluster_sample()
    assert not service.record_cluster_sample()


def test_machines_that_are_out_of_reach_are_left_out(service: InMemoryService, monkeypatch):
    def refuse(*_arguments):
        raise DependencyUnavailable("metrics", "they are away")

    monkeypatch.setattr(service.metrics, "utilization", refuse)

    assert service.record_cluster_sample()

    assert [(sample.cpu_percent, sample.measured) for sample in samples(service)] == [(None, 0)]


@pytest.mark.parametrize(("minutes", "step_s"), [(60, 60), (1_440, 600), (10_080, 3_600), (43_200, 3_600)])
def test_a_range_is_read_in_the_finest_steps_that_are_kept_for_as_long(
    service: InMemoryService, minutes: int, step_s: int
):
    assert service.cluster_history_reader(minutes).step_s == step_s


def test_a_month_is_kept_in_a_bounded_number_of_rows(service: InMemoryService):
    for _ in range(26 * 6):
        service.record_cluster_sample()
        service.clock.advance(10 * MINUTE_S)

    rows = len(service.database.tables.cluster_history)

    assert len(samples(service, 24 * 60)) == 144
    assert rows <= 12 + 25 * 6 + 1 + 27


@pytest.mark.parametrize("minutes", [0, 31 * 24 * 60 + 1])
def test_the_history_is_of_the_last_month_at_most(service: InMemoryService, minutes: int):
    with pytest.raises(InvalidValue):
        service.cluster_history_reader(minutes)
