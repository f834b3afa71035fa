"""The process that makes a rootfs is ended as soon as it has reported the rootfs."""

import os
import time
from pathlib import Path

import pytest

from adapters.local_engine.sandbox.supervisor import rootfs_maker
from adapters.local_engine.sandbox.supervisor.protocol import Rootfs


def _view(script):
    return Rootfs(argv=("/bin/sh", "-c", script))


@pytest.mark.parametrize("script", ["echo $$; exec sleep 60", "sleep 60 & echo $!; exec sleep 60"])
def test_nobody_waits_for_what_does_not_end_by_itself(script):
    began = time.monotonic()

    mounts = rootfs_maker.make(_view(script))

    assert time.monotonic() - began < 40
    assert Path(f"/proc/self/fd/{mounts}").readlink().name.startswith("mnt:")
    os.close(mounts)


def test_a_view_that_cannot_be_made_is_an_error_with_its_makers_words():
    with pytest.raises(OSError, match="no view for you"):
        rootfs_maker.make(_view("echo no view for you; exec sleep 60"))
