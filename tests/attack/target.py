"""The engine that is attacked, in a process of its own: reads the names of attacks, answers the failures.

It needs the standard library only, so that any user can run it with the system's Python.
"""

import json
import os
import select
import socket
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from adapters.local_engine.built_program import LocalProgram
from adapters.local_engine.engine import LocalEngine
from adapters.local_engine.sandbox import launch_plan
from adapters.local_engine.sandbox.bubblewrap import Bubblewrap
from adapters.local_engine.sandbox.supervisor.usage_sampler import tree
from application.ports.execution_engine import CaseInput
from tests.attack.attacks import Attack, corpus
from tests.contract.engine_kit.harness import SLOWNESS, Ended, EngineUnderTest, Program, Recorder
from tests.support.memory.object_store import MemoryObjectStore
from tests.support.processes import eventually
from tests.support.warm_engine import WarmEngine

_BUILD_TIMEOUT_MS = 2_000
# On a busy machine: programs that outlive their limits do so for a minute and longer.
_GRACE_S = 10.0
# A limit beside one of these would be the program's own word for it.
_WITHOUT_LIMIT = frozenset({"success", "nonzero_exit", "signal"})
_GONE_WITHIN_S = 20.0
_READY_WITHIN_S = 90
_BUILT = {"c", "cpp"}
_SERVER_WATCHES, _SERVER_FILES = 600, 100
# One for an attack, one for a program beside it.
_WARM_STARTS = 2


