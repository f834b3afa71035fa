"""A run whose supervisor lacks something while it goes on."""

import errno
import os
import resource
import socket
import time
from contextlib import suppress
from dataclasses import replace

import pytest

from adapters.local_engine.sandbox.supervisor.cgroups import CgroupPlan
from adapters.local_engine.sandbox.supervisor.event_loop import EventLoop
from adapters.local_engine.sandbox.supervisor.protocol import (
    GO,
    MAX_MESSAGE_BYTES,
    ResourceLimits,
    RunEvent,
    RunEventKind,
    SpawnRequest,
)
from adapters.local_engine.sandbox.supervisor.run import Run
from adapters.local_engine.sandbox.supervisor.spawner import Spawned

_NONE_LEFT = OSError(errno.EMFILE, os.strerror(errno.EMFILE))
_ALLOWANCE = ResourceLimits(timeout_ms=60_000, cpu_time_ms=60_000, memory_mb=64, processes=8)


class _Sleeps:
    """Starts a process that does nothing for as long as a test may take; has its ends of the pipes."""

    def __init__(self):
        self.stage = -1
        self.go = -1

    def spawn(self, _order, _inherited, _entrances):
        pid = os.posix_spawn("/bin/sleep", ["sleep", "60"], {}, setsid=True)
        stage, self.stage = os.pipe()
        os.set_blocking(stage, False)
        self.go, go = os.pipe()
        os.set_blocking(self.go, False)
        return Spawned(pid, os.pidfd_open(pid), stage, go)

    def words(self):
        """Return the bytes from the start pipe."""
        with suppress(BlockingIOError):
            return os.read(self.go, 64)
        return b""

    def close(self):
        os.close(self.stage)
        os.close(self.go)


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


def _run(control_socket, supervision, watch, spawner, discarded, cgroup=None, *, parks=False):
    order = SpawnRequest(
        argv=["sleep"], env={}, directory="/", allowance=_ALLOWANCE, cgroup=cgroup, parks=parks
    )
    nothing = [os.open(os.devnull, os.O_RDWR) for _ in range(3)]
    return Run(
        "run", order, [control_socket, *nothing], spawner, watch, supervision.on_quiet, discarded.append
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
    os.write(spawner.stage, b"\n")
    watch.wait(5)
    run.kill()

    _serve(run, supervision, watch)

    ready, last = _events(ours)
    assert ready.kind is RunEventKind.READY
    assert (last.kind, last.announced, last.error) == (RunEventKind.ENDED, True, "")
    spawner.close()


@pytest.mark.parametrize(
    ("words", "in_build", "announced"),
    [
        ([], False, False),
        ([b"build\n"], True, False),
        ([b"build\nbuilt\n"], False, False),
        ([b"build\n", b"built\n", b"\n"], False, True),
        ([b"built\n\n"], False, True),  # the compiler has read the first one
    ],
)
def test_the_stage_tells_how_far_a_program_has_come(control_socket, words, in_build, announced):
    ours, theirs = control_socket
    supervision, watch, spawner = _Supervision([]), EventLoop(), _Sleeps()
    run = _run(theirs, supervision, watch, spawner, [])
    for word in words:
        os.write(spawner.stage, word)
        watch.wait(5)
    run.kill()

    _serve(run, supervision, watch)

    *_, last = _events(ours)
    assert (last.in_build, last.announced) == (in_build, announced)
    spawner.close()


@pytest.mark.parametrize("comes_early", [False, True])
def test_a_program_starts_once_it_is_ready_and_the_engine_says_so(control_socket, comes_early):
    ours, theirs = control_socket
    supervision, watch, spawner = _Supervision([]), EventLoop(), _Sleeps()
    run = _run(theirs, supervision, watch, spawner, [])
    steps = [lambda: os.write(spawner.stage, b"\n"), lambda: ours.send(GO)]
    told = []
    for step in reversed(steps) if comes_early else steps:
        told.append(spawner.words())
        step()
        watch.wait(5)
    told.append(spawner.words())
    ours.send(GO)
    watch.wait(5)
    told.append(spawner.words())
    run.kill()
    _serve(run, supervision, watch)

    assert told == [b"", b"", b"\n", b""]
    assert [event.kind for event in _events(ours)] == [RunEventKind.READY, RunEventKind.ENDED]
    spawner.close()


@pytest.mark.parametrize("comes_early", [False, True])
def test_a_parked_program_gets_the_word_to_start_with_its_limits_or_after_them(control_socket, comes_early):
    ours, theirs = control_socket
    supervision, watch, spawner = _Supervision([]), EventLoop(), _Sleeps()
    run = _run(theirs, supervision, watch, spawner, [], parks=True)
    allowance = replace(_ALLOWANCE, rlimits={"CORE": (0, 0)})
    steps = [
        lambda: os.write(spawner.stage, b"\n"),
        lambda: ours.send(allowance.encode()),
        lambda: os.write(spawner.stage, b"\n"),
    ]
    steps.insert(1 if comes_early else 3, lambda: ours.send(GO))
    told = []
    for step in steps:
        step()
        watch.wait(5)
        told.append(spawner.words())
    run.kill()
    _serve(run, supervision, watch)

    limits = f"{resource.RLIMIT_CORE} 0 0\n".encode()
    assert told == ([b"", b"", limits + b"\n", b""] if comes_early else [b"", limits, b"", b"\n"])
    kinds = [event.kind for event in _events(ours)]
    assert kinds == [RunEventKind.PARKED, RunEventKind.READY, RunEventKind.ENDED]
    spawner.close()


def test_what_a_program_says_ends_it_if_nobody_can_take_notice(control_socket, monkeypatch):
    ours, theirs = control_socket
    supervision, watch, spawner = _Supervision([]), EventLoop(), _Sleeps()
    run = _run(theirs, supervision, watch, spawner, [])

    def fail():
        raise _NONE_LEFT

    monkeypatch.setattr(run, "_ready", fail)
    os.write(spawner.stage, b"\n")

    _serve(run, supervision, watch)

    (last,) = _events(ours)
    assert (last.kind, last.error) == (RunEventKind.FAILED, "Too many open files")
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
