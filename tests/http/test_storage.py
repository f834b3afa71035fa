"""A request that waits for an object store holds up no other."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta

import httpx

from adapters.filesystem.object_store import FilesystemObjectStore
from tests.http.support import poll, serving
from tests.support.s3_stub import S3Stub
from tests.support.scripted_engine import echo
from tests.support.tcp_proxy import TcpProxy, Traffic

PROGRAM = {"project": "demo", "code": "print(1)", "language": "python"}


class SigningStore(FilesystemObjectStore):
    """Notes whether an address was asked for where it holds up every caller: on the event loop."""

    def __init__(self, directory):
        super().__init__(directory, "http://127.0.0.1")
        self.signed_on_loop = []

    def url(self, key):
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            self.signed_on_loop.append(False)
        else:
            self.signed_on_loop.append(True)
        return super().url(key)


def answers(service):
    """Ask every way for a job that has ended."""
    job_id = service.run(stdin="x")["job_id"]
    yield service.http.post("/api/upload", params={"wait": 20}, json={**PROGRAM, "execute": True})
    for path in ("status", "events", "output"):
        yield service.http.get(f"/api/jobs/{job_id}/{path}")
    yield service.http.get(f"/api/jobs/{job_id}")
    yield service.http.get("/api/jobs", params={"limit": 1})


def test_no_address_is_signed_on_the_event_loop(tmp_path):
    signing_store = SigningStore(tmp_path / "logs")
    with serving(tmp_path, lambda container: container.log_store.override(signing_store)) as service:
        service.engine.program = echo
        assert all("logs_url" in answer.text for answer in answers(service))
    assert len(signing_store.signed_on_loop) >= 7
    assert not any(signing_store.signed_on_loop)


@contextmanager
def on_s3(data_dir, **settings):
    """Serve from an S3 that can be silenced."""
    with S3Stub() as stub, TcpProxy(stub.port) as proxy:
        access = {"aws_access_key_id": "local", "aws_secret_access_key": "local"}
        address = {"aws_endpoint_url": f"http://127.0.0.1:{proxy.port}", "code_bucket": "code"}
        with serving(data_dir, **access, **address, **settings) as service:
            yield service, proxy


def test_a_silent_object_store_keeps_no_other_caller_waiting(tmp_path, monkeypatch):
    monkeypatch.setattr("entrypoints.container._CODE_TIMEOUT_S", 3.0)
    with on_s3(tmp_path) as (service, proxy), ThreadPoolExecutor(36) as callers:
        # Given a job, and then an S3 that says nothing to more uploads than there are threads of any kind
        job_id = service.upload()["job_id"]
        proxy.traffic = Traffic.STALLS
        url = f"{service.http.base_url}/api/upload"
        uploads = [callers.submit(httpx.post, url, json=PROGRAM, timeout=60) for _ in range(36)]
        poll(lambda: len(proxy.writers) >= 16)
        # When others ask for what needs no S3
        for path in (f"/api/jobs/{job_id}/status", "/api/jobs", "/api/projects"):
            assert service.http.get(path).status_code == 200
        # Then they are answered while all of those wait
        assert not any(upload.done() for upload in uploads)
        # And the uploads are refused, all of them in the time that a few tries of one take, and no queue
        assert {upload.result().status_code for upload in uploads} == {503}
        assert max(upload.result().elapsed for upload in uploads) < timedelta(seconds=30)
        assert all(upload.result().headers["Retry-After"] for upload in uploads)
