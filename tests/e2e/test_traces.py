"""One trace of a job through all processes: an API, a worker, a runner and a receiver of webhooks."""

import httpx
import pytest

from tests.support import moto_server, service
from tests.support.buckets import client_of
from tests.support.cluster import Cluster, running_servers
from tests.support.database_server import directory_in_memory
from tests.support.no_tls import NO_TLS
from tests.support.otlp_receiver import otlp_receiver
from tests.support.ports import free_port
from tests.support.processes import eventually
from tests.support.receiver import receiver

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARTS = {
    "POST /api/upload",
    "wake workers",
    "run execution",
    "claim",
    "engine",
    "GET",
    "run program",
    "complete execution",
    "POST webhook",
    "put code store",
    "RPUSH",
}


@pytest.fixture(scope="module")
def servers():
    with directory_in_memory() as directory, running_servers(directory) as servers:
        yield servers


def test_a_job_is_one_trace_from_the_request_to_the_webhook(servers, tmp_path):
    traced = {"traceparent": f"00-{TRACE}-{CALLER}-01", "tracestate": "vendor=1"}
    with otlp_receiver() as collector, receiver() as target:
        settings = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
            "SERVICE_SERVER_WEBHOOK_ALLOW_PRIVATE": "true",
        }
        with Cluster(tmp_path / "traces", servers, **settings) as cluster:
            cluster.start(apis=1, workers=1)
            with httpx.Client(base_url=cluster.urls[0], headers=traced, verify=NO_TLS, timeout=120) as http:
                body = {"project": "p", "code": "print('hush')", "language": "python", "execute": True}
                answer = http.post("/api/upload", json={**body, "callback_url": target.url})
                job_id = answer.raise_for_status().json()["job_id"]
                http.get(f"/api/jobs/{job_id}/status", params={"wait": 60}).raise_for_status()
            assert eventually(lambda: target.of_job(job_id))

            def found():
                return {span.name: span for span in collector.of_trace(TRACE)}

            assert eventually(lambda: found().keys() >= PARTS), found().keys()

    spans, ids = found(), {span.id for span in collector.of_trace(TRACE)}
    # Each span has its parent in the trace, and the request has the caller's.
    assert {span.parent for span in collector.of_trace(TRACE)} <= ids | {CALLER}
    request, run = spans["POST /api/upload"], spans["run execution"]
    assert request.parent == CALLER
    assert {spans[name].parent for name in ("wake workers", "run execution", "POST webhook")} == {request.id}
    assert request.resource["service.instance.id"] != run.resource["service.instance.id"]
    assert spans["GET"].parent == spans["run program"].parent == spans["engine"].id
    # The runner and the receiver go on with it.
    [ran] = servers.runner.asked("/run")
    assert ran.headers["traceparent"] == f"00-{TRACE}-{spans['GET'].id}-01"
    assert ran.headers["tracestate"] == "vendor=1"
    [posted] = target.of_job(job_id)
    assert posted.headers["traceparent"] == f"00-{TRACE}-{spans['POST webhook'].id}-01"
    # Statements of both processes are in it, and no program.
    assert len([name for name in spans if name.startswith(("SELECT", "INSERT", "UPDATE"))]) >= 3
    assert not any(b"hush" in span.span.SerializeToString() for span in collector.spans)
    # What belongs to no request began no trace.
    assert {span.trace_id for span in collector.spans} == {TRACE}


def test_the_objects_of_a_job_in_s3_are_spans_of_the_request_and_of_the_run(moto_address, tmp_path):
    # Given a service that keeps code and logs in S3
    store = {
        "AWS_CODE_BUCKET": "traced-code",
        "AWS_LOG_BUCKET": "traced-logs",
        "AWS_ENDPOINT_URL": moto_address,
        "AWS_ACCESS_KEY_ID": moto_server.ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": moto_server.SECRET_ACCESS_KEY,
    }
    s3 = client_of(moto_address, moto_server)
    for bucket in ("traced-code", "traced-logs"):
        s3.create_bucket(Bucket=bucket)
    with otlp_receiver() as collector:
        traces = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
        env = service.environment(tmp_path, **store, **traces)
        with service.served(env, port=free_port()) as server:
            # When a program is uploaded and run, in a trace that its caller samples
            with httpx.Client(base_url=server.url, verify=NO_TLS, timeout=120) as http:
                http.headers["traceparent"] = f"00-{TRACE}-{CALLER}-01"
                body = {"project": "p", "code": "print(1)", "language": "python", "execute": True}
                job_id = http.post("/api/upload", json=body).raise_for_status().json()["job_id"]
                job = http.get(f"/api/jobs/{job_id}/status", params={"wait": 60}).raise_for_status().json()
            assert job["status"] == "SUCCESS"

            def found():
                return {span.name: span for span in collector.of_trace(TRACE)}

            # Then the trace has each object, below the span of the work that wrote or read it
            parts = {"put code store", "get code store", "put log store", "POST /api/upload", "run execution"}
            assert eventually(lambda: found().keys() >= parts), found().keys()
    spans = found()
    assert {spans[name].kind for name in ("put code store", "get code store", "put log store")} == {"CLIENT"}
    assert spans["put code store"].parent == spans["POST /api/upload"].id
    by_id = {span.id: span for span in collector.of_trace(TRACE)}
    for name in ("get code store", "put log store"):
        assert "run execution" in set(_above(spans[name], by_id)), name
    assert s3.list_objects_v2(Bucket="traced-code")["KeyCount"] == 1


def _above(span, by_id):
    """Yield the names of the spans that a span is below."""
    while (span := by_id.get(span.parent)) is not None:
        yield span.name
