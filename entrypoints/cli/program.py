"""The start of the program `service-server`.

Loading its modules takes a few tenths of a second. A Ctrl-C meanwhile ends the process at once, without a
traceback.
"""

import signal


def main() -> None:
    """Load and run the command line."""
    handler = signal.getsignal(signal.SIGINT)
    if handler is signal.default_int_handler:  # it is ignored under nohup(1)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from entrypoints.cli import main as loaded  # noqa: PLC0415 - interruptible

    signal.signal(signal.SIGINT, handler)
    loaded.main()
