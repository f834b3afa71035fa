"""How long a one-line Python program takes in the engine, beside a child process, and how many a second.

`python -m tests.benchmarks.bench_engine [ROUNDS]`; the default is 100 rounds. Each round runs every form
once, so that all of them meet the same machine.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from adapters.local_engine.engine import LocalEngine
from adapters.memory.object_store import MemoryObjectStore
from tests.contract.engine_kit.harness import EngineUnderTest, Program

_CODE = "print('hello')"
_INTERPRETER = "/usr/bin/python3"
_CALLERS = 4
_SECONDS = 4.0
_WARM_UP = 5

Runs = dict[str, Callable[[], object]]


def _child(*options: str) -> Callable[[], object]:
    def run() -> None:
        said = subprocess.run([_INTERPRETER, *options, "-c", _CODE], stdout=subprocess.PIPE, check=True)
        assert said.stdout == b"hello\n"

    return run


def _engine(stack: ExitStack, *, isolated: bool) -> Callable[[], object]:
    store = MemoryObjectStore()
    directory = stack.enter_context(tempfile.TemporaryDirectory())
    engine = LocalEngine(store, Path(directory), isolated=isolated)
    engine.start()
    stack.callback(engine.stop)
    kit = EngineUnderTest(engine, store)
    stack.callback(kit.close)

    def run() -> None:
        assert kit.run(Program(code=_CODE)).stdout == b"hello\n"

    return run


def _milliseconds(run: Callable[[], object]) -> float:
    begun = time.perf_counter()
    run()
    return 1000 * (time.perf_counter() - begun)


def _medians(runs: Runs, rounds: int) -> dict[str, float]:
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(_WARM_UP + rounds):
        for name, run in runs.items():
            times[name].append(_milliseconds(run))
    return {name: statistics.median(taken[_WARM_UP:]) for name, taken in times.items()}


def _rate(run: Callable[[], object]) -> float:
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


def main() -> None:
    """Print a line for each form."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    with ExitStack() as stack:
        runs: Runs = {
            "child python3": _child(),
            "child python3 -I -S": _child("-I", "-S"),
            "engine, plain child": _engine(stack, isolated=False),
            "engine, isolated": _engine(stack, isolated=True),
        }
        medians = _medians(runs, rounds)
        base, bare = medians["child python3"], medians["child python3 -I -S"]
        for name, run in runs.items():
            median = medians[name]
            print(
                f"{name:22s} median {median:6.1f} ms  = {median / base:4.2f} x child, "
                f"{median / bare:4.2f} x bare child   {_rate(run):6.1f} runs/s with {_CALLERS} callers"
            )


if __name__ == "__main__":
    main()
