"""How much memory a process takes while something happens."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

_EVERY_S = 0.005


@dataclass
class Growth:
    """By how much the resident memory of a process has grown at most, in bytes."""

    most: int = 0


@contextmanager
def watched_memory(pid: int) -> Iterator[Growth]:
    """Look at a process's memory all the time until the context ends."""
    process, growth, done = psutil.Process(pid), Growth(), threading.Event()
    begin = process.memory_info().rss

    def watch() -> None:
        while not done.wait(_EVERY_S):
            growth.most = max(growth.most, process.memory_info().rss - begin)

    watcher = threading.Thread(target=watch, name="memory-watch")
    watcher.start()
    try:
        yield growth
    finally:
        done.set()
        watcher.join()
