"""A process that stops waits for its programs, and requeues those that its engine has not started yet."""

from threading import Event

from application.commands import UploadCodeCommand
from domain.job_lifecycle import JobStatus
from domain.limits import STANDARD_LIMITS
from entrypoints.container import build_container
from tests.support.callers import ANONYMOUS
from tests.support.processes import PATIENCE_S, eventually
from tests.support.scripted_engine import ScriptedEngine, cancelled_report, echo
from tests.support.settings import settings_of


class FetchingEngine(ScriptedEngine):
    """An engine that still fetches a program's code when it is first asked to stop the program."""

    def __init__(self):
        super().__init__(self._fetch_and_run)
        self.is_fetching = Event()

    def _fetch_and_run(self, _request, observer):
        self.is_fetching.set()
        assert eventually(lambda: self.detached)
        self.detached.clear()
        observer.started()
        assert eventually(lambda: self.detached)
        return cancelled_report()


def test_a_program_whose_code_is_fetched_during_the_stop_is_requeued(tmp_path):
    settings, engine = settings_of(data_dir=tmp_path, drain_s=0), FetchingEngine()
    service = build_container(settings, STANDARD_LIMITS)
    service.engine.override(engine)
    background = service.background_services()
    background.start()
    command = UploadCodeCommand(project="demo", code="1", language="python", execute=True)
    job = service.services().upload_code(ANONYMOUS, command)
    assert engine.is_fetching.wait(PATIENCE_S)

    background.stop()

    other = build_container(settings, STANDARD_LIMITS)
    stopped, requeued = other.services().job_reader.get(ANONYMOUS, job.job_id).executions
    assert stopped.ended_at is not None
    assert (requeued.claimed_at, requeued.ended_at, requeued.number) == (None, None, 1)
    other.database().dispose()


def test_a_process_that_waits_for_its_programs_says_so(tmp_path, caplog):
    settings, is_running = settings_of(data_dir=tmp_path, drain_s=PATIENCE_S), Event()

    def run_until_draining(request, observer):
        is_running.set()
        assert eventually(lambda: "draining" in caplog.text)
        return echo(request, observer)

    service = build_container(settings, STANDARD_LIMITS)
    service.engine.override(ScriptedEngine(run_until_draining))
    background = service.background_services()
    background.start()
    command = UploadCodeCommand(project="demo", code="1", language="python", execute=True)
    with caplog.at_level("INFO", "service_server.worker"):
        job = service.services().upload_code(ANONYMOUS, command)
        assert is_running.wait(PATIENCE_S)

        background.stop()

    assert "draining for up to 90 s, executions still running: 1" in caplog.text
    other = build_container(settings, STANDARD_LIMITS)
    assert other.services().job_reader.get(ANONYMOUS, job.job_id).status.status is JobStatus.SUCCESS
    other.database().dispose()
