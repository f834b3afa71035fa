"""Placement of the service's parts and of its work, decided once from the settings and the command."""

from dataclasses import dataclass
from enum import Enum, auto

from entrypoints.settings import Settings


class WorkerMode(Enum):
    """Share of the waiting executions that a process runs."""

    NONE = auto()  # none: others run them
    OWN = auto()  # a standalone runner's: only those that this process asked for
    ALL = auto()  # all that wait, and recovery of those that others lost


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """Parts that a process shares with others, and the work that it does.

    Attributes:
        shares_database: The database is a server's, rather than a file of this process's.
        shares_queue: Messages reach other processes.
        uses_runners: Programs run on HTTP runners, rather than in this process's sandbox.
        mode: Executions that this process runs.
        checks_engine: The engine's health counts: an API beside workers leaves their sandbox to them.
        starts_engine: The engine is made ready: a command about jobs that it does not run needs none.
        posts_webhooks: The process posts events to webhooks, as each one does that stays.
    """

    shares_database: bool
    shares_queue: bool
    uses_runners: bool
    mode: WorkerMode
    checks_engine: bool
    starts_engine: bool
    posts_webhooks: bool

    @classmethod
    def of_server(cls, settings: Settings) -> "Topology":
        """Topology of a process that serves the API: with a shared queue, workers run the programs."""
        runs_programs = settings.redis_url is None
        mode = WorkerMode.ALL if runs_programs else WorkerMode.NONE
        return cls._of(settings, mode, checks_engine=settings.uses_runners or runs_programs)

    @classmethod
    def of_worker(cls, settings: Settings) -> "Topology":
        """Topology of a worker process."""
        return cls._of(settings, WorkerMode.ALL)

    @classmethod
    def of_command(cls, settings: Settings, *, runs_programs: bool, asks_engine: bool = False) -> "Topology":
        """Topology of a single command, which leaves other processes' work alone."""
        is_standalone = runs_programs and settings.redis_url is None
        mode = WorkerMode.OWN if is_standalone else WorkerMode.NONE
        return cls._of(settings, mode, starts_engine=runs_programs or asks_engine, posts_webhooks=False)

    @classmethod
    def _of(
        cls,
        settings: Settings,
        mode: WorkerMode,
        *,
        checks_engine: bool = True,
        starts_engine: bool = True,
        posts_webhooks: bool = True,
    ) -> "Topology":
        return cls(
            shares_database=settings.rds_host is not None,
            shares_queue=settings.redis_url is not None,
            uses_runners=settings.uses_runners,
            mode=mode,
            checks_engine=checks_engine,
            starts_engine=starts_engine,
            posts_webhooks=posts_webhooks,
        )

    @property
    def runs_programs(self) -> bool:
        """Whether programs run on this machine: in this process, or in the one whose files a command uses."""
        return not self.uses_runners and (self.mode is not WorkerMode.NONE or not self.shares_queue)

    @property
    def only_runs_programs(self) -> bool:
        """Whether the process runs programs and serves no API."""
        return self.shares_queue and self.mode is WorkerMode.ALL

    @property
    def is_measured(self) -> bool:
        """Whether the process has metrics, as each one does that stays."""
        return self.posts_webhooks

    @property
    def migrates_at_start(self) -> bool:
        """Whether the process migrates the database itself: a shared one waits for `migrate up`."""
        return not self.shares_database

    @property
    def relays_stale_messages(self) -> bool:
        """Whether the process publishes messages that others left in the outbox.

        The publications of a standalone runner reach itself alone.
        """
        return self.shares_queue or self.mode is WorkerMode.ALL
