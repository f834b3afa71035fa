"""The slowdown of a program by another one with sixty processes, each in its own session.

`python -m tests.benchmarks.bench_processors [ROUNDS]`; the default is 5 rounds. A round runs the program
alone and beside the other one, under the same conditions. The exit code is 1 if it is slower than if two
programs shared the processors.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

from tests.contract.engine_kit.harness import EngineUnderTest, Program
from tests.support.sandbox import running_engine

_VICTIM = "total = 0\nfor number in range(4_000_000): total += number\nprint(total)"
_SPINS = (Path(__file__).parents[1] / "attack" / "programs" / "spin.py").read_text()
_LONG = {"timeout_ms": 120_000, "cpu_time_ms": 240_000}
_UP_WITHIN_S = 30
# One of two programs gets at least half of the processors; the rest is for its start and for waits.
_MOST = 3.0


def _seconds(kit: EngineUnderTest) -> float:
    begun = time.perf_counter()
    result = kit.run(Program(code=_VICTIM, limits=_LONG)).result
    assert result.reason is None, result
    return time.perf_counter() - begun


def _seconds_beside(kit: EngineUnderTest) -> float:
    others = kit.start(Program(code=_SPINS, args=("sessions",), limits=_LONG))
    assert others.recorder.has_output.wait(_UP_WITHIN_S)
    try:
        return _seconds(kit)
    finally:
        kit.engine.cancel(others.request.execution_id, others.request.job_id)
        others.end.result(_UP_WITHIN_S)


def main(rounds: int = 5) -> bool:
    """Print the figures; return whether the program gets its share."""
    with tempfile.TemporaryDirectory() as directory, running_engine(Path(directory)) as kit:
        pairs = [(_seconds(kit), _seconds_beside(kit)) for _ in range(rounds)]
    slower = statistics.median(beside / alone for alone, beside in pairs)
    for alone, beside in pairs:
        print(f"alone {alone:.2f} s, beside sixty processes {beside:.2f} s")
    is_met = slower <= _MOST
    print(f"{'reached' if is_met else 'MISSED '}  slower by: {slower:.2f}, at most {_MOST}")
    return is_met


if __name__ == "__main__":
    sys.exit(not main(*map(int, sys.argv[1:])))
