"""The page of the cluster: engine, queue and outcomes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.params import FromQuery

from application.errors import DependencyUnavailable, NotFound
from application.ports.cluster_history import ClusterSample
from application.ports.dashboard_queries import QueuedJob
from application.queries.cluster_reader import MAX_JOBS, ClusterReader, OutcomeSlice
from application.queries.queue_reader import MAX_LISTED
from application.queries.wait_causes import Capacity, ExplainedWait
from application.use_cases.check_health import DependencyHealth
from domain.caller import Caller, Scope
from domain.catalogue.figures import NOTHING
from domain.catalogue.text import Text, text
from domain.execution_lifecycle import DELEGATE_PREFIX, SPOOL_PREFIX
from domain.job_lifecycle import JobStatus, State
from entrypoints.http.dashboard import formatting
from entrypoints.http.dashboard.pages import Pages
from entrypoints.http.dependencies import Api
from entrypoints.http.json_request import AnyRequest

# The ranges of the charts in minutes, with the names of their texts.
RANGES = ((60, "hour"), (24 * 60, "day"), (7 * 24 * 60, "week"), (30 * 24 * 60, "month"))


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRow:
    """A running or waiting job.

    Attributes:
        is_own: Whether the job belongs to the visitor's tenant.
        holder: The worker or engine that runs the job; empty if it waits.
    """

    job: QueuedJob
    is_own: bool
    state: State
    holder: str
    place: int | None
    wait: ExplainedWait | None

    @classmethod
    def of(
        cls, caller: Caller, job: QueuedJob, place: int | None = None, wait: ExplainedWait | None = None
    ) -> Self:
        """Present a job to a caller."""
        return cls(
            job=job,
            is_own=job.tenant == caller.tenant.name,
            state=State.of(JobStatus.RUNNING, job.phase),
            holder=(job.claimed_by or "").removeprefix(DELEGATE_PREFIX).removeprefix(SPOOL_PREFIX),
            place=place,
            wait=wait,
        )


class ClusterPages(Controller):
    """The cluster: engine, queue and outcomes."""

    path = "/cluster"

    @get(sync_to_thread=True, scope=Scope.CLUSTER_READ)
    def show(
        self,
        request: AnyRequest,
        pages: NamedDependency[Pages],
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> Response[bytes]:
        """Show the cluster."""
        cluster = api.settings.cluster_name
        return pages.page(
            request,
            "cluster.html",
            {
                "cluster": cluster,
                "metric_names": _metric_names(api.services.cluster_reader, cluster),
                "version": "",
                "runtimes": api.services.cluster_reader.runtimes(),
                "measured_jobs": MAX_JOBS,
                "ranges": RANGES,
                **_context(api),
                **_queue(api, caller),
            },
        )

    @get("/state", sync_to_thread=True, scope=Scope.CLUSTER_READ)
    def state(
        self,
        request: AnyRequest,
        pages: NamedDependency[Pages],
        api: NamedDependency[Api],
    ) -> Response[bytes]:
        """Show only the engine and the queue."""
        return pages.part(request, "_cluster.html", _context(api))

    @get("/queue", sync_to_thread=True, scope=Scope.CLUSTER_READ)
    def queue(
        self,
        request: AnyRequest,
        pages: NamedDependency[Pages],
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> Response[bytes]:
        """Show only the running and the waiting jobs."""
        return pages.part(request, "_queue.html", _queue(api, caller))

    @get("/outcomes", sync_to_thread=True, scope=Scope.CLUSTER_READ)
    def outcomes(
        self,
        api: NamedDependency[Api],
        minutes: FromQuery[int] = 60,
    ) -> list[dict[str, float | int | None]]:
        """Return the data for the charts of outcomes."""
        return list(map(_point, api.services.cluster_reader.outcomes(minutes)))

    @get("/history", sync_to_thread=True, scope=Scope.CLUSTER_READ)
    def history(self, api: NamedDependency[Api], minutes: FromQuery[int] = 60) -> dict[str, object]:
        """Return the data for the charts of the queue and the hosts."""
        history = api.services.cluster_history_reader(minutes)
        return {"step_s": history.step_s, "samples": [_sample(*at_begin) for at_begin in history.samples]}


def _context(api: Api) -> dict[str, object]:
    state, health = api.services.cluster_reader.engine(), api.services.check_health()
    capacity = api.services.wait_causes.capacity()
    return {
        "capacity": capacity,
        "engine": state,
        "dependencies": health,
        "oldest": _age(state.queue.oldest_waits_since, api.clock.now()),
        "why": None if state.queue.oldest_waits_since is None else _why(health, capacity),
    }


def _queue(api: Api, caller: Caller) -> dict[str, object]:
    if not caller.has(Scope.JOBS_READ):
        return {"rows": [], "may_list": False, "listed": None, "shows_tenants": False}
    queue = api.services.queue_reader(caller)
    is_cut = MAX_LISTED in {len(queue.running), len(queue.waiting)}
    return {
        "rows": [
            *(QueueRow.of(caller, job) for job in queue.running),
            *(QueueRow.of(caller, one.job, one.place, one.wait) for one in queue.waiting),
        ],
        "may_list": True,
        "listed": MAX_LISTED if is_cut else None,
        "shows_tenants": caller.has(Scope.ADMIN),
    }


def _why(health: Sequence[DependencyHealth], capacity: Capacity) -> Text | None:
    """Return the reason why no execution of any tenant starts, or None if there is none."""
    if not all(part.is_healthy for part in health if part.name == "engine"):
        return text("cluster.why_engine_down")
    if not capacity.workers:
        return text("cluster.why_no_worker")
    is_full = capacity.claimed >= capacity.slots
    return text("cluster.why_slots_full", count=capacity.slots) if is_full else None


def _age(since: datetime | None, now: datetime) -> str:
    return NOTHING if since is None else formatting.between(since, now)


def _metric_names(cluster_reader: ClusterReader, cluster: str) -> list[str]:
    try:
        return list(cluster_reader.metric_names(cluster))
    except (DependencyUnavailable, NotFound):
        return []


def _sample(begin: datetime, sample: ClusterSample) -> dict[str, float | int | None]:
    return {
        "at": begin.timestamp(),
        "waiting": sample.waiting,
        "running": sample.running,
        "age": sample.oldest_wait_ms,
        "cpu": sample.cpu_percent,
        "memory": sample.memory_percent,
    }


def _point(measured: OutcomeSlice) -> dict[str, float | int | None]:
    rate = measured.success_rate
    return {
        "at": measured.begin.timestamp(),
        "jobs": measured.jobs,
        "success": None if rate is None else round(rate * 100, 1),
        "wait": measured.wait_ms,
        "median": measured.median_ms,
        "high": measured.p95_ms,
    }
