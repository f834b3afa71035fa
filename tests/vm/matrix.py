"""Every check of every kind of session: each kind in a machine of its own, a few machines at once."""

import re
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tests.support.sandbox import CGROUPS_REQUIRED
from tests.vm.image import kept_image
from tests.vm.machine import Machine, NotRunning, booted
from tests.vm.sessions import checks, sessions

_CHECK_TIMEOUT_S = 5400
# That of the emulated kernel, with a processor that is shared.
_SLOWNESS = 5
_COUNTS = re.compile(r"^[0-9]+ (passed|failed|skipped).* in [0-9.]+s")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A check in a kind of session, its exit status and its output."""

    session: str
    check: str
    status: int
    seconds: float
    output: bytes

    @property
    def summary(self) -> str:
        """The counts of pytest, if it came to its end."""
        lines = self.output.decode(errors="replace").splitlines()
        return next((line for line in reversed(lines) if _COUNTS.search(line)), "")

    def __str__(self) -> str:
        return f"{'passed' if self.status == 0 else 'FAILED'} in {self.seconds:.0f} s"


def run_matrix(kinds: Iterable[str], only: Sequence[str], machines: int) -> int:
    """Run the checks, print each outcome and a table of them, and return 0 if all have passed."""
    kept_image()  # before the threads, which would wait for one of them to build it
    with ThreadPoolExecutor(machines) as threads:
        outcomes = [
            outcome for of_kind in threads.map(lambda kind: _run(kind, only), kinds) for outcome in of_kind
        ]
    failed = [outcome for outcome in outcomes if outcome.status != 0]
    print("\n" + "\n".join(_table(outcomes)))
    return 1 if failed or not outcomes else 0


def _run(kind: str, only: Sequence[str]) -> list[Outcome]:
    outcomes = []
    waiting = [check for check in sessions()[kind].checks if not only or check in only]
    while waiting:  # in one machine, unless a check ends it
        with booted(kind) as machine:
            while waiting and machine.is_running:
                outcomes.append(_check(machine, kind, waiting.pop(0)))
                _print(outcomes[-1])
    return outcomes


def _print(outcome: Outcome) -> None:
    """Print an outcome, and a failed one with its output, in one piece: others print at the same time."""
    line = f"{outcome.session:<28}{outcome.check:<10}{outcome} {outcome.summary}\n".encode()
    sys.stdout.buffer.write(line if outcome.status == 0 else line + outcome.output)
    sys.stdout.buffer.flush()


def _check(machine: Machine, kind: str, check: str) -> Outcome:
    begun = time.monotonic()
    with tempfile.TemporaryFile() as output:
        try:
            status = machine.run(
                sessions()[kind],
                checks()[check],
                variables={
                    "CI": "true",
                    "SERVICE_SERVER_VM_SESSION": kind,
                    "SERVICE_SERVER_TEST_SLOWNESS": str(_SLOWNESS),
                    CGROUPS_REQUIRED: "true" if sessions()[kind].control_groups else "",
                },
                timeout_s=_CHECK_TIMEOUT_S,
                stdout=output,
                stderr=output,
            )
        except NotRunning as error:
            status = 2
            output.write(f"\n{error}\n".encode())
        output.seek(0)
        return Outcome(
            session=kind,
            check=check,
            status=status,
            seconds=time.monotonic() - begun,
            output=output.read(),
        )


def _table(outcomes: Sequence[Outcome]) -> Iterator[str]:
    by_place = {(outcome.session, outcome.check): str(outcome) for outcome in outcomes}
    kinds = [kind for kind in sessions() if any(outcome.session == kind for outcome in outcomes)]
    yield f"{'':<28}" + "".join(f"{check:<20}" for check in checks())
    for kind in kinds:
        yield f"{kind:<28}" + "".join(f"{by_place.get((kind, check), '-'):<20}" for check in checks())
