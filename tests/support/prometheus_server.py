"""A private Prometheus server."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.support.no_tls import NO_TLS
from tests.support.ports import free_port
from tests.support.processes import ENDS_WITH_ITS_PARENT, eventually

_MISSING = "prometheus is not installed: apt-get install prometheus"


@contextmanager
def prometheus_server(directory: Path, configuration: Mapping[str, Any]) -> Iterator["PrometheusServer"]:
    """Run Prometheus with a configuration; it stores its data in a directory."""
    if shutil.which("prometheus") is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(_MISSING)
    file, port = directory / "prometheus.yaml", free_port()
    file.write_text(yaml.safe_dump(dict(configuration)))
    command = [
        *ENDS_WITH_ITS_PARENT,
        "prometheus",
        f"--config.file={file}",
        f"--storage.tsdb.path={directory / 'data'}",
    ]
    command += [f"--web.listen-address=127.0.0.1:{port}", "--enable-feature=exemplar-storage"]
    with (directory / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        server = PrometheusServer(f"http://127.0.0.1:{port}")
        assert eventually(server.is_ready), (directory / "prometheus.log").read_text()
        yield server
    finally:
        process.kill()
        process.wait()


class PrometheusServer:
    """A running Prometheus."""

    def __init__(self, url: str) -> None:
        self._url = url

    def is_ready(self) -> bool:
        """Return whether the server accepts queries."""
        try:
            return httpx.get(f"{self._url}/-/ready", verify=NO_TLS).is_success
        except httpx.TransportError:
            return False

    def query(self, query: str) -> list[tuple[dict[str, str], float]]:
        """Return the labels and the value of each series of an instant query."""
        found = self._get("query", query=query)["result"]
        return [(series["metric"], float(series["value"][1])) for series in found]

    def exemplars(self, query: str, **bounds: str) -> list[dict[str, str]]:
        """Return the labels of the exemplars of the series of a query."""
        found = self._get("query_exemplars", query=query, **bounds)
        return [exemplar["labels"] for series in found for exemplar in series["exemplars"]]

    def rules(self) -> dict[str, str]:
        """Return the health of each alert: `ok` after an evaluation without an error."""
        groups = self._get("rules")["groups"]
        return {rule["name"]: rule["health"] for group in groups for rule in group["rules"]}

    def _get(self, name: str, **parameters: str) -> Any:
        answer = httpx.get(f"{self._url}/api/v1/{name}", params=parameters, verify=NO_TLS)
        assert answer.is_success, answer.text
        return answer.json()["data"]
