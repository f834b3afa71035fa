"""Starting programs ahead of their jobs, as far as this machine and their languages allow it."""

from collections.abc import Callable
from functools import partial

from adapters.local_engine.sandbox.bubblewrap import Bubblewrap
from adapters.local_engine.sandbox.launcher import Launcher
from adapters.local_engine.sandbox.prewarmed_sandbox import PrewarmedSandbox, waiting
from adapters.local_engine.sandbox.program import Program, compose_without_job
from adapters.local_engine.sandbox.warm_pool import WarmPool
from adapters.local_engine.toolchains import Toolchains
from domain.limits import Limits


class WarmPoolManager:
    """Keeps interpreters parked, each in a box of its own and for one job only.

    Args:
        launcher: What starts them.
        bubblewrap: What makes their boxes; None if programs are not isolated.
        toolchains: The languages, of which some have interpreters that can wait.
        number: How many of each language are to be ready.
        limits: Those that most jobs have.
        is_busy: Says whether programs that run need every processor.
    """

    def __init__(
        self,
        launcher: Launcher,
        bubblewrap: Bubblewrap | None,
        toolchains: Toolchains,
        number: int,
        limits: Limits,
        is_busy: Callable[[], bool],
    ) -> None:
        self._launcher = launcher
        self._bubblewrap = bubblewrap
        self._toolchains = toolchains
        self._number = number
        self._limits = limits
        self._is_busy = is_busy
        self._pools: dict[str, WarmPool] = {}

    def start(self) -> None:
        """Begin to start interpreters."""
        if self._bubblewrap is None or self._number == 0:
            return
        for toolchain, executables in self._toolchains.available():
            if toolchain.warm is not None:
                usual = compose_without_job(toolchain, executables, self._limits)
                interpreter = waiting(usual, toolchain.warm)
                park = partial(PrewarmedSandbox, self._launcher, interpreter, self._bubblewrap.allowance)
                self._pools[toolchain.title] = WarmPool(
                    toolchain.title, usual, park, self._number, self._is_busy
                )

    def stop(self) -> None:
        """End those that wait."""
        while self._pools:
            _, pool = self._pools.popitem()
            pool.close()

    def take(self, program: Program) -> PrewarmedSandbox | None:
        """Take an interpreter for a program, which the caller closes; None if there is none for it."""
        boxes = (pool.take(program) for pool in list(self._pools.values()))
        return next((box for box in boxes if box is not None), None)

    def wait_until_ready(self, timeout_s: float) -> bool:
        """Wait until every interpreter is ready; return whether that is so."""
        return all(pool.wait_until_full(timeout_s) for pool in self._pools.values())

    def describe(self) -> str:
        """Say whether there is a warm start, and why not where there is none."""
        if self._bubblewrap is None:
            return "none: programs are not isolated"
        if self._number == 0:
            return "none: SERVICE_SERVER_WARM_STARTS is 0"
        titles = [each.title for each, _ in self._toolchains.available() if each.warm is not None]
        return "; ".join(map(self._describe, titles)) or "none: no language that has one is installed"

    def _describe(self, title: str) -> str:
        pool = self._pools.get(title)
        if pool is not None and pool.trouble is not None:
            return f"{title}: none, {pool.trouble}"
        return f"{title}: {self._number} ready, each for one job"
