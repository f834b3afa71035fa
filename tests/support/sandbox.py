import os
import shutil

import pytest

from adapters.local_engine.engine import LocalEngine


def has_cgroups(engine: LocalEngine) -> bool:
    """Return whether an engine counts processes: without control groups, a program just may not fork."""
    return engine._confinement._cgroups is not None


def require_bubblewrap() -> None:
    """Skip the test on a machine without bubblewrap, but never where everything has to be tested."""
    if shutil.which("bwrap") is None:
        message = "bubblewrap is not installed: apt-get install bubblewrap"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
