"""A command that runs a program on the data of a service leaves that service's work alone."""

import time

from application.commands import UploadCodeCommand
from application.ports.execution_engine import EngineReport
from domain.execution import ExecutionResult
from domain.job_lifecycle import JobStatus, Reason
from domain.limits import STANDARD_LIMITS
from entrypoints.container import build_container
from entrypoints.topology import Topology
from tests.support.callers import ANONYMOUS
from tests.support.processes import eventually
from tests.support.scripted_engine import ScriptedEngine, echo
from tests.support.settings import settings_of

PATIENCE_S = 90


def test_a_standalone_runner_runs_its_own_program_and_none_that_waited_before(tmp_path):
    # Given a job that waits for a worker, and long enough to be swept and re-notified
    settings = settings_of(data_dir=tmp_path, announce_after_s=0.01, relay_left_behind_after_s=0.01)
    service = build_container(settings, STANDARD_LIMITS)
    service.engine.override(ScriptedEngine())
    service.schema().upgrade()
    command = UploadCodeCommand(project="demo", code="1", language="python", execute=True)
    of_others = service.services().upload_code(ANONYMOUS, command)

    # When a standalone runner runs a program of its own
    runner = build_container(settings, STANDARD_LIMITS, Topology.of_command(settings, runs_programs=True))
    runner.engine.override(ScriptedEngine())
    background = runner.background_services()
    background.start()
    own = runner.services().upload_code(ANONYMOUS, command)
    deadline = time.monotonic() + PATIENCE_S
    while not runner.services().job_reader.status(ANONYMOUS, own.job_id).status.is_terminal:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    background.stop()

    # Then the other one is as it was
    assert service.services().job_reader.status(ANONYMOUS, own.job_id).status is JobStatus.SUCCESS
    assert service.services().job_reader.status(ANONYMOUS, of_others.job_id).status is JobStatus.RUNNING
    assert service.services().job_reader.get(ANONYMOUS, of_others.job_id).executions[0].claimed_at is None
    service.database().dispose()


def test_a_standalone_runner_runs_a_failed_program_again_after_its_delay(tmp_path):
    # Given a program that fails at first, of a job that is retried then
    settings = settings_of(data_dir=tmp_path, retry_first_delay_s=0.05)
    runner = build_container(settings, STANDARD_LIMITS, Topology.of_command(settings, runs_programs=True))
    reports = [EngineReport(ExecutionResult.failed(Reason.NONZERO_EXIT, "it failed")), None]
    runner.engine.override(ScriptedEngine(lambda *given: reports.pop(0) or echo(*given)))
    background = runner.background_services()
    background.start()
    reader = runner.services().job_reader

    # When it runs in a command, beside which no other process runs
    command = UploadCodeCommand(
        project="demo",
        code="1",
        language="python",
        execute=True,
        retry_on=(Reason.NONZERO_EXIT,),
        max_attempts=2,
    )
    own = runner.services().upload_code(ANONYMOUS, command)

    # Then it runs again
    assert eventually(lambda: reader.status(ANONYMOUS, own.job_id).status.is_terminal)
    assert reader.status(ANONYMOUS, own.job_id).status is JobStatus.SUCCESS
    background.stop()
