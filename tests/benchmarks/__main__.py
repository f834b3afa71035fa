"""Runs the benchmarks, `python -m tests.benchmarks`, or some, `python -m tests.benchmarks jobs lists`."""

import sys
from importlib import import_module
from pathlib import Path

_PREFIX = "bench_"


def main() -> None:
    """Run the named benchmarks, or all of them, one after the other."""
    present = [
        path.stem.removeprefix(_PREFIX) for path in sorted(Path(__file__).parent.glob(f"{_PREFIX}*.py"))
    ]
    for name in sys.argv[1:] or present:
        if name not in present:
            sys.exit(f"there is no benchmark '{name}'; there are {', '.join(present)}")
        print(f"\n== {name} ==", flush=True)
        module = import_module(f"tests.benchmarks.{_PREFIX}{name}")
        sys.argv[1:] = []  # a benchmark's own arguments are its own program's
        module.main()


if __name__ == "__main__":
    main()
