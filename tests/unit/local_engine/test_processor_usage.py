"""The use of the machine's processors, from the kernel's statistics."""

from threading import Event

import pytest

from adapters.local_engine.processor_usage import MAX_POINTS, ProcessorUsage
from tests.support.processes import PATIENCE_S

_OTHERS = "cpu0 1 2 3 4 5 6 7 8 9 10\nintr 1\n"


class Machine:
    """A machine whose processors are busy for a part of each second."""

    def __init__(self) -> None:
        self.now = 0.0
        self._busy, self._idle = 0, 0

    def read(self) -> str:
        user, idle = self._busy, self._idle
        # Time of guests is within that of users, and iowait is a kind of idleness.
        return f"cpu  {user} 0 0 {idle // 2} {idle - idle // 2} 0 0 0 {user} 0\n{_OTHERS}"

    def run(self, percent: int) -> None:
        self.now += 1
        self._busy += percent
        self._idle += 100 - percent


@pytest.fixture
def machine():
    return Machine()


@pytest.fixture
def usage(machine):
    return ProcessorUsage(machine.read, lambda: machine.now)


def test_a_series_has_the_samples_between_two_times(machine, usage):
    usage.sample()
    for percent in (10, 100, 90, 20):
        machine.run(percent)
        usage.sample()

    assert usage.between(1.0, 3.0) == [100, 90]
    assert usage.between(0.0, 4.0) == [10, 100, 90, 20]


def test_a_time_shorter_than_a_sample_has_the_sample_that_it_is_in(machine, usage):
    usage.sample()
    machine.run(70)

    assert usage.between(0.4, 0.5) == [70]


def test_long_series_are_averaged_to_so_many_points(machine, usage):
    usage.sample()
    for number in range(10 * MAX_POINTS):
        machine.run(100 if number % 2 else 50)
        usage.sample()

    assert usage.between(0.0, machine.now) == [75] * MAX_POINTS


@pytest.mark.parametrize("text", ["", "cpu  a b", "cpu  1 2 3 4 5 6 7 8"])
def test_without_figures_there_is_no_series(text):
    usage = ProcessorUsage(lambda: text)

    usage.sample()

    assert usage.between(0.0, 1.0) == []


def test_a_kernel_without_statistics_is_no_error():
    def read():
        raise FileNotFoundError

    assert ProcessorUsage(read).between(0.0, 1.0) == []


def test_samples_are_taken_as_long_as_something_watches():
    taken, again = Event(), Event()

    def read():
        (again if taken.is_set() else taken).set()
        return ""

    usage = ProcessorUsage(read, every_s=0.001)
    with usage.watched(), usage.watched():
        assert taken.wait(PATIENCE_S)
        assert again.wait(PATIENCE_S)
    with usage.watched():
        again.clear()
        assert again.wait(PATIENCE_S)
