"""Programs and parts of the machine that all of its processes share: buffers of sockets, dumps, memory."""

import os
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest

from adapters.local_engine.sandbox import bubblewrap
from domain.job_lifecycle import JobStatus, Reason
from tests.contract.engine_kit.harness import Program
from tests.support.processes import eventually
from tests.support.sandbox import has_cgroups, isolated_engine, running_engine

_CORE_PATTERN = Path("/proc/sys/kernel/core_pattern")
_OOM_SCORE = Path("/proc/self/oom_score_adj")
_FILLS_SOCKETS = """
import os, socket, time
def fill():
    server, held = socket.create_server(("127.0.0.1", 0)), []
    while True:
        held.append((socket.create_connection(server.getsockname()), server.accept()[0]))
        for end in held[-1]:
            end.setblocking(False)
            try:
                while True: end.send(bytes(65536))
            except BlockingIOError: pass
for _ in range(8):
    if os.fork() == 0:
        try:
            fill()
        except OSError:
            time.sleep(60)
print("started", flush=True)
time.sleep(60)
"""
_TRANSFERS = """
import socket, threading
SIZE = 48 << 20
server = socket.create_server(("127.0.0.1", 0))
def serve():
    with server.accept()[0] as connection: connection.sendall(bytes(SIZE))
threading.Thread(target=serve).start()
received = 0
with socket.create_connection(server.getsockname()) as client:
    while piece := client.recv(1 << 20): received += len(piece)
print(received == SIZE)
"""


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    with isolated_engine(tmp_path_factory.mktemp("engine")) as kit:
        yield kit


def test_memory_in_the_buffers_of_sockets_counts(kit):
    if not has_cgroups(kit.engine):
        pytest.skip("without control groups, memory of sockets is not counted")
    limits = {"memory_mb": 96, "open_files": 1024, "processes": 16, "timeout_ms": 30_000}

    result = kit.run(Program(code=_FILLS_SOCKETS, limits=limits)).result

    assert result.reason is Reason.MEMORY_LIMIT, result


def test_a_program_may_send_itself_more_than_its_sockets_may_hold(kit):
    result = kit.run(Program(code=_TRANSFERS, limits={"memory_mb": 96, "timeout_ms": 30_000})).result

    assert (result.status, result.stdout.text) == (JobStatus.SUCCESS, "True\n"), result


@contextmanager
def _piped_core_pattern(directory):
    """Have the machine run a program for each dump, which notes the user whose it is."""
    handler, notes = directory / "handler", directory / "notes"
    handler.write_text(f"#!/bin/sh\ncat > /dev/null; echo $1 >> {notes}\n")
    handler.chmod(0o755)
    notes.touch()
    before = _CORE_PATTERN.read_text()
    try:
        _CORE_PATTERN.write_text(f"|{handler} %u")
    except OSError as error:
        pytest.skip(f"kernel.core_pattern cannot be set here: {error.strerror}")
    try:
        yield lambda: set(map(int, notes.read_text().split()))
    finally:
        _CORE_PATTERN.write_text(before)


_CRASHES = """
import os, resource
{}
os.abort()
"""
_LOWERS = [
    "",
    "resource.setrlimit(resource.RLIMIT_CORE, (0, 0))",
    "resource.setrlimit(resource.RLIMIT_CORE, (0, 1))",
    "resource.prlimit(0, resource.RLIMIT_CORE, (0, 0))",
]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root sets kernel.core_pattern")
@pytest.mark.parametrize("warm_starts", [0, 1])
def test_no_handler_of_the_machine_s_gets_a_dump_of_a_program(tmp_path, warm_starts):
    tmp_path.chmod(0o755)
    with (
        running_engine(tmp_path / "work", warm_starts=warm_starts) as kit,
        _piped_core_pattern(tmp_path) as users,
    ):
        crashed = [kit.run(Program(code=_CRASHES.format(lowers))).result for lowers in _LOWERS]
        subprocess.run(["/usr/bin/python3", "-c", _CRASHES.format("")], user=1, cwd="/", check=False)

        assert eventually(lambda: 1 in users())  # the handler works, and dumps before this one came before
        assert [result.signal for result in crashed] == [6] * len(_LOWERS), crashed
        leased = kit.engine.sandbox.isolation.users
        assert users().isdisjoint(range(leased.first, leased.first + leased.count))


@pytest.mark.parametrize(
    ("pattern", "takes_dumps"),
    [("@/run/dumps.socket", True), ("@@/run/dumps.socket", True), ("|/bin/x", False)],
)
def test_a_machine_that_takes_dumps_at_a_socket_isolates_in_part(
    kit, tmp_path, monkeypatch, pattern, takes_dumps
):
    before = kit.engine.describe().missing
    (tmp_path / "core_pattern").write_text(f"{pattern}\n")
    monkeypatch.setattr(bubblewrap, "_CORE_PATTERN", tmp_path / "core_pattern")

    described = kit.engine.describe()

    more = [str(each) for each in described.missing if each not in before]
    assert [each.endswith(f"sysctl kernel.core_pattern=core. Now it is {pattern}") for each in more] == [
        True
    ] * takes_dumps
    assert ("dumps that stay with the program" in str(described.warning or "")) == takes_dumps


def test_a_program_that_forbids_its_dumps_is_not_refused(kit):
    code = "import resource\nresource.setrlimit(resource.RLIMIT_CORE, (0, 0))\nprint(resource.getrlimit(4))"

    assert kit.run(Program(code=code)).stdout in (b"(1, 1)\n", b"(0, 0)\n")


@pytest.mark.parametrize("warm_starts", [0, 1])
def test_where_memory_runs_out_a_program_ends_before_the_service(tmp_path, warm_starts):
    code = f"""
from pathlib import Path
score = Path({str(_OOM_SCORE)!r})
print(score.read_text())
try:
    score.write_text("0")
except OSError:
    print("refused")
"""
    with running_engine(tmp_path / "work", warm_starts=warm_starts) as kit:
        told = kit.run(Program(code=code)).stdout.split()
        supervisor = Path(f"/proc/{kit.engine.sandbox.supervisor.pid}/oom_score_adj").read_text()

    assert told == [b"1000", b"refused"]
    assert supervisor == _OOM_SCORE.read_text()
