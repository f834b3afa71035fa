import os
import shutil

import pytest


def require_bubblewrap() -> None:
    """Skip the test on a machine without bubblewrap, but never where everything has to be tested."""
    if shutil.which("bwrap") is None:
        message = "bubblewrap is not installed: apt-get install bubblewrap"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
