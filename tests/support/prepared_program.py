"""Starts the program `service-server` from a process that has loaded it, because loading takes most of a
start.

Each start is a fork: a separate process with its own arguments, variables, directory and streams, which runs
the program's `main` from the beginning. Only the modules and what they keep are loaded already.
"""

import atexit
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[2]
_MESSAGE_BYTES = 1 << 20
# The interpreter and the loader read these variables before the fork, so each combination has its own
# process.
_OF_THE_INTERPRETER = ("LD_", "PYTHON")
# Modules that some command loads later than its own module, when it does its work.
_LOADED_LATER = (
    *("adapters.prometheus.measurements", "adapters.sql.alembic_runner", "anyio._backends._asyncio"),
    *("entrypoints.cli.embedded", "litestar.plugins.attrs", "litestar.plugins.pydantic"),
    *("uvicorn.lifespan.on", "uvicorn.loops.auto", "uvloop"),
)

# What a service loads that has servers beside it, as this variable says.
_HAS_SERVERS = "SERVICE_SERVER_REDIS_URL"
_LOADED_WITH_SERVERS = (
    *("adapters.dramatiq_queue.dead_letters", "adapters.dramatiq_queue.worker"),
    *("adapters.http_engine.engine", "adapters.redis_feed.event_feed", "adapters.redis_feed.output_feed"),
    *("adapters.redis_rate_limiter.rate_limiter", "adapters.redis_work_queue.work_queue"),
    *("adapters.s3.bucket", "adapters.s3.object_store"),
)


def start(
    command: Sequence[str], env: Mapping[str, str], directory: Path, streams: Sequence[int]
) -> "StartedProcess":
    """Start the program with open files as its standard input, output and error."""
    chosen = frozenset((name, value) for name, value in env.items() if name.startswith(_OF_THE_INTERPRETER))
    return _prepared(chosen, _HAS_SERVERS in env).start(command, env, directory, streams)


class StartedProcess:
    """A process of the program, with the methods of Popen that tests use."""

    def __init__(self, program: "PreparedProgram", pid: int) -> None:
        self.pid = pid
        self._program = program
        self._descriptor = os.pidfd_open(pid)
        self._exit_code: int | None = None
        self._once = threading.Lock()

    def poll(self) -> int | None:
        """Return the exit code of a process that has ended, or None if it is running."""
        with self._once:
            if self._exit_code is None and self._has_ended(0):
                self._exit_code = self._program.collect(self.pid)
                os.close(self._descriptor)
            return self._exit_code

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the process to end, and return its exit code.

        Raises:
            subprocess.TimeoutExpired: The process is still running.
        """
        code = self.poll()
        if code is None and self._has_ended(timeout):
            code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return code

    def kill(self) -> None:
        """Kill the process."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)

    def _has_ended(self, timeout: float | None) -> bool:
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        return bool(poll.poll(None if timeout is None else timeout * 1000))


class PreparedProgram:
    """A process that has loaded the program, and forks on request.

    Args:
        variables: The environment variables of the process, besides PATH.
        modules: The modules that it loads besides those of each start.
    """

    def __init__(self, variables: Mapping[str, str], modules: Sequence[str]) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._one_at_a_time = threading.Lock()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(theirs.fileno()), *modules],
                cwd=_ROOT,
                env={"PATH": os.environ["PATH"], **variables},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )

    def start(
        self, command: Sequence[str], env: Mapping[str, str], directory: Path, streams: Sequence[int]
    ) -> StartedProcess:
        """Start the program with open files as its standard input, output and error."""
        asked = {"command": list(command), "env": dict(env), "directory": str(directory)}
        return StartedProcess(self, self._ask(asked, streams))

    def collect(self, pid: int) -> int:
        """Return the exit code of a process that has ended."""
        return os.waitstatus_to_exitcode(self._ask({"ended": pid}))

    def stop(self) -> None:
        """End the process. Processes that it started continue."""
        self._socket.close()
        self._process.wait()

    def _ask(self, message: Mapping[str, Any], descriptors: Sequence[int] = ()) -> int:
        with self._one_at_a_time:
            socket.send_fds(self._socket, [json.dumps(message).encode()], descriptors)
            answer = self._socket.recv(_MESSAGE_BYTES)
        assert answer, "the program could not be loaded"
        return int(answer)


