"""Keeping interpreters ready, with any failure of one."""

import logging
from collections import deque

import pytest

from adapters.local_engine.sandbox import warm_pool
from adapters.local_engine.sandbox.program import NOTHING
from adapters.local_engine.sandbox.warm_pool import WarmPool


class _Box:
    def is_waiting(self):
        return True

    def close(self):
        pass


@pytest.mark.parametrize("error", [OSError(12, "no memory"), ValueError("a bug")])
def test_an_error_ends_no_pool(error, monkeypatch, caplog):
    monkeypatch.setattr(warm_pool, "_AGAIN_AFTER_S", 0.001)
    errors = deque([error])

    def park():
        if errors:
            raise errors.popleft()
        return _Box()

    with caplog.at_level(logging.WARNING, "service_server.local_engine"):
        ours = WarmPool("Python", NOTHING, park, number=1, is_busy=lambda: False)
        try:
            assert ours.wait_until_full(10)
        finally:
            ours.close()

    assert ours.trouble is None
    assert "Python starts cold" in caplog.text
