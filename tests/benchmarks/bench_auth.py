"""The slowdown of requests by API keys.

`python -m tests.benchmarks.bench_auth [ROUNDS] [SECONDS]`; the default is 40 rounds of 0.25 s for each
service. The exit code is 1 if a figure misses its target.

Two services run in separate processes, embedded on SQLite: one requires keys, the other does not. They are
measured alternately, each first in every other round, and the result is the median of the rounds' ratios,
because hosts vary by more than the expected difference. Keys and jobs belong to the same tenant in both.
"""

import statistics
import sys
import tempfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from domain.limits import STANDARD_LIMITS
from entrypoints.container import build_container
from tests.benchmarks.bench_api import CASES, WARM_UP_S, Caller, _measure, _served, _service
from tests.support.keys import Keys
from tests.support.settings import settings_of

ROUNDS = 40
SECONDS = 0.25
CALLERS = 8
# The maximum duration of a request, relative to the service without keys.
TARGETS = {"upload": 1.05, "status": 1.10}


def main(rounds: int = ROUNDS, seconds: float = SECONDS) -> list[str]:
    """Print a line for each figure; return the names of those that missed their targets."""
    missed = []
    print(f"{CALLERS} callers\n{'':10}{'off, ms':>10}{'keys, ms':>10}{'ratio':>8}{'at most':>9}")
    with tempfile.TemporaryDirectory() as name, ExitStack() as running:
        off = running.enter_context(_served(_service, Path(name) / "off"))
        keys = running.enter_context(_served(partial(_service, auth="keys"), Path(name) / "keys"))
        Caller(keys)("GET", "/api/health")  # its tables exist now
        key = _key(Path(name) / "keys")
        for case, target in TARGETS.items():
            for port, its_key in ((off, None), (keys, key)):
                _measure(port, CASES[case], CALLERS, WARM_UP_S, its_key)
            times = [_round(case, seconds, (off, None), (keys, key), number % 2) for number in range(rounds)]
            without, with_key = (1_000 * statistics.median(column) for column in zip(*times, strict=True))
            ratio = statistics.median(one / other for other, one in times)
            print(f"{case:10}{without:10.3f}{with_key:10.3f}{ratio:8.3f}{target:9.2f}", flush=True)
            if ratio > target:
                missed.append(case)
    return missed


def _round(
    case: str, seconds: float, off: tuple[int, None], keys: tuple[int, str], first: int
) -> tuple[float, float]:
    """Return the mean times of a request to each service; if `first` is 1, the second is measured first."""
    if first:
        with_key = _mean(*keys, case, seconds)
        return _mean(*off, case, seconds), with_key
    return _mean(*off, case, seconds), _mean(*keys, case, seconds)


def _mean(port: int, key: str | None, case: str, seconds: float) -> float:
    """Return the mean time of a request, in seconds."""
    return statistics.fmean(_measure(port, CASES[case], CALLERS, seconds, key))


def _key(data_dir: Path) -> str:
    """Create a key in a service's database."""
    container = build_container(settings_of(data_dir=data_dir), STANDARD_LIMITS)
    try:
        return Keys(container.unit_of_work()).add("default")
    finally:
        container.database().dispose()


if __name__ == "__main__":
    if too_slow := main(
        *(cast(argument) for cast, argument in zip((int, float), sys.argv[1:], strict=False))
    ):
        sys.exit(f"missed: {', '.join(too_slow)}")