@cache
def _prepared(variables: frozenset[tuple[str, str]], has_servers: bool) -> PreparedProgram:  # noqa: FBT001
    program = PreparedProgram(dict(variables), _LOADED_WITH_SERVERS if has_servers else ())
    atexit.register(program.stop)
    return program


def _fork_on_demand(asking: socket.socket) -> bool:
    """Fork for each start; return True in the started processes, and False when the requests end."""
    while True:
        text, streams, _flags, _address = socket.recv_fds(asking, _MESSAGE_BYTES, 3)
        if not text:
            return False
        message = json.loads(text)
        if "ended" in message:
            answer = os.waitpid(message["ended"], 0)[1]
        elif not (answer := os.fork()):
            asking.close()
            _become(message, streams)
            return True
        for stream in streams:
            os.close(stream)
        asking.send(str(answer).encode())


def _become(message: Mapping[str, Any], streams: Sequence[int]) -> None:
    """Give this process the arguments, variables, directory and streams of a start."""
    sys.argv[:] = message["command"]
    os.environ.clear()
    os.environ.update(message["env"])
    os.chdir(message["directory"])
    for standard, stream in enumerate(streams):
        os.dup2(stream, standard)
        os.close(stream)


def _run_to_its_end(program: Callable[[], object]) -> None:
    """Run the program, and exit as the interpreter does, except that it leaves its modules to the kernel.

    To free them would copy all pages that are shared with the first process: a tenth of a second.
    """
    code = None
    try:
        program()
    except SystemExit as end:
        if not isinstance(end.code, int | None):
            raise  # the interpreter prints it
        code = end.code
    threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001 - as in forks of multiprocessing
    atexit._run_exitfuncs()  # noqa: SLF001
    with suppress(OSError):  # which the interpreter reports
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code or 0)
    sys.exit(code)


def _make_application() -> None:
    """Load and remember what an application needs."""
    # None of these must be loaded in the tests' process.
    from domain.limits import STANDARD_LIMITS  # noqa: PLC0415
    from entrypoints.container import build_container  # noqa: PLC0415
    from entrypoints.http.app import create_app  # noqa: PLC0415
    from entrypoints.http.site import Site  # noqa: PLC0415
    from tests.support.remembered_handlers import remember_handlers  # noqa: PLC0415
    from tests.support.settings import settings_of  # noqa: PLC0415

    remember_handlers()
    with tempfile.TemporaryDirectory() as directory:
        settings = settings_of(data_dir=Path(directory))
        container = build_container(settings, STANDARD_LIMITS)
        services = container.services()
        site = Site.of(settings, services)
        create_app(settings, STANDARD_LIMITS, container.ports(), services, site)
    tempfile.tempdir = None  # each fork looks for it anew, by its own TMPDIR


def _main() -> None:
    asking = socket.socket(fileno=int(sys.argv[1]))
    from entrypoints.cli import main  # noqa: PLC0415 - must not be loaded in the tests' process

    for location in (*_LOADED_LATER, *sys.argv[2:]):
        import_module(location)
    if buckets := sys.modules.get("adapters.s3.bucket"):
        buckets.Bucket("any", "us-east-1")  # boto3 reads its descriptions for the first one
    _make_application()
    for _name, location, _summary in main.COMMANDS:
        import_module(f"entrypoints.cli.{location.partition('.')[0]}")
    assert len([*Path("/proc/self/task").iterdir()]) == 1, "a fork would lack the other threads"
    gc.freeze()  # otherwise the garbage collector would make each fork copy the pages of all objects
    if _fork_on_demand(asking):
        _run_to_its_end(main.main)


if __name__ == "__main__":
    _main()
