import pytest

from entrypoints.topology import Topology
from tests.support.settings import settings_of


@pytest.mark.parametrize(
    ("runs_programs", "asks_engine", "starts_engine"),
    [(True, False, True), (False, True, True), (False, False, False)],
)
def test_a_command_starts_an_engine_to_run_programs_or_to_tell_of_it(
    runs_programs, asks_engine, starts_engine
):
    topology = Topology.of_command(settings_of(), runs_programs=runs_programs, asks_engine=asks_engine)

    assert topology.starts_engine is starts_engine


@pytest.mark.parametrize("of_process", [Topology.of_server, Topology.of_worker])
def test_a_process_that_stays_has_its_engine_ready(of_process):
    assert of_process(settings_of()).starts_engine


@pytest.mark.parametrize("of_process", [Topology.of_server, Topology.of_worker])
def test_a_process_that_stays_is_long_running_and_a_command_is_not(of_process):
    assert of_process(settings_of()).is_long_running
    assert not Topology.of_command(settings_of(), runs_programs=True).is_long_running
