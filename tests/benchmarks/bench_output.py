"""The rate at which programs print line by line, compared with full buffers.

`python -m tests.benchmarks.bench_output [ROUNDS]`; the default is 5 rounds. Each program prints 10 MB in
lines of 100 bytes, as a whole job including its build. The exit code is 1 if a language does not reach its
share of its buffered rate.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

from adapters.local_engine.engine import LocalEngine
from tests.contract.engine_kit.harness import EngineUnderTest, Program
from tests.support.memory.object_store import MemoryObjectStore

_LINES = 100_000
_SIZE = 100 * _LINES
# The minimum share of the rate with full buffers. Line by line, each line needs a system call.
_LEAST = {"c": 0.5, "python": 0.25, "ruby": 0.45, "perl": 0.25}
_C = """
#include <stdio.h>
#include <string.h>
int main(void) {
    %s
    char line[101];
    memset(line, 'x', 99);
    line[99] = '\\n', line[100] = 0;
    for (int i = 0; i < 100000; i++)
        fputs(line, stdout);
}
"""
_PROGRAMS = {
    "c": (_C, "static char b[65536]; setvbuf(stdout, b, _IOFBF, sizeof b);"),
    "python": (
        "import sys\n%s\nfor _ in range(100000): print('x' * 99)",
        "sys.stdout.reconfigure(line_buffering=False)",
    ),
    "ruby": ("%s\nline = 'x' * 99\n100000.times { puts line }", "$stdout.sync = false"),
    "perl": ("%s\nmy $line = 'x' x 99; print \"$line\\n\" for 1..100000;", "$| = 0;"),
}


def _milliseconds(kit: EngineUnderTest, language: str, code: str) -> float:
    begun = time.perf_counter()
    run = kit.run(Program(language=language, code=code))
    taken_ms = 1000 * (time.perf_counter() - begun)
    assert len(run.stdout or b"") == _SIZE, run.result
    return taken_ms


def main(rounds: int = 5) -> bool:
    """Print a line for each language; return whether all of them reach their shares."""
    reached = True
    store = MemoryObjectStore()
    with tempfile.TemporaryDirectory() as directory:
        engine = LocalEngine(store, Path(directory), isolated=True)
        engine.start()
        kit = EngineUnderTest(engine, store)
        for language, (code, buffered) in _PROGRAMS.items():
            times: dict[str, list[float]] = {"": [], buffered: []}
            for _ in range(rounds):
                for form, taken in times.items():
                    taken.append(_milliseconds(kit, language, code % form))
            by_line, full = (statistics.median(taken) for taken in times.values())
            ratio = full / by_line
            reached = reached and ratio >= _LEAST[language]
            print(
                f"{language:8s} by line {by_line:6.0f} ms, full buffers {full:6.0f} ms: {ratio:4.2f}, "
                f"at least {_LEAST[language]}"
            )
        kit.close()
        engine.stop()
    return reached


if __name__ == "__main__":
    sys.exit(not main(*map(int, sys.argv[1:])))
