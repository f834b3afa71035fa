"""The slowdown of requests for a tenant with every quota, compared with one without quotas.

`python -m tests.benchmarks.bench_quotas [ROUNDS] [SECONDS]`; the default is 9 rounds of 1 second each. The
exit code is 1 if a figure misses its target.

Two services run in separate processes, embedded on SQLite; the quotas of one are far from used up. They are
measured alternately, and the result is the median of the rounds' ratios, because hosts vary.
"""

import statistics
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from domain.limits import STANDARD_BOUNDS, STANDARD_LIMITS
from domain.priority import MAX_PRIORITY
from domain.quota import Quota
from domain.tenant import DEFAULT_TENANT
from entrypoints.container import build_container
from tests.benchmarks.bench_api import CASES, WARM_UP_S, Caller, _measure, _served, _service
from tests.support.settings import settings_of

ROUNDS = 9
SECONDS = 1.0
CALLERS = 8
# The maximum duration of a request, relative to the tenant without quotas.
TARGETS = {"upload": 1.05, "status": 1.10}
MUCH = 1_000_000
EVERY_QUOTA = Quota(
    requests_per_s=MUCH,
    running=MUCH,
    waiting=MUCH,
    uploads_per_day=MUCH,
    cpu_seconds_per_day=MUCH,
    stored_bytes=MUCH << 20,
    max_priority=MAX_PRIORITY,
    streams=MUCH,
    limits={name: bounds.maximum for name, bounds in STANDARD_BOUNDS.items()},
)


def main(rounds: int = ROUNDS, seconds: float = SECONDS) -> list[str]:
    """Print a line for each figure; return the names of those that missed their targets."""
    missed = []
    print(f"{CALLERS} callers\n{'':10}{'none, ms':>10}{'all, ms':>10}{'ratio':>8}{'at most':>9}")
    with tempfile.TemporaryDirectory() as name, ExitStack() as running:
        ports = [running.enter_context(_served(_service, Path(name) / kind)) for kind in ("none", "all")]
        for port in ports:
            Caller(port)("GET", "/api/health")  # its tables exist now
        _limit(Path(name) / "all")
        for case, target in TARGETS.items():
            for port in ports:
                _measure(port, CASES[case], CALLERS, WARM_UP_S)
            times = [[_mean(port, case, seconds) for port in ports] for _ in range(rounds)]
            without, with_all = (1_000 * statistics.median(column) for column in zip(*times, strict=True))
            ratio = statistics.median(one / other for other, one in times)
            print(f"{case:10}{without:10.3f}{with_all:10.3f}{ratio:8.3f}{target:9.2f}", flush=True)
            if ratio > target:
                missed.append(case)
    return missed


def _mean(port: int, case: str, seconds: float) -> float:
    """Return the mean time of a request, in seconds."""
    return statistics.fmean(_measure(port, CASES[case], CALLERS, seconds))


def _limit(data_dir: Path) -> None:
    """Give the tenant of a service every quota."""
    container = build_container(settings_of(data_dir=data_dir), STANDARD_LIMITS)
    try:
        unit_of_work = container.unit_of_work()
        tenant = unit_of_work.read(lambda transaction: transaction.tenants.get(DEFAULT_TENANT))
        limited = replace(tenant, quota=EVERY_QUOTA)
        unit_of_work.run(lambda transaction: transaction.tenants.replace(tenant, limited))
    finally:
        container.database().dispose()


if __name__ == "__main__":
    if too_slow := main(
        *(cast(argument) for cast, argument in zip((int, float), sys.argv[1:], strict=False))
    ):
        sys.exit(f"missed: {', '.join(too_slow)}")
