"""The duration of one-line Python and Node.js programs in the engine, cold and warm, and as child processes.

`python -m tests.benchmarks.bench_engine [ROUNDS] [--any]`; the default is 100 rounds. Each round runs every
form once, under the same conditions, and waits before each run until the warm pool is full again. A second
table shows the processor time of a run, by process. The exit code is 1 if a figure misses its target; `--any`
disables this, for hosts whose times are not representative.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from adapters.local_engine.engine import LocalEngine
from tests.contract.engine_kit.harness import EngineUnderTest, Program
from tests.support.memory.object_store import MemoryObjectStore
from tests.support.processes import memory_kb

_CODE = "print('hello')"
_SLEEPER = "import time; print('ready', flush=True); time.sleep(60)"
_NODE_CODE = "console.log('hello')"
_INTERPRETER = "/usr/bin/python3"
_NODE = "/usr/bin/node"
_TEMPORARY = "/tmp"  # noqa: S108 - inside the sandbox
_CALLERS = 4
_SECONDS = 4.0
_WARM_UP = 5
_WARM = 2
_JOBS = 16
_RUNS = 200
_SOON_S = 30
_ANY = "--any"

_MOST_COLD = 1.8
# On a host with two processors on which a plain `python3 -I -S` takes _RATE_FOR_MS milliseconds.
_LEAST_RATE = 120
_RATE_FOR_MS = 6.1
_MOST_WARM = 0.35
_LEAST_SUSTAINED = 2.0
_MOST_NODE = 1.15
_MOST_MEMORY_MB = 60

Run = Callable[[], None]


def _child(*command: str, **options: object) -> Run:
    def run() -> None:
        said = subprocess.run(command, stdout=subprocess.PIPE, check=True, **options)  # type: ignore[call-overload]
        assert said.stdout == b"hello\n"

    return run


def _bare_bubblewrap() -> Run:
    """Run bubblewrap by itself, with only namespaces and a read-only view of this host."""
    view = ("--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", _TEMPORARY)
    options = ("--unshare-all", "--clearenv", *view, "--chdir", _TEMPORARY)
    return _child("bwrap", *options, _INTERPRETER, "-s", "-c", _CODE)


@contextmanager
def _engine(**options: object) -> Iterator[EngineUnderTest]:
    store = MemoryObjectStore()
    with tempfile.TemporaryDirectory() as directory:
        engine = LocalEngine(store, Path(directory), **options)  # type: ignore[arg-type]
        engine.start()
        kit = EngineUnderTest(engine, store)
        try:
            yield kit
        finally:
            kit.close()
            engine.stop()


def _one_line(kit: EngineUnderTest, language: str = "python", code: str = _CODE) -> Run:
    def run() -> None:
        assert kit.run(Program(language=language, code=code)).stdout == b"hello\n"

    return run


@dataclass(frozen=True, slots=True)
class _Cpu:
    """Processor time in milliseconds: of this process, of the supervisor, and of all processes that they
    waited for.

    It excludes the kernel's own threads, which need half a millisecond to remove a sandbox's network.
    """

    service: float
    supervisor: float
    programs: float

    @classmethod
    def now(cls, supervisor: int | None) -> "_Cpu":
        own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        ticks = [0, 0, 0, 0]
        if supervisor is not None:
            fields = Path(f"/proc/{supervisor}/stat").read_text().rpartition(")")[2].split()
            ticks = [int(field) for field in fields[11:15]]
        tick_ms = 1000 / os.sysconf("SC_CLK_TCK")
        return cls(
            1000 * (own.ru_utime + own.ru_stime),
            tick_ms * sum(ticks[:2]),
            tick_ms * sum(ticks[2:]) + 1000 * (children.ru_utime + children.ru_stime),
        )

    def spent(self, before: "_Cpu", runs: int) -> "_Cpu":
        return _Cpu(
            (self.service - before.service) / runs,
            (self.supervisor - before.supervisor) / runs,
            (self.programs - before.programs) / runs,
        )

    @property
    def total(self) -> float:
        return self.service + self.supervisor + self.programs


def _cpu_of_a_run(run: Run, kit: EngineUnderTest | None) -> _Cpu:
    """Return the processor time of a run with several callers, including prewarming for later runs."""
    supervisor = None if kit is None else kit.engine.sandbox.supervisor.pid
    before = _Cpu.now(supervisor)
    with ThreadPoolExecutor(_CALLERS) as callers:
        wait([callers.submit(run) for _ in range(_RUNS)])
    return _Cpu.now(supervisor).spent(before, _RUNS)


def _medians(runs: dict[str, Run], settle: Run, rounds: int) -> dict[str, float]:
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(_WARM_UP + rounds):
        for name, run in runs.items():
            settle()
            begun = time.perf_counter()
            run()
            times[name].append(1000 * (time.perf_counter() - begun))
    return {name: statistics.median(taken[_WARM_UP:]) for name, taken in times.items()}


def _rate(run: Run) -> float:
    """Return the number of runs per second with several callers."""
    end = time.perf_counter() + _SECONDS

    def work() -> int:
        done = 0
        while time.perf_counter() < end:
            run()
            done += 1
        return done

    with ThreadPoolExecutor(_CALLERS) as callers:
        return sum(callers.map(lambda _: work(), range(_CALLERS))) / _SECONDS


def _memory_mb(kit: EngineUnderTest) -> float:
    """Return the peak memory of the engine's process with many concurrent jobs."""
    running = [kit.start(Program(code=_SLEEPER)) for _ in range(_JOBS)]
    assert all(each.recorder.has_output.wait(_SOON_S) for each in running)
    peak = memory_kb(kit.engine.sandbox.supervisor.pid, "VmHWM") / 1024
    for each in running:
        kit.engine.cancel(each.request.execution_id, each.request.job_id)
    wait([each.end for each in running])
    return peak


