"""The signals that stop a process that serves or works."""

import signal
from collections.abc import Collection


def stop_signals() -> Collection[signal.Signals]:
    """Return SIGINT, SIGTERM and SIGHUP, which a closed terminal sends, unless nohup(1) has it ignored."""
    is_kept_up = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return {signal.SIGINT, signal.SIGTERM} | (set() if is_kept_up else {signal.SIGHUP})
