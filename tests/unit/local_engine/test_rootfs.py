"""The process that makes a rootfs is ended as soon as it has reported the rootfs."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
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


def test_the_words_of_a_maker_may_come_in_pieces(tmp_path: Path):
    # bubblewrap 0.12 writes its name and its message separately.
    between = tmp_path / "between"
    os.mkfifo(between)
    view = _view(f"printf 'maker: ' >&2; read line <{between}; echo no view for you >&2")

    with ThreadPoolExecutor(1) as pool:
        making = pool.submit(rootfs_maker.make, view)
        with between.open("w") as fifo:  # returns when the maker has written the first piece
            fifo.write("\n")

        with pytest.raises(OSError, match="maker: no view for you"):
            making.result()
