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
from tests.vm.passed import PassedChecks
from tests.vm.sessions import checks, sessions

_CHECK_TIMEOUT_S = 5400
# That of the emulated kernel, with a processor that is shared.
_SLOWNESS = 5
_COUNTS = re.compile(r"^[0-9]+ (passed|failed|skipped).* in [0-9.]+s")
# Its output is what it is for.
_FIGURES = "figures"
_PASSED_BEFORE = "passed before"


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


def run_matrix(kinds: Iterable[str], only: Sequence[str], machines: int, passed: PassedChecks) -> int:
    """Run the checks, print each outcome and a table of them, and return 0 if all have passed.

    Args:
        kinds: The kinds of session.
        only: The checks; all if there are none.
        machines: The number of machines that run at once.
        passed: The checks that are left out, to which the ones that pass are added.
    """
    begun = time.monotonic()
    kept_image()  # before the threads, which would wait for one of them to build it
    if passed.before:
        print(
            f"{len(passed.before)} checks of this commit passed in an earlier run, which was interrupted or "
            "failed, and are left out; 'python -m tests.vm test --anew' runs all.",
            flush=True,
        )
    # The kinds with the most checks first: at the end no machine waits for a long one.
    longest_first = sorted(kinds, key=lambda kind: -len(sessions()[kind].checks))
    with ThreadPoolExecutor(machines) as threads:
        outcomes = [
            outcome
            for of_kind in threads.map(lambda kind: _run(kind, only, passed), longest_first)
            for outcome in of_kind
        ]
    failed = [outcome for outcome in outcomes if outcome.status != 0]
    print("\n" + "\n".join(_table(outcomes, passed)))
    print(f"{len(failed)} of {len(outcomes)} checks failed; {(time.monotonic() - begun) / 60:.0f} minutes.")
    if failed or not (outcomes or passed.before):
        return 1
    passed.forget()
    return 0


def _run(kind: str, only: Sequence[str], passed: PassedChecks) -> list[Outcome]:
    outcomes = []
    waiting = [
        check
        for check in sessions()[kind].checks
        if (not only or check in only) and (kind, check) not in passed.before
    ]
    while waiting:  # in one machine, unless a check ends it
        with booted(kind) as machine:
            while waiting and machine.is_running:
                outcomes.append(_check(machine, kind, waiting.pop(0)))
                _print(outcomes[-1])
                if outcomes[-1].status == 0:
                    passed.add(kind, outcomes[-1].check)
    return outcomes


def _print(outcome: Outcome) -> None:
    """Print an outcome, and a failed one with its output, in one piece: others print at the same time."""
    line = f"{outcome.session:<28}{outcome.check:<12}{outcome} {outcome.summary}\n".encode()
    is_shown = outcome.status != 0 or outcome.check == _FIGURES
    sys.stdout.buffer.write(line + outcome.output if is_shown else line)
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


def _table(outcomes: Sequence[Outcome], passed: PassedChecks) -> Iterator[str]:
    by_place = dict.fromkeys(passed.before, _PASSED_BEFORE)
    by_place |= {(outcome.session, outcome.check): str(outcome) for outcome in outcomes}
    yield f"{'':<28}" + "".join(f"{check:<20}" for check in checks())
    for kind in sessions():
        cells = [by_place.get((kind, check), "-") for check in checks()]
        if set(cells) != {"-"}:
            yield f"{kind:<28}" + "".join(f"{cell:<20}" for cell in cells)
