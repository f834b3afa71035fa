import signal

import pytest

from entrypoints.worker.stop_signals import stop_signals


@pytest.mark.parametrize(
    ("handler", "stops"),
    [pytest.param(signal.SIG_DFL, True, id="terminal"), pytest.param(signal.SIG_IGN, False, id="nohup")],
)
def test_a_closed_terminal_stops_a_process_unless_nohup_keeps_it_running(handler, stops):
    before = signal.signal(signal.SIGHUP, handler)
    try:
        assert (signal.SIGHUP in stop_signals()) is stops
        assert {signal.SIGINT, signal.SIGTERM} <= set(stop_signals())
    finally:
        signal.signal(signal.SIGHUP, before)
