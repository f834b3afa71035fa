"""A run whose supervisor lacks something while it goes on."""

import errno
import os
import resource
import select
import socket
import time
from contextlib import suppress
from dataclasses import replace

import pytest

from adapters.local_engine.sandbox.supervisor import run as run_module
from adapters.local_engine.sandbox.supervisor.cgroups import CgroupPlan
from adapters.local_engine.sandbox.supervisor.event_loop import EventLoop
from adapters.local_engine.sandbox.supervisor.protocol import (
    MAX_MESSAGE_BYTES,
    START,
    ResourceLimits,
    RunEvent,
    SpawnRequest,
    Status,
)
from adapters.local_engine.sandbox.supervisor.run import Run
from adapters.local_engine.sandbox.supervisor.spawner import Spawned
from adapters.local_engine.sandbox.supervisor.status_pipe import StatusPipe
from adapters.local_engine.sandbox.supervisor.usage_sampler import tree
from tests.support.processes import eventually

_NONE_LEFT = OSError(errno.EMFILE, os.strerror(errno.EMFILE))
_LIMITS = ResourceLimits(timeout_ms=60_000, cpu_time_ms=60_000, memory_mb=64, processes=8)


class _Sleeps:
    """Starts a process that does nothing for as long as a test may take; has its ends of the pipes."""

    def __init__(self, *command):
        self._command = command or ("/bin/sleep", "60")
        self.status = -1
        self.start = -1
        self.released = []

    def spawn(self, _order, _inherited, _entrances):
        pid = os.posix_spawn(self._command[0], self._command, {}, setsid=True)
        status, self.status = os.pipe()
        os.set_blocking(status, False)
        self.start, start = os.pipe()
        os.set_blocking(self.start, False)
        return Spawned(pid, os.pidfd_open(pid), status, start)

    def release(self, spawned):
        self.released.append(spawned.pid)

    def report(self, *statuses):
        """Write to the status pipe."""
        os.write(self.status, "".join(f"{status.line}\n" for status in statuses).encode())

    def words(self):
        """Return the bytes from the start pipe."""
        with suppress(BlockingIOError):
            return os.read(self.start, 64)
        return b""

    def close(self):
        os.close(self.status)
        os.close(self.start)


class _Supervision:
    """A supervisor's handling of a run, with any number of failures."""

    def __init__(self, failures):
        self.failures = failures
        self.has_ended = False

    def on_quiet(self, run):
        if self.failures:
            raise self.failures.pop()
        self.has_ended = run.reap_orphans(set())
        if self.has_ended:
            run.finish()


@pytest.fixture
def control_socket():
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours:
        yield ours, theirs.detach()


def _run(control_socket, supervision, watch, spawner, discarded, cgroup=None, *, limits=_LIMITS, **options):
    request = SpawnRequest(argv=["sleep"], env={}, directory="/", limits=limits, cgroup=cgroup, **options)
    nothing = [os.open(os.devnull, os.O_RDWR) for _ in range(3)]
    return Run(
        "run", request, [control_socket, *nothing], spawner, watch, supervision.on_quiet, discarded.append
    )


def _serve(run, supervision, watch):
    until = time.monotonic() + 5
    while not supervision.has_ended and time.monotonic() < until:
        watch.wait(max(0.0, min(run.next_look, until) - time.monotonic()))
        run.look(time.monotonic())


def _events(ours):
    with suppress(ConnectionResetError):
        while data := ours.recv(MAX_MESSAGE_BYTES):
            yield RunEvent.decode(data)


def test_an_end_that_cannot_be_seen_to_is_seen_to_later(control_socket):
    ours, theirs = control_socket
    supervision, watch, spawner = _Supervision([_NONE_LEFT] * 3), EventLoop(), _Sleeps()
    run = _run(theirs, supervision, watch, spawner, [])
    spawner.report(Status.READY)
    watch.wait(90)
    run.kill()

    _serve(run, supervision, watch)

    ready, last = _events(ours)
    assert ready.status is Status.READY
    assert (last.status, last.was_ready, last.error) == (Status.ENDED, True, "")
    assert spawner.released == [run.pid]
    spawner.close()


