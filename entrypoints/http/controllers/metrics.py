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
    # Given as a media type, the text format would get a second charset from the framework.
    headers = {"Content-Type": exposition.media_type, "Vary": "Accept"}
    return Response(exposition.content, headers=headers)
