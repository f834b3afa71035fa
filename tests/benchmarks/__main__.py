"""Runs all benchmarks, `python -m tests.benchmarks`, or some, `python -m tests.benchmarks jobs lists`.

Arguments after a name belong to that benchmark: `... jobs --seconds 5 lists --mariadb 1000`. The exit code is
1 if a benchmark missed its target.
"""

import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

_PREFIX = "bench_"


def main(arguments: Sequence[str]) -> bool:
    """Run the named benchmarks, or all of them, in turn; return whether all of them reached their targets."""
    present = sorted(path.stem.removeprefix(_PREFIX) for path in Path(__file__).parent.glob(f"{_PREFIX}*.py"))
    chosen: list[tuple[str, list[str]]] = []
    for argument in arguments or present:
        if argument in present:
            chosen.append((argument, []))
        elif chosen:
            chosen[-1][1].append(argument)
        else:
            sys.exit(f"there is no benchmark '{argument}'; there are {', '.join(present)}")
    reached = [_run(name, its) for name, its in chosen]
    return all(reached)


def _run(name: str, arguments: Sequence[str]) -> bool:
    """Run a benchmark as a program."""
    print(f"\n== {name} ==", flush=True)
    sys.argv[1:] = arguments
    try:
        runpy.run_module(f"tests.benchmarks.{_PREFIX}{name}", run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        if ended.code:
            print(ended.code, file=sys.stderr, flush=True)
        return not ended.code
    return True


if __name__ == "__main__":
    sys.exit(not main(sys.argv[1:]))