@pytest.mark.parametrize(
    ("reports", "in_build", "was_ready"),
    [
        ([], False, False),
        ([[Status.BUILDING]], True, False),
        ([[Status.BUILDING, Status.BUILT]], False, False),
        ([[Status.BUILDING], [Status.BUILT], [Status.READY]], False, True),
        ([[Status.BUILT, Status.READY]], False, True),  # the compiler has read the first one
    ],
)
def test_the_status_pipe_reports_how_far_a_program_has_come(control_socket, reports, in_build, was_ready):
    ours, theirs = control_socket
    supervision, watch, spawner = _Supervision([]), EventLoop(), _Sleeps()
    run = _run(theirs, supervision, watch, spawner, [])
    for statuses in reports:
        spawner.report(*statuses)
        watch.wait(90)
    run.kill()

    _serve(run, supervision, watch)

    *_, last = _events(ours)
    assert (last.in_build, last.was_ready) == (in_build, was_ready)
    spawner.close()


@pytest.mark.parametrize("comes_early", [False, True])
def test_a_program_starts_once_it_is_ready_and_the_engine_says_so(control_socket, comes_early):
    ours, theirs = control_socket
    supervision, watch, spawner = _Supervision([]), EventLoop(), _Sleeps()
    run = _run(theirs, supervision, watch, spawner, [])
    steps = [lambda: spawner.report(Status.READY), lambda: ours.send(START)]
    told = []
    for step in reversed(steps) if comes_early else steps:
        told.append(spawner.words())
        step()
        watch.wait(90)
    told.append(spawner.words())
    ours.send(START)
    watch.wait(90)
    told.append(spawner.words())
    run.kill()
    _serve(run, supervision, watch)

    assert told == [b"", b"", b"\n", b""]
    assert [event.status for event in _events(ours)] == [Status.READY, Status.ENDED]
    spawner.close()


@pytest.mark.parametrize("reports_usage", [True, False])
def test_a_program_that_runs_is_reported_of_where_the_engine_wants_to_know(
    control_socket, monkeypatch, reports_usage
):
    monkeypatch.setattr(run_module, "_USAGE_INTERVAL_S", 0.01)
    ours, theirs = control_socket
    supervision, watch, spawner = _Supervision([]), EventLoop(), _Sleeps()
    run = _run(theirs, supervision, watch, spawner, [], reports_usage=reports_usage)
    ours.send(START)
    spawner.report(Status.READY)
    watch.wait(90)
    assert RunEvent.decode(ours.recv(MAX_MESSAGE_BYTES)).status is Status.READY

    def look_until(is_over):
        until = time.monotonic() + 90
        while not is_over() and time.monotonic() < until:
            watch.wait(0.001)
            run.look(time.monotonic())

    if reports_usage:
        # A message that the engine does not take is not followed by others.
        began = time.monotonic()
        look_until(lambda: time.monotonic() > began + 0.2)
        usage = RunEvent.decode(ours.recv(MAX_MESSAGE_BYTES))
        assert (usage.status, usage.processes, usage.error) == (Status.USAGE, None, "")
        assert usage.wall_ms >= 10
        look_until(lambda: select.select([ours], [], [], 0)[0])
        later = RunEvent.decode(ours.recv(MAX_MESSAGE_BYTES))
        assert later.wall_ms > usage.wall_ms + 100
        assert later.tree_memory_kb > 0
    run.kill()
    _serve(run, supervision, watch)

    assert [event.status for event in _events(ours)] == [Status.ENDED]
    spawner.close()


def test_a_prewarmed_program_starts_with_the_limits_of_its_job(control_socket):
    ours, theirs = control_socket
    spawner = _Sleeps("/bin/sh", "-c", "sleep 60 & wait")
    supervision, watch = _Supervision([]), EventLoop()
    run = _run(theirs, supervision, watch, spawner, [], is_prewarmed=True)
    assert eventually(lambda: len(list(tree(run.pid))) > 1)
    _, inside = tree(run.pid)
    limits = replace(_LIMITS, rlimits={"NOFILE": (9, 9)})
    steps = [
        lambda: spawner.report(Status.WAITING),
        lambda: ours.send(limits.encode()),
        lambda: spawner.report(Status.READY),
    ]
    told = []
    for step in steps:
        step()
        watch.wait(90)
        told.append(spawner.words())
    limited = resource.prlimit(inside, resource.RLIMIT_NOFILE)
    run.kill()
    _serve(run, supervision, watch)

    assert told == [b"", b"\n", b""]
    assert limited == (9, 9)
    statuses = [event.status for event in _events(ours)]
    assert statuses == [Status.WAITING, Status.READY, Status.ENDED]
    spawner.close()


