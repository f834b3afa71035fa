"""The topology of the service, decided once from the settings and the command."""

from dataclasses import dataclass
from enum import Enum, auto

from entrypoints.settings import Settings


class WorkerMode(Enum):
    """The waiting executions that a process runs."""

    NONE = auto()  # none, because other processes run them
    OWN = auto()  # in a standalone runner, only the executions that this process requests
    ALL = auto()  # all waiting executions, with the recovery of orphans


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """The parts that a process shares with others, and the work that it does.

    Attributes:
        shares_database: Whether the database is on a server rather than in a file of this process.
        shares_queue: Whether messages reach other processes.
        uses_runners: Whether programs run on HTTP runners rather than in this process's sandbox.
        mode: The executions that this process runs.
        checks_engine: Whether the health of the engine counts. An API without an engine of its own does not
            check the sandboxes of workers.
        starts_engine: Whether the engine is started. A command that runs no jobs needs none.
        is_long_running: Whether the process serves or works until it is stopped. If so, it posts events to
            webhooks, has metrics and can be traced. A single command does none of this.
    """

    shares_database: bool
    shares_queue: bool
    uses_runners: bool
    mode: WorkerMode
    checks_engine: bool
    starts_engine: bool
    is_long_running: bool

    @classmethod
    def of_server(cls, settings: Settings) -> "Topology":
        """Return the topology of a process that serves the API. With a shared queue, workers run programs."""
        runs_programs = settings.redis_url is None
        mode = WorkerMode.ALL if runs_programs else WorkerMode.NONE
        return cls._of(settings, mode, checks_engine=settings.uses_runners or runs_programs)

    @classmethod
    def of_worker(cls, settings: Settings) -> "Topology":
        """Return the topology of a worker process."""
        return cls._of(settings, WorkerMode.ALL)

    @classmethod
    def of_command(cls, settings: Settings, *, runs_programs: bool, asks_engine: bool = False) -> "Topology":
        """Return the topology of a single command, which does no work of other processes."""
        is_standalone = runs_programs and settings.redis_url is None
        mode = WorkerMode.OWN if is_standalone else WorkerMode.NONE
        return cls._of(settings, mode, starts_engine=runs_programs or asks_engine, is_long_running=False)

    @classmethod
    def _of(
        cls,
        settings: Settings,
        mode: WorkerMode,
        *,
        checks_engine: bool = True,
        starts_engine: bool = True,
        is_long_running: bool = True,
    ) -> "Topology":
        return cls(
            shares_database=settings.rds_host is not None,
            shares_queue=settings.redis_url is not None,
            uses_runners=settings.uses_runners,
            mode=mode,
            checks_engine=checks_engine,
            starts_engine=starts_engine,
            is_long_running=is_long_running,
        )

    @property
    def runs_programs(self) -> bool:
        """Whether programs run on this machine, in this process or in the service that a command manages."""
        return not self.uses_runners and (self.mode is not WorkerMode.NONE or not self.shares_queue)

    @property
    def only_runs_programs(self) -> bool:
        """Whether the process runs programs but serves no API."""
        return self.shares_queue and self.mode is WorkerMode.ALL

    @property
    def migrates_at_start(self) -> bool:
        """Whether the process migrates the database itself. A shared database needs `migrate up`."""
        return not self.shares_database

    @property
    def relays_stale_messages(self) -> bool:
        """Whether the process publishes stale messages, which other processes left in the outbox.

        A standalone runner does not, because its messages reach only itself.
        """
        return self.shares_queue or self.mode is WorkerMode.ALL
