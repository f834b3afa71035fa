"""The health of dependencies while this process can start no thread, or while they do not answer."""

import subprocess
import sys
from threading import Thread

from application.use_cases.check_health import CheckHealth


def test_a_check_for_which_no_thread_can_be_started_is_a_part_that_is_not_healthy(monkeypatch, caplog):
    def refuse(_thread):
        raise RuntimeError("can't start new thread")

    check_health = CheckHealth({"database": lambda: None}, {"database"}, timeout_s=30, kept_s=0)
    monkeypatch.setattr(Thread, "start", refuse)

    (refused,) = check_health()

    monkeypatch.undo()
    (healthy,) = check_health()
    assert (refused.name, refused.is_healthy, refused.is_required) == ("database", False, True)
    assert str(refused.detail) == "its check failed; the log of the service has the details"
    assert "can't start new thread" in caplog.text
    assert healthy.is_healthy


SILENT = """
from threading import Event
from application.use_cases.check_health import CheckHealth

(part,) = CheckHealth({"code store": Event().wait}, {"code store"}, timeout_s=0.01, kept_s=0)()
print(part.detail)
"""


def test_a_process_ends_although_a_dependency_never_answers():
    done = subprocess.run(
        [sys.executable, "-c", SILENT], capture_output=True, text=True, timeout=90, check=True
    )

    assert done.stdout == "the code store is unavailable: no answer within 0.01 s\n"
