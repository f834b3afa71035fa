"""The duration of a small Java program from its source, compared with a cold `java Hello.java`.

`python -m tests.benchmarks.bench_java [ROUNDS]`; the default is 15 rounds. The exit code is 1 if the engine
takes more than its share. Each form has separate rounds, because the engine prewarms the next compiler after
a run, which slows programs that run meanwhile.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from adapters.local_engine.engine import LocalEngine
from tests.contract.engine_kit.harness import EngineUnderTest, Program
from tests.support.memory.object_store import MemoryObjectStore

_CODE = 'public class Hello { public static void main(String[] a) { System.out.println("hello"); } }'
_TARGET = 0.55
_PAUSE_S = 1.0
_ARCHIVE_WITHIN_S = 60.0


def _child(directory: Path) -> Callable[[], object]:
    source = directory / "Hello.java"
    source.write_text(_CODE)

    def run() -> None:
        said = subprocess.run(["/usr/bin/java", str(source)], stdout=subprocess.PIPE, check=True)
        assert said.stdout == b"hello\n"

    return run


def _engine(stack: ExitStack, directory: Path, *, warm_starts: int) -> Callable[[], object]:
    store = MemoryObjectStore()
    engine = LocalEngine(store, directory, isolated=True, warm_starts=warm_starts)
    engine.start()
    stack.callback(engine.stop)
    kit = EngineUnderTest(engine, store)
    stack.callback(kit.close)

    def run() -> None:
        assert kit.run(Program(language="java", code=_CODE)).stdout == b"hello\n"

    run()
    deadline = time.monotonic() + _ARCHIVE_WITHIN_S
    while not list(directory.glob("*.archive")):
        assert time.monotonic() < deadline, "the compiler's archive has not been made"
        time.sleep(0.05)
    return run


def _median(run: Callable[[], object], rounds: int, pause_s: float) -> float:
    """Return the median in milliseconds of all rounds except the first two."""
    times = []
    for _ in range(2 + rounds):
        time.sleep(pause_s)
        begun = time.perf_counter()
        run()
        times.append(1000 * (time.perf_counter() - begun))
    return statistics.median(times[2:])


def main(rounds: int = 15) -> bool:
    """Print a line for each form; return whether a program with a prewarmed compiler is within its share."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        child = _child(directory)
        ready = _engine(stack, directory / "work", warm_starts=1)
        cold = _engine(stack, directory / "work", warm_starts=0)
        base = _median(child, rounds, _PAUSE_S)
        print(f"{'java Hello.java':34s} median {base:6.1f} ms")
        ratio = _report("java", _median(ready, rounds, _PAUSE_S), base, f"at most {_TARGET}")
        _report("java, one right after the other", _median(ready, rounds, 0), base)
        _report("java, without a compiler ready", _median(cold, rounds, 0), base)
    return ratio <= _TARGET


def _report(name: str, median: float, base: float, target: str = "") -> float:
    print(f"{name:34s} median {median:6.1f} ms  = {median / base:4.2f} x java Hello.java  {target}")
    return median / base


if __name__ == "__main__":
    sys.exit(not main(*map(int, sys.argv[1:])))
