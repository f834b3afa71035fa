"""Reverse proxies for this service, on free ports and in their own directories."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.ports import free_port

GUARDED = "/api/projects"  # answered by the proxy itself, with 401
_START_S = 90

# The usual configuration for WebSockets, and request bodies that are forwarded without buffering.
_NGINX = """
daemon off; master_process off; pid {directory}/pid; error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi; uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
    upstream service {{ server 127.0.0.1:{service}; keepalive 1; }}
    server {{
        listen 127.0.0.1:{port};
        proxy_http_version 1.1;
        proxy_request_buffering off;
        proxy_set_header Host $http_host;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection "upgrade";
        location / {{ proxy_pass http://service; }}
        location {guarded} {{ return 401; }}
    }}
}}
"""
_HAPROXY = """
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
    http-reuse always
frontend front
    bind 127.0.0.1:{port}
    http-request deny deny_status 401 if {{ path_beg {guarded} }}
    default_backend service
backend service
    server service 127.0.0.1:{service}
"""
_PROXIES = {
    "nginx": (_NGINX, ["nginx", "-p", "{directory}", "-c", "{file}", "-e", "stderr"], "nginx-light"),
    "haproxy": (_HAPROXY, ["haproxy", "-db", "-f", "{file}"], "haproxy"),
}


@contextmanager
def proxy(name: str, service: int) -> Iterator[httpx.URL]:
    """Run a proxy for a service that listens on a port of this host; yield the proxy's address."""
    configuration, command, package = _PROXIES[name]
    if _program(name) is None:
        missing = f"{name} is not installed: apt-get install {package}"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(missing)
    with tempfile.TemporaryDirectory() as directory:
        port = free_port()
        file = Path(directory) / "configuration"
        values = {"directory": directory, "file": file, "guarded": GUARDED, "port": port, "service": service}
        file.write_text(configuration.format(**values))
        arguments = [argument.format(**values) for argument in command[1:]]
        with _running([_program(name), *arguments], Path(directory) / "log", port):
            yield httpx.URL(f"http://127.0.0.1:{port}")


def _program(name: str) -> str | None:
    # Debian installs servers in directories that may not be in a user's PATH.
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))


@contextmanager
def _running(command: Sequence[str], log: Path, port: int) -> Iterator[None]:
    with log.open("w") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            deadline = time.monotonic() + _START_S
            while not _listens(port):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.01)
            yield
        finally:
            process.kill()


def _listens(port: int) -> bool:
    with closing(socket.socket()) as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0
