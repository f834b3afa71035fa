"""The outputs that are kept for the next reader of a part."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Barrier, Thread

import pytest

from application.output_cache import LogOutputs, OutputCache
from application.ports.output_feed import Stream
from domain.arrivals import Arrivals
from domain.values import ObjectKey
from tests.support.memory.clock import MemoryClock
from tests.support.processes import eventually

LARGE = 300_000
ARRIVALS = Arrivals(datetime(2026, 1, 1, tzinfo=UTC), ())
SPACE = 2 * LARGE + 10


@pytest.fixture
def clock() -> MemoryClock:
    return MemoryClock()


@pytest.fixture
def cache(clock: MemoryClock) -> OutputCache:
    return OutputCache(clock, SPACE)


class Log:
    """A log that counts how often it is read."""

    def __init__(self, name: str = "log", size: int = LARGE) -> None:
        self.key = ObjectKey(name)
        self.content = name.encode().ljust(size, b".")
        self.reads = 0

    def read(self) -> LogOutputs[bytes]:
        self.reads += 1
        return LogOutputs({Stream.STDOUT: self.content, Stream.STDERR: b"few"}, ARRIVALS)


def get(cache: OutputCache, log: Log) -> bytes:
    outputs = cache.get(log.key, log.read)
    output = outputs.streams[Stream.STDOUT]
    assert outputs.streams[Stream.STDERR].read(0, 9) == b"few"
    assert outputs.arrivals is ARRIVALS
    return output.read(0, output.size)


def test_a_large_output_is_read_once(cache: OutputCache):
    log = Log()

    assert get(cache, log) == get(cache, log) == log.content
    assert log.reads == 1


@pytest.mark.parametrize("size", [0, 1_000, SPACE + 1])
def test_a_small_output_and_one_without_room_are_not_kept(cache: OutputCache, size: int):
    log = Log(size=size)

    assert get(cache, log) == get(cache, log) == log.content
    assert log.reads == 2


def test_the_longest_unread_gives_way_and_readers_of_it_go_on(cache: OutputCache):
    first, second, third = Log("first"), Log("second"), Log("third")
    get(cache, first)
    reading = cache.get(second.key, second.read).streams[Stream.STDOUT]
    get(cache, first)

    get(cache, third)

    assert reading.read(0, 6) == b"second"
    get(cache, first)
    get(cache, second)
    assert (first.reads, second.reads) == (1, 2)


def test_an_output_is_read_anew_after_some_minutes(cache: OutputCache, clock: MemoryClock):
    log = Log()
    get(cache, log)

    clock.advance(301)
    get(cache, log)

    assert log.reads == 2


def test_a_log_that_cannot_be_read_is_read_by_the_next(cache: OutputCache):
    log = Log()

    def fail() -> LogOutputs[bytes]:
        raise OSError("away")

    with pytest.raises(OSError, match="away"):
        cache.get(log.key, fail)
    assert get(cache, log) == log.content


def test_a_full_disk_keeps_nobody_from_reading(cache: OutputCache, monkeypatch: pytest.MonkeyPatch):
    def full(*_arguments: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.pwrite", full)
    log = Log()

    assert get(cache, log) == log.content


def test_several_readers_have_it_read_once(cache: OutputCache):
    log, begin = Log(), Barrier(4)
    contents: list[bytes] = []

    def run() -> None:
        begin.wait()
        contents.append(get(cache, log))

    _together(run, 4)

    assert contents == [log.content] * 4
    assert log.reads == 1


def test_a_small_output_is_read_once_for_all_who_wait_for_it(monkeypatch: pytest.MonkeyPatch):
    clock, log, readers = MemoryClock(), Log(size=1_000), 3
    cache, asked, contents = OutputCache(clock, SPACE), Counter[str](), []
    monkeypatch.setattr(clock, "monotonic", lambda: asked.update(["now"]) or 0.0)

    def read() -> LogOutputs[bytes]:
        assert eventually(lambda: asked["now"] == readers)  # each asks for the time before it waits
        return log.read()

    def run() -> None:
        output = cache.get(log.key, read).streams[Stream.STDOUT]
        contents.append(output.read(0, output.size))

    _together(run, readers)

    assert contents == [log.content] * readers
    assert log.reads == 1


def _together(run: Callable[[], None], number: int) -> None:
    threads = [Thread(target=run) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
