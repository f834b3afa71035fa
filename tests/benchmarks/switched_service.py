"""The processor time that a service needs for an upload, with and without one of its parts."""

import multiprocessing
import socket
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import c_bool
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.sharedctypes import RawValue
from pathlib import Path
from threading import Thread
from typing import TypeAlias

from domain.limits import STANDARD_LIMITS
from entrypoints.container import Container, build_container
from entrypoints.http.app import create_app
from entrypoints.http.server import HttpServer
from entrypoints.http.site import Site
from tests.benchmarks.bench_api import PROGRAM, Caller
from tests.support.scripted_engine import ScriptedEngine
from tests.support.settings import settings_of

# Installs a part with a switch in a service; returns a function that completes the part's deferred work.
Install: TypeAlias = Callable[[Container, c_bool], Callable[[], object]]


@dataclass(frozen=True)
class SwitchedService:
    """A service in a separate process, embedded on SQLite, and the switch of its part."""

    pid: int
    call: Caller
    is_on: c_bool
    flushes: Connection

    def upload(self, times: int, *, with_part: bool) -> float:
        """Upload programs; return the service's processor time per upload, in seconds."""
        self.is_on.value = with_part
        begin = self.processor_s()
        for _ in range(times):
            self.call("POST", "/api/upload", PROGRAM)
        self.flushes.send(None)
        self.flushes.recv()
        return (self.processor_s() - begin) / times

    def processor_s(self) -> float:
        """Return the processor time of the process, to the nanosecond (clock_getcpuclockid(3))."""
        return time.clock_gettime((~self.pid << 3) | 2)

    def compare(self, rounds: int, times: int) -> tuple[float, float]:
        """Return the processor time of an upload in microseconds, with the part and without it.

        The two alternate, each first in every other round. Only the fastest quarter of the rounds counts,
        because other load on the host slows some of them by much more than the expected difference.
        """
        for _ in range(max(rounds // 10, 1)):
            self.upload(times, with_part=True)
        taken: dict[bool, list[float]] = {True: [], False: []}
        for number in range(rounds):
            for with_part in (number % 2 == 0, number % 2 == 1):
                taken[with_part].append(self.upload(times, with_part=with_part))
        return 1e6 * _fastest(taken[True]), 1e6 * _fastest(taken[False])


def _fastest(times: list[float]) -> float:
    """Return the mean of the fastest quarter."""
    return statistics.fmean(sorted(times)[: max(len(times) // 4, 1)])


@contextmanager
def switched_service(install: Install) -> Iterator[SwitchedService]:
    """Run a service with a part that has a switch."""
    is_on = RawValue(c_bool, 1)
    listener = socket.create_server(("127.0.0.1", 0))
    flushes, its_flushes = multiprocessing.Pipe()
    with tempfile.TemporaryDirectory() as name:
        arguments = (Path(name), listener, install, is_on, its_flushes)
        process = multiprocessing.get_context("fork").Process(target=_serve, args=arguments)
        process.start()
        port = listener.getsockname()[1]
        # Only the other process has these open from here on, so a call to it fails once it has ended.
        listener.close()
        its_flushes.close()
        try:
            assert process.pid is not None
            yield SwitchedService(process.pid, Caller(port), is_on, flushes)
        finally:
            process.terminate()
            process.join()


def _serve(
    directory: Path, listener: socket.socket, install: Install, is_on: c_bool, flushes: Connection
) -> None:
    settings = settings_of(data_dir=directory, sqlite_synchronous="normal")
    container = build_container(settings, STANDARD_LIMITS)
    container.engine.override(ScriptedEngine())
    flush = install(container, is_on)

    def answer() -> None:
        while True:
            flushes.recv()
            flush()
            flushes.send(None)

    background = container.background_services()
    background.start()
    Thread(target=answer, daemon=True).start()
    try:
        services = container.services()
        site = Site.of(settings, services)
        app = create_app(settings, STANDARD_LIMITS, container.ports(), services, site)
        HttpServer(app).run([listener])
    finally:
        background.stop()
