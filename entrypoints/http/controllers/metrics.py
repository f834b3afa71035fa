"""The metrics of the process that responds: `/metrics`."""

from litestar import Response, get
from litestar.di import NamedDependency

from domain.caller import Scope
from entrypoints.http.dependencies import Api
from entrypoints.http.json_request import JsonRequest
from entrypoints.metrics_format import wants_openmetrics


@get("/metrics", sync_to_thread=True, include_in_schema=False, scope=Scope.CLUSTER_READ)
def read_metrics(request: JsonRequest, api: NamedDependency[Api]) -> Response[bytes]:
    """Respond with the metrics of this process in a format of Prometheus."""
    accept = request.headers.get("accept")
    exposition = api.measurements.expose(as_openmetrics=wants_openmetrics(accept))
    return Response(exposition.content, media_type=exposition.media_type, headers={"Vary": "Accept"})