class Target:
    """An engine, and the files and processes of its machine that no program may find, reach or change.

    Args:
        is_warm: Whether it has interpreters ready.
        is_swapped: Whether sandboxes are made the other way: by a launch plan for the case of a program that
            was built, by bubblewrap for all others.
    """

    def __init__(self, directory: Path, stack: ExitStack, *, is_warm: bool, is_swapped: bool) -> None:
        self._is_swapped = is_swapped
        self._canary = f"canary-{uuid4().hex}"
        self._waiting = _WARM_STARTS * is_warm
        os.environ["SERVICE_SERVER_SECRET"] = self._canary
        self._secrets = [directory / "work" / "canary.txt", directory / ".env", directory / "canary.db"]
        (directory / "work").mkdir()
        for path in self._secrets:
            path.write_text(self._canary)
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        abstract = stack.enter_context(socket.socket(socket.AF_UNIX))
        abstract.bind(f"\0{self._canary}-socket")
        abstract.listen()
        own_source = Path(__file__).resolve()
        self._words: Mapping[str, Sequence[str]] = {
            "canary_reversed": [self._canary[::-1]],
            "secrets": [str(path) for path in (*self._secrets, own_source, f"/proc/{os.getpid()}/environ")],
            "port": [str(listener.getsockname()[1])],
            "abstract": [f"{self._canary}-socket"],
            "mark": [uuid4().hex],
        }
        store = MemoryObjectStore()
        self._engine = (WarmEngine if is_warm else LocalEngine)(
            store,
            directory / "work",
            isolated=True,
            warm_starts=_WARM_STARTS if is_warm else 0,
        )
        self._engine.start()
        stack.callback(self._engine.stop)
        if "--cgroups" in sys.argv:
            assert self._engine.sandbox.isolation.cgroups, self._engine.describe().control_groups
        if "--own-users" in sys.argv:
            assert self._engine.sandbox.isolation.users, self._engine.describe().missing
        self._kit = EngineUnderTest(self._engine, store)
        stack.callback(self._kit.close)
        assert self._engine.wait_until_warm(_READY_WITHIN_S)
        # That of the engine's own first program may be on its way.
        assert eventually(lambda: self._groups() in (0, self._waiting), _READY_WITHIN_S)
        self._before = self._machine()

    def suffer(self, attack: Attack) -> list[str]:
        """Run an attack; return its failures as sentences."""
        support = {each.language.name: each for each in self._engine.languages()}[attack.language]
        if support.unavailable_because:
            return [f"skip: {support.unavailable_because}"]
        with self._neighbour(attack):
            begun = time.monotonic()
            ended = self._run(attack)
            took = time.monotonic() - begun
            self._use_what_is_counted_for_a_user()
        return [*self._about_the_end(attack, ended, took), *self._about_the_aftermath()]

    def _run(self, attack: Attack) -> Ended:
        program = attack.program(self._words)
        if not self._is_swapped:
            return self._kit.run(program)
        isolation = self._engine.sandbox.isolation
        assert isinstance(isolation, Bubblewrap)
        isolation.use_plans()
        if attack.language not in _BUILT:
            isolation.drop_plans("bubblewrap is to be attacked")
            return self._kit.run(program)
        request = self._kit.request(program)
        built = self._engine.build(request, Recorder())
        if not isinstance(built, LocalProgram):
            with built:
                return Ended(built.result, None, None)
        given = CaseInput(stdin=b"", args=None, limits=request.spec.limits)
        with closing(built), built.run(given) as report:
            return Ended(report.result, None, None)

    @contextmanager
    def _neighbour(self, attack: Attack) -> Iterator[None]:
        program = attack.neighbour(self._words)
        if program is None:
            yield
            return
        running = self._kit.start(program)
        # One that takes too much may have been ended by a limit.
        assert eventually(lambda: running.recorder.has_output.is_set() or running.end.done(), 90)
        try:
            yield
        finally:
            self._engine.cancel(running.request.execution_id, running.request.job_id)
            running.end.result(timeout=90)

    @staticmethod
    def _use_what_is_counted_for_a_user() -> None:
        """Use as much of the user's quotas as a server with many connections does."""
        with ExitStack() as stack:
            ours, theirs = map(stack.enter_context, socket.socketpair())
            for _ in range(_SERVER_WATCHES // _SERVER_FILES):
                poll = stack.enter_context(select.epoll())
                for _ in range(_SERVER_FILES):
                    file = os.dup(theirs.fileno())
                    stack.callback(os.close, file)
                    poll.register(file, select.EPOLLIN)
            socket.send_fds(ours, [b"x"], [theirs.fileno()])

    @staticmethod
    def _about_the_end(attack: Attack, ended: Ended, took: float) -> Iterator[str]:
        result = ended.result
        reason = result.reason.value if result.reason else "success"
        if reason not in attack.ends:
            yield f"it ended with {reason}: {result.error_message} {result.stderr.text[-500:]}"
        if result.limit is not None and reason in _WITHOUT_LIMIT:
            yield f"it ended with {reason}, and has a limit: {result.limit}"
        building = _BUILD_TIMEOUT_MS if reason in {"compile_error", "build_limit"} else 0
        if took > (max(building, attack.timeout_ms) / 1000 + _GRACE_S) * SLOWNESS:
            yield f"it took {took:.1f} s"
        if attack.contained and "CONTAINED" not in result.stdout.text:
            yield f"it did not say that it was contained: {result.stdout.text[-500:]}"
        if "ESCAPED" in result.stdout.text:
            yield result.stdout.text[-500:]

    def _about_the_aftermath(self) -> Iterator[str]:
        if not eventually(lambda: not self._processes(), _GONE_WITHIN_S * SLOWNESS):
            yield f"processes are left: {self._processes()}"
        after = self._kit.run(Program(code="import json; print('fine')")).result
        if after.stdout.text != "fine\n":
            yield f"the next program ended with {after.reason}: {after.error_message} {after.stderr.text}"
        assert self._engine.wait_until_warm(_READY_WITHIN_S)
        if not eventually(lambda: self._machine() == self._before, _GONE_WITHIN_S * SLOWNESS):
            yield f"the machine is not as it was: {self._machine()} was {self._before}"

    def _processes(self) -> list[int]:
        """Every process, once there are more sandboxes than the ones that wait for their first job.

        None can be looked into where they have a user of their own, but by root.
        """
        supervisor = self._engine.sandbox.supervisor.pid
        children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
        if len(children) <= self._waiting and self._engine.wait_until_warm(0):
            return []
        return [pid for child in children for pid in tree(int(child))]

    def _groups(self) -> int:
        """How many control groups there are, if there are any at all."""
        cgroups = self._engine.sandbox.isolation.cgroups
        return len([path for path in Path(cgroups.memory).iterdir() if path.is_dir()]) if cgroups else 0

    def _machine(self) -> tuple[object, ...]:
        """Everything that an attack could have changed, as far as we can see it."""
        return (
            [path.read_text() == self._canary for path in self._secrets],
            sorted(self._secrets[0].parent.iterdir()),
            _mounts(),
            Path("/proc/sysvipc/shm").read_text(),
            socket.gethostname(),
            self._groups(),
            self._engine.sandbox.supervisor.pid,
        )


def _mounts() -> list[str]:
    """Where file systems are mounted, but for those of other tests, which come and go."""
    places = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [place for place in places if "/pytest-of-" not in place]


def main() -> None:
    """Answer each name on stdin with a line of JSON on stdout."""
    attacks = corpus()
    with ExitStack() as stack:
        directory = stack.enter_context(TemporaryDirectory(prefix="service-server-attack-"))
        if "--without-plans" in sys.argv:
            launch_plan.is_known = lambda: False
        options = {"is_warm": "--warm" in sys.argv, "is_swapped": "--swapped" in sys.argv}
        target = Target(Path(directory), stack, **options)
        for line in sys.stdin:
            problems = target.suffer(attacks[line.strip()])
            print(json.dumps(problems), flush=True)  # noqa: T201 - the answer


if __name__ == "__main__":
    main()