def _verdict(figure: str, value: float, *, most: float | None = None, least: float | None = None) -> bool:
    is_met = (most is None or value <= most) and (least is None or value >= least)
    target = f"at most {most}" if most is not None else f"at least {least}"
    print(f"{'reached' if is_met else 'MISSED '}  {figure}: {value:.2f}, {target}")
    return is_met


def main() -> None:
    """Print a line for each form, and one for each figure that has a target."""
    numbers = [argument for argument in sys.argv[1:] if argument != _ANY]
    rounds = int(numbers[0]) if numbers else 100
    with ExitStack() as stack:
        kits = {
            "engine, plain child": stack.enter_context(_engine(isolated=False)),
            "engine, isolated": stack.enter_context(_engine(isolated=True)),
            "engine, warm": stack.enter_context(_engine(isolated=True, warm_starts=_WARM)),
        }
        warm = kits["engine, warm"]
        children = {
            "child python3": _child(_INTERPRETER, "-c", _CODE),
            "child python3 -I -S": _child(_INTERPRETER, "-I", "-S", "-c", _CODE),
            "bare bubblewrap": _bare_bubblewrap(),
        }
        runs = children | {name: _one_line(kit) for name, kit in kits.items()}
        node = {
            "child node": _child(_NODE, "-e", _NODE_CODE),
            "engine, node": _one_line(warm, "node", _NODE_CODE),
        }

        def settle() -> None:
            assert warm.engine.wait_until_warm(_SOON_S)

        medians = _medians(runs | node, settle, rounds)
        child = medians["child python3"]
        rates = {name: _rate(run) for name, run in runs.items()}
        for name, median in medians.items():
            rate = f"   {rates[name]:6.1f} runs/s with {_CALLERS} callers" if name in rates else ""
            print(f"{name:20s} median {median:6.1f} ms = {median / child:4.2f} x child{rate}")
        print()
        for name in ("child python3", *kits):
            cpu = _cpu_of_a_run(runs[name], kits.get(name))
            print(
                f"{name:20s} {cpu.total:5.1f} ms of processor time: service {cpu.service:4.1f}, "
                f"supervisor {cpu.supervisor:4.1f}, programs and sandboxes {cpu.programs:5.1f}"
            )
        print()
        bare = medians["child python3 -I -S"]
        reached = [
            _verdict("isolated, by the child", medians["engine, isolated"] / child, most=_MOST_COLD),
            _verdict(
                f"isolated runs a second, where -I -S takes {_RATE_FOR_MS} ms",
                rates["engine, isolated"] * bare / _RATE_FOR_MS,
                least=_LEAST_RATE,
            ),
            _verdict("warm, by the child", medians["engine, warm"] / child, most=_MOST_WARM),
            _verdict(
                "warm, runs a second by the child's",
                rates["engine, warm"] / rates["child python3"],
                least=_LEAST_SUSTAINED,
            ),
            _verdict("node, by the child", medians["engine, node"] / medians["child node"], most=_MOST_NODE),
            _verdict(f"engine's MiB with {_JOBS} jobs", _memory_mb(warm), most=_MOST_MEMORY_MB),
        ]
    sys.exit(not all(reached) and _ANY not in sys.argv)


if __name__ == "__main__":
    main()
