"""The use cases on adapters in memory, wired by hand: small enough to see through."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from adapters.http_engine.report_reader import RunnerReportReader
from adapters.in_process.event_feed import InProcessEventFeed
from adapters.in_process.output_feed import InProcessOutputFeed
from application.commands import UploadCodeCommand
from application.in_flight_executions import InFlightExecutions
from application.log_archive import LogArchive
from application.messages import Message
from application.outbox_writer import OutboxWriter
from application.poison_jobs import PoisonJobHandler
from application.ports.job_queries import JobQueries
from application.ports.message_relay import MessageRelay
from application.ports.unit_of_work import UnitOfWork
from application.queries.cluster_reader import ClusterReader
from application.queries.job_reader import JobReader
from application.queries.project_reader import ProjectReader
from application.retry_policy import RetryPolicy
from application.use_cases.cancel_job import CancelJob
from application.use_cases.change_project import ChangeProject
from application.use_cases.claim_execution import ClaimExecution
from application.use_cases.complete_execution import CompleteExecution
from application.use_cases.create_project import CreateProject
from application.use_cases.defer_execution import DeferExecution
from application.use_cases.drain_executions import DrainExecutions
from application.use_cases.execute_job import ExecuteJob
from application.use_cases.finish_execution import FinishExecution
from application.use_cases.follow_outages import FollowOutages
from application.use_cases.mark_started import MarkStarted
from application.use_cases.read_log import ReadLog
from application.use_cases.recover_orphans import RecoverOrphans
from application.use_cases.relay_outbox import RelayOutbox
from application.use_cases.renew_leases import RenewLeases
from application.use_cases.replace_execution import ReplaceExecution
from application.use_cases.report_completion import ReportCompletion
from application.use_cases.run_execution import RunExecution
from application.use_cases.stop_execution import StopExecution
from application.use_cases.upload_code import UploadCode
from application.views import JobView
from domain.execution import Execution
from domain.limits import STANDARD_LIMITS
from domain.submission import SubmissionLimits
from domain.values import JobId
from tests.support.memory.clock import MemoryClock
from tests.support.memory.cluster_metrics import MemoryClusterMetrics
from tests.support.memory.dashboard_queries import MemoryDashboardQueries
from tests.support.memory.database import MemoryDatabase
from tests.support.memory.id_generator import MemoryIdGenerator
from tests.support.memory.job_queries import MemoryJobQueries
from tests.support.memory.message_relay import MemoryMessageRelay
from tests.support.memory.object_store import MemoryObjectStore
from tests.support.memory.result_spool import MemoryResultSpool
from tests.support.memory.unit_of_work import MemoryUnitOfWork
from tests.support.memory.work_queue import MemoryWorkQueue
from tests.support.scripted_engine import ScriptedEngine

LEASE_S = 30.0
KEPT_S = 600.0
INLINE_BYTES = 64
RENEW_EVERY_S = 10.0
WAIT_S = 120.0


class InMemoryService:
    """A service that lives as long as a test.

    Args:
        open_database: Returns a unit of work, which offers messages to this relay, and its queries; those in
            memory by default.
        log_spool: Directory for logs that are too large for memory.

    Attributes:
        sleep: The wait of workers between attempts; may be replaced at any time.
        complete_execution: The end of an execution; may be replaced at any time.
    """

    def __init__(
        self,
        open_database: Callable[[MessageRelay], tuple[UnitOfWork, JobQueries]] | None = None,
        log_spool: Path | None = None,
    ) -> None:
        self._log_spool = log_spool
        self.clock = MemoryClock()
        self.sleep = self.clock.advance
        self.ids = MemoryIdGenerator()
        self.database = MemoryDatabase(now=self.clock.now)
        self.work_queue = MemoryWorkQueue()
        self.event_feed = InProcessEventFeed()
        self.published: list[Message] = []
        self.event_feed.subscribe(self.published.append)
        self.relay = MemoryMessageRelay()
        self.unit_of_work: UnitOfWork = MemoryUnitOfWork(self.database, self.relay)
        self.queries: JobQueries = MemoryJobQueries(self.database)
        if open_database is not None:
            self.unit_of_work, self.queries = open_database(self.relay)
        self.code_store = MemoryObjectStore()
        self.log_store = MemoryObjectStore()
        self.engine = ScriptedEngine()
        self.output_feed = InProcessOutputFeed()
        self.in_flight = InFlightExecutions()
        self.slept: list[float] = []
        limits = SubmissionLimits(code_bytes=1_000, stdin_bytes=100)
        self.outbox_writer = outbox_writer = OutboxWriter(self.ids)
        self.poison_jobs = PoisonJobHandler(outbox_writer)

        self.upload_code = UploadCode(
            self.unit_of_work,
            self.code_store,
            self.engine,
            outbox_writer,
            self.clock,
            self.ids,
            STANDARD_LIMITS,
            limits,
        )
        self.execute_job = ExecuteJob(self.unit_of_work, outbox_writer, self.clock, self.ids, limits)
        self.cancel_job = CancelJob(self.unit_of_work, outbox_writer, self.clock)
        self.dashboard_queries = MemoryDashboardQueries(self.database)
        self.metrics = MemoryClusterMetrics(self.clock)
        self.job_reader = JobReader(self.queries, self.dashboard_queries, self.unit_of_work, self.engine)
        self.get_job, self.get_job_status = self.job_reader.get, self.job_reader.status
        self.list_jobs = self.job_reader.page
        self.project_reader = ProjectReader(self.unit_of_work, self.dashboard_queries, self.clock)
        self.list_projects = self.project_reader.all
        self.cluster_reader = ClusterReader(
            self.engine, self.metrics, self.dashboard_queries, self.clock, slots=1
        )
        self.create_project = CreateProject(self.unit_of_work, self.clock, limits)
        self.change_project = ChangeProject(self.unit_of_work)
        self.read_log = ReadLog(self.log_store, max_bytes=1_000)
        self.complete_execution = CompleteExecution(self.unit_of_work, outbox_writer, self.clock)
        self.spool = MemoryResultSpool()
        self.claim_execution = self._claim_execution("worker-1")
        self.finish_execution = self._finish_execution("worker-1")
        self.report_completion = ReportCompletion(
            self.unit_of_work, RunnerReportReader(65_536), self.finish_execution
        )
        self.stop_execution = StopExecution(self.unit_of_work, self.engine, self.in_flight)
        self.run_execution = self._run_execution("worker-1", self.claim_execution, self.finish_execution)
        self.renew_leases = RenewLeases(self.unit_of_work, self.in_flight, "worker-1", LEASE_S)
        self.drain_executions = DrainExecutions(self.renew_leases, self.engine, self.in_flight)
        # Another process, which runs nothing itself.
        self.recover_orphans = self.reaper("worker-0", InFlightExecutions())
        self.follow_outages = FollowOutages(
            self.unit_of_work, self.engine, outbox_writer, self.clock, wait_s=WAIT_S
        )
        self.relay_outbox = RelayOutbox(
            self.unit_of_work, self.work_queue, self.event_feed, stale_after_s=5.0, forget_every=1
        )

    def worker(self, name: str) -> RunExecution:
        """Build the work of a worker of that name."""
        return self._run_execution(name, self._claim_execution(name), self._finish_execution(name))

    def _run_execution(
        self, name: str, claim_execution: ClaimExecution, finish_execution: FinishExecution
    ) -> RunExecution:
        return RunExecution(
            self.unit_of_work,
            self.engine,
            self.output_feed,
            self.in_flight,
            claim_execution,
            MarkStarted(self.unit_of_work, self.outbox_writer, self.relay, self.clock, name),
            finish_execution,
            self.spool,
            ReplaceExecution(self.unit_of_work, self.outbox_writer, self.clock, self.ids),
            DeferExecution(self.unit_of_work, RetryPolicy((1.0, 2.0), sleep=self.slept.append), name, WAIT_S),
            self.stop_execution,
            RetryPolicy((1.0, 2.0), sleep=self.slept.append),
            name,
            self._sleep,
        )

    def _claim_execution(self, worker: str) -> ClaimExecution:
        return ClaimExecution(
            self.unit_of_work,
            self.engine,
            self.poison_jobs,
            RetryPolicy((1.0, 2.0), sleep=self.slept.append),
            self.clock,
            worker,
            LEASE_S,
        )

    def _finish_execution(self, worker: str) -> FinishExecution:
        retrying = RetryPolicy((1.0, 2.0), sleep=self.slept.append)
        return FinishExecution(
            self.unit_of_work,
            LogArchive(self.log_store, retrying, self._log_spool),
            self.spool,
            self._complete,
            retrying,
            self.clock,
            worker,
            KEPT_S,
            self._sleep,
        )

    def _complete(self, *arguments: object, **options: object) -> object:
        return self.complete_execution(*arguments, **options)

    def _sleep(self, seconds: float) -> None:
        self.sleep(seconds)

    def reaper(self, worker: str, in_flight: InFlightExecutions, max_wake_ups: int = 500) -> RecoverOrphans:
        """Build the recovery of a process of that name, which has these executions."""
        return RecoverOrphans(
            self.unit_of_work,
            self.work_queue,
            self.outbox_writer,
            self.clock,
            self.ids,
            self.poison_jobs,
            RenewLeases(self.unit_of_work, in_flight, worker, LEASE_S),
            self.output_feed,
            worker,
            INLINE_BYTES,
            self.engine,
            renotify_after_s=2.0,
            renew_every_s=RENEW_EVERY_S,
            max_wake_ups=max_wake_ups,
        )

    def upload(self, **changed: object) -> JobView:
        """Upload a program, with defaults for all that a test leaves out."""
        fields = {"project": "demo", "code": "print(1)", "language": "python", **changed}
        return self.upload_code(UploadCodeCommand(**fields))

    def start(self, **changed: object) -> JobView:
        """Upload a program and have it executed."""
        return self.upload(execute=True, **changed)

    def claim(self, worker: str = "worker-1") -> Execution:
        """Claim an execution and do nothing about it, as a worker does that is killed then."""
        execution = self.unit_of_work.run(partial(_claim, worker))
        assert execution is not None
        return execution

    def pass_time(self, seconds: float) -> None:
        """Let time pass, with sweeps for lost executions again and again, as in a service."""
        for _ in range(round(seconds)):
            self.clock.advance(1)
            self.recover_orphans()

    def job(self, job_id: JobId) -> JobView:
        """Read a job as lists show it."""
        details = self.get_job(job_id)
        return JobView.of(
            details.job, details.project, details.executions[-1] if details.executions else None
        )

    def announced(self) -> list[str]:
        """Name the messages of every commit so far."""
        return [message.name for message in self.relay.offered]


def _claim(worker: str, transaction) -> Execution | None:
    return next(iter(transaction.executions.claim_next(worker, LEASE_S)), None)
