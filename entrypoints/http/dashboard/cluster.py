"""The page of the cluster: engine, queue and outcomes."""

from collections.abc import Sequence
from datetime import datetime

from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.params import FromQuery

from application.errors import DependencyUnavailable, NotFound
from application.ports.cluster_history import ClusterSample
from application.queries.cluster_reader import MAX_JOBS, ClusterReader, EngineState, OutcomeSlice
from application.use_cases.check_health import DependencyHealth
from domain.caller import Scope
from domain.catalogue.figures import NOTHING
from domain.catalogue.text import Text, text
from entrypoints.http.dashboard import formatting
from entrypoints.http.dashboard.pages import Pages
from entrypoints.http.dependencies import Api
from entrypoints.http.json_request import AnyRequest

# The ranges of the charts, in minutes, and the names of their texts.
RANGES = ((60, "hour"), (24 * 60, "day"), (7 * 24 * 60, "week"), (30 * 24 * 60, "month"))


class ClusterPages(Controller):
    """The cluster: engine, queue and outcomes."""

    path = "/cluster"

    @get(sync_to_thread=True, scope=Scope.CLUSTER_READ)
    def show(
        self,
        request: AnyRequest,
        pages: NamedDependency[Pages],
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
            },
        )

    @get("/state", sync_to_thread=True, scope=Scope.CLUSTER_READ)
    def state(
        self,
        request: AnyRequest,
        pages: NamedDependency[Pages],
        api: NamedDependency[Api],
    ) -> Response[bytes]:
        """Show the engine and the queue, alone."""
        return pages.part(request, "_cluster.html", _context(api))

    @get("/outcomes", sync_to_thread=True, scope=Scope.CLUSTER_READ)
    def outcomes(
        self,
        api: NamedDependency[Api],
        minutes: FromQuery[int] = 60,
    ) -> list[dict[str, float | int | None]]:
        """Return the data of the charts of outcomes."""
        return list(map(_point, api.services.cluster_reader.outcomes(minutes)))

    @get("/history", sync_to_thread=True, scope=Scope.CLUSTER_READ)
    def history(self, api: NamedDependency[Api], minutes: FromQuery[int] = 60) -> dict[str, object]:
        """Return the data of the charts of the queue and of the machines."""
        history = api.services.cluster_history_reader(minutes)
        return {"step_s": history.step_s, "samples": [_sample(*at_begin) for at_begin in history.samples]}


def _context(api: Api) -> dict[str, object]:
    state, health = api.services.cluster_reader.engine(), api.services.check_health()
    return {
        "engine": state,
        "dependencies": health,
        "oldest": _age(state.queue.oldest_waits_since, api.clock.now()),
        "why": None if state.queue.oldest_waits_since is None else _why(state, health),
    }


def _why(state: EngineState, health: Sequence[DependencyHealth]) -> Text:
    """Return the cause of the longest wait."""
    if not all(part.is_healthy for part in health if part.name == "engine"):
        return text("cluster.why_engine_down")
    is_full = state.queue.claimed >= state.slots
    return text("cluster.why_slots_full") if is_full else text("cluster.why_next")


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
