"""How long a one-line Python program takes in the engine, cold and warm, beside child processes.

`python -m tests.benchmarks.bench_engine [ROUNDS]`; the default is 100 rounds. Each round runs every form
once, so that all of them meet the same machine, and none before the interpreters that are started ahead are
ready again. Ends with 1 if a figure misses its target.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from pathlib import Path

from adapters.local_engine.engine import LocalEngine
from tests.contract.engine_kit.harness import EngineUnderTest, Program
from tests.support.memory.object_store import MemoryObjectStore
from tests.support.processes import memory_kb

_CODE = "print('hello')"
_SLEEPER = "import time; print('ready', flush=True); time.sleep(60)"
_INTERPRETER = "/usr/bin/python3"
_TEMPORARY = "/tmp"  # noqa: S108 - the sandbox's own
_CALLERS = 4
_SECONDS = 4.0
_WARM_UP = 5
_WARM = 2
_JOBS = 16
_SOON_S = 30

_MOST_COLD = 1.8
# Of a machine with two processors on which a plain `python3 -I -S` takes so many milliseconds.
_LEAST_RATE = 120
_RATE_FOR_MS = 6.1
_MOST_WARM = 1.0
_MOST_MEMORY_MB = 60

Run = Callable[[], None]


def _child(*command: str, **options: object) -> Run:
    def run() -> None:
        said = subprocess.run(command, stdout=subprocess.PIPE, check=True, **options)  # type: ignore[call-overload]
        assert said.stdout == b"hello\n"

    return run


def _bare_bubblewrap() -> Run:
    """Use bubblewrap by itself, for nothing but namespaces and a read-only view of this machine."""
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


def _one_line(kit: EngineUnderTest) -> Run:
    def run() -> None:
        assert kit.run(Program(code=_CODE)).stdout == b"hello\n"

    return run


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
    """How many runs a second several callers get done together."""
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
    """The most that the engine's process has ever had, with many jobs at once."""
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
    """Print a line for each form, and one for each figure that is to be reached."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    with ExitStack() as stack:
        warm = stack.enter_context(_engine(isolated=True, warm_starts=_WARM))
        cold = stack.enter_context(_engine(isolated=True))
        runs = {
            "child python3": _child(_INTERPRETER, "-c", _CODE),
            "child python3 -I -S": _child(_INTERPRETER, "-I", "-S", "-c", _CODE),
            "bare bubblewrap": _bare_bubblewrap(),
            "engine, plain child": _one_line(stack.enter_context(_engine(isolated=False))),
            "engine, isolated": _one_line(cold),
            "engine, warm": _one_line(warm),
        }

        def settle() -> None:
            assert warm.engine.wait_until_warm(_SOON_S)

        medians = _medians(runs, settle, rounds)
        child, bare = medians["child python3"], medians["child python3 -I -S"]
        rates = {name: _rate(run) for name, run in runs.items()}
        for name, median in medians.items():
            print(
                f"{name:20s} median {median:6.1f} ms = {median / child:4.2f} x child, "
                f"{median / bare:4.2f} x -I -S   {rates[name]:6.1f} runs/s with {_CALLERS} callers"
            )
        reached = [
            _verdict("isolated, by the child", medians["engine, isolated"] / child, most=_MOST_COLD),
            _verdict(
                f"isolated runs a second, where -I -S takes {_RATE_FOR_MS} ms",
                rates["engine, isolated"] * bare / _RATE_FOR_MS,
                least=_LEAST_RATE,
            ),
            _verdict("warm, by the child with -I -S", medians["engine, warm"] / bare, most=_MOST_WARM),
            _verdict(f"engine's MiB with {_JOBS} jobs", _memory_mb(warm), most=_MOST_MEMORY_MB),
        ]
    sys.exit(not all(reached))


if __name__ == "__main__":
    main()