def test_the_deadline_of_a_program_that_waits_for_work_moves_when_it_comes(control_socket):
    ours, theirs = control_socket
    supervision, watch, spawner = _Supervision([]), EventLoop(), _Sleeps()
    run = _run(theirs, supervision, watch, spawner, [])
    steps = [
        lambda: spawner.report(Status.READY),
        lambda: ours.send(START),
        lambda: ours.send(replace(_LIMITS, timeout_ms=50).encode()),
    ]
    for step in steps:
        step()
        watch.wait(90)

    _serve(run, supervision, watch)

    *_, last = _events(ours)
    assert last.limit == "timeout_ms"
    spawner.close()


@pytest.mark.parametrize(
    "forged",
    [
        b"Killed\n",
        b'{"status":"ready"}\n{"status":"ready"}\n',
        b'{"status":"ended"}\n',
        b'{"status":"ended","wait4":"00"}\n',
        b'{"status":"unknown"}\n',
        b"[" * 4_000,
        b"7\n\xff\n",
    ],
)
def test_nothing_is_taken_from_a_status_pipe_that_somebody_else_writes_to(forged):
    reader, writer = os.pipe()
    os.write(writer, forged)
    os.write(writer, f"{Status.ENDED.line}\n".encode())
    pipe = StatusPipe(reader)

    statuses = list(pipe.read())

    assert statuses in ([], [Status.READY])
    assert (pipe.is_over, pipe.end) == (True, None)
    for descriptor in (reader, writer):
        os.close(descriptor)


def test_what_a_program_says_ends_it_if_nobody_can_take_notice(control_socket, monkeypatch):
    ours, theirs = control_socket
    supervision, watch, spawner = _Supervision([]), EventLoop(), _Sleeps()
    run = _run(theirs, supervision, watch, spawner, [])

    def fail():
        raise _NONE_LEFT

    monkeypatch.setattr(run, "_ready", fail)
    spawner.report(Status.READY)

    _serve(run, supervision, watch)

    (last,) = _events(ours)
    assert (last.status, last.error, last.is_shortage) == (Status.ENDED, "Too many open files", True)
    spawner.close()


def test_the_group_of_a_run_that_cannot_be_followed_is_removed_later(control_socket, tmp_path):
    _, theirs = control_socket
    plan = CgroupPlan(version=2, memory=str(tmp_path), pids=str(tmp_path))
    spawner, discarded = _Sleeps(), []

    class Full(EventLoop):
        def add(self, _descriptor, _action):
            raise _NONE_LEFT

    with pytest.raises(OSError, match="Too many open files"):
        _run(theirs, _Supervision([]), Full(), spawner, discarded, plan)

    (group,) = discarded
    assert group.entrances == [str(tmp_path / "run" / "cgroup.procs")]
    spawner.close()
    os.close(theirs)


def test_making_a_sandbox_takes_none_of_the_programs_time(control_socket):
    _, theirs = control_socket
    supervision, watch, spawner = _Supervision([]), EventLoop(), _Sleeps()

    run = _run(theirs, supervision, watch, spawner, [], limits=replace(_LIMITS, timeout_ms=1))

    assert run.next_look > time.monotonic() + 5
    run.kill()
    _serve(run, supervision, watch)
    spawner.close()


def test_a_sandbox_that_is_never_ready_is_given_up(control_socket, monkeypatch):
    monkeypatch.setattr(run_module, "_READY_WITHIN_S", 0.0)
    ours, theirs = control_socket
    supervision, watch, spawner = _Supervision([]), EventLoop(), _Sleeps()
    run = _run(theirs, supervision, watch, spawner, [])

    _serve(run, supervision, watch)

    (last,) = _events(ours)
    assert (last.was_ready, last.limit) == (False, None)
    assert last.error == "its sandbox was not ready within 0 seconds"
    spawner.close()


@pytest.mark.parametrize(
    ("exit_code", "is_planned", "was_ready"),
    [(127, True, False), (127, False, True), (1, True, True)],
    ids=["no process for the program", "a shell without the program", "a program"],
)
def test_a_reaper_that_cannot_fork_the_program_has_not_started_it(
    control_socket, exit_code, is_planned, was_ready
):
    ours, theirs = control_socket
    spawner = _Sleeps("/bin/sh", "-c", f"read go; exit {exit_code}")
    supervision, watch = _Supervision([]), EventLoop()
    run = _run(theirs, supervision, watch, spawner, [], is_planned=is_planned)
    spawner.report(Status.READY)

    _serve(run, supervision, watch)

    *_, last = _events(ours)
    assert (last.was_ready, last.is_shortage) == (was_ready, not was_ready)
    assert last.error == ("" if was_ready else "Resource temporarily unavailable")
    spawner.close()
