"""A real Prometheus scrapes a service, by the configuration in `deploy/prometheus`."""

import json
import re
import time

import httpx
import pytest
import yaml

from tests.support import service
from tests.support.keys import bearer
from tests.support.no_tls import NO_TLS
from tests.support.ports import free_port
from tests.support.processes import eventually
from tests.support.prometheus_server import prometheus_server

DEPLOYED = service.ROOT / "deploy" / "prometheus"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
def configuration(tmp_path):
    """The deployed configuration with times of a second, and targets of this machine."""
    rules = (DEPLOYED / "alerts.yaml").read_text()
    (tmp_path / "alerts.yaml").write_text(re.sub(r"\bfor: \w+", "for: 1s", rules))
    configuration = yaml.safe_load((DEPLOYED / "prometheus.yaml").read_text())
    configuration["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}

    def of(own_port, api_url, key):
        by_port, by_key = configuration["scrape_configs"]
        (tmp_path / "key").write_text(key)
        by_port["static_configs"] = [{"targets": [f"127.0.0.1:{own_port}"]}]
        by_key["static_configs"] = [{"targets": [api_url.removeprefix("http://")]}]
        by_key["authorization"]["credentials_file"] = str(tmp_path / "key")
        return configuration

    return of


def test_prometheus_scrapes_a_service_on_both_ports_and_evaluates_the_alerts(tmp_path, configuration):
    port = free_port()
    settings = {"SERVICE_SERVER_AUTH": "keys", "SERVICE_SERVER_METRICS_PORT": port}
    env = service.environment(tmp_path / "service", **settings)
    key = json.loads(service.run("setup", "--json", env=env).stdout)["key"]
    with service.served(env, port=free_port()) as server:
        assert f"metrics are served on 127.0.0.1:{port}/metrics" in server.output
        http = httpx.Client(base_url=server.url, verify=NO_TLS, timeout=120)
        http.headers.update({**bearer(key), "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"})
        with http, prometheus_server(tmp_path, configuration(port, server.url, key)) as prometheus:
            begin = time.time()
            body = {"project": "demo", "code": "print(1)", "language": "python", "execute": True}
            job_id = http.post("/api/upload", json=body).raise_for_status().json()["job_id"]
            http.get(f"/api/jobs/{job_id}/status", params={"wait": 60}).raise_for_status()

            def ended():
                return prometheus.query('service_server_jobs_ended_total{status="SUCCESS"}')

            # Of one job, though by two ways: of the process's own port, and of the API's with a key.
            assert eventually(lambda: len(ended()) == 2)
            assert {labels["job"] for labels, _value in ended()} == {"service-server"}
            assert {value for _labels, value in ended()} == {1.0}
            assert [value for _labels, value in prometheus.query("up")] == [1.0, 1.0]
            [(_labels, uploads)] = prometheus.query(
                'max(service_server_http_requests_total{route="POST /api/upload", status_class="2xx"})'
            )
            assert uploads == 1
            exemplars = prometheus.exemplars(
                "service_server_http_request_duration_seconds_bucket",
                start=str(begin - 60),
                end=str(time.time() + 60),
            )
            assert {"trace_id": TRACE} in exemplars
            assert eventually(lambda: set(prometheus.rules().values()) == {"ok"})

            def firing():
                alerts = prometheus.query('ALERTS{alertstate="firing"}')
                return {labels["alertname"] for labels, _value in alerts}

            # A service that is well raises no alarm; one that was killed does, until it is back.
            assert firing() == set()
            server.process.kill()
            assert eventually(lambda: firing() == {"ServiceServerProcessDown"})
            server.process.start()
            assert eventually(lambda: firing() == set())
