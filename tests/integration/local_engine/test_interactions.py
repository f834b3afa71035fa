"""Programs that get files of a case, and programs that speak with each other by pipes."""

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.local_engine.built_program import LocalProgram
from adapters.local_engine.conversation import Conversation
from adapters.local_engine.sandbox.run_monitor import RunMonitor
from application.ports.execution_engine import CaseInput, Interaction
from domain.job_lifecycle import JobStatus, Reason
from tests.contract.engine_kit.harness import EngineUnderTest, Program, Recorder
from tests.support.sandbox import running_engine

_NO_FILES: Mapping[str, bytes] = {}
_FILES: Mapping[str, bytes] = {".case/input": b"1 2\n", ".case/output": b"\xff" * 70_000, ".case/answer": b""}


@pytest.fixture(scope="module", params=[True, False], ids=["isolated", "not isolated"])
def kit(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EngineUnderTest]:
    with running_engine(tmp_path_factory.mktemp("joined"), isolated=request.param, warm_starts=1) as kit:
        yield kit


def built(kit: EngineUnderTest, stack: ExitStack, program: Program) -> LocalProgram:
    """Build a program, until the stack is closed."""
    made = kit.engine.build(kit.request(program), Recorder())
    assert isinstance(made, LocalProgram), made
    stack.callback(made.close)
    return made


def case(program: LocalProgram, *args: str, files: Mapping[str, bytes] = _NO_FILES) -> CaseInput:
    """Return the input of a run."""
    return CaseInput(stdin=b"", args=args, limits=program.limits, files=files)


def interact(
    kit: EngineUnderTest, solution: Program, interactor: Program, *args: str, **limits: int
) -> Interaction:
    """Run two programs side by side; the second one has arguments and files."""
    with ExitStack() as stack:
        first, second = built(kit, stack, solution), built(kit, stack, interactor)
        given = replace(case(first), limits=replace(first.limits, **limits))
        return first.interact(given, second, case(second, *args, files=_FILES))


_SIZES = """
#include <fstream>
#include <iostream>
#include <iterator>
int main(int argc, char** argv) {
    for (int i = 1; i < argc; i++) {
        std::ifstream file(argv[i], std::ios::binary);
        std::cout << std::distance(std::istreambuf_iterator<char>(file), {}) << ' ';
    }
}
"""


@pytest.mark.parametrize(
    "program",
    [
        Program(code=_SIZES, language="cpp"),
        Program(code="import sys\nfor path in sys.argv[1:]: print(len(open(path, 'rb').read()), end=' ')"),
    ],
    ids=["built", "interpreted"],
)
def test_a_run_finds_files_of_its_own_beside_the_programs(kit: EngineUnderTest, program: Program) -> None:
    with ExitStack() as stack:
        checker = built(kit, stack, program)
        for _ in range(2):
            with checker.run(case(checker, *_FILES, files=_FILES)) as report:
                assert (report.result.status, report.result.stdout.text) == (JobStatus.SUCCESS, "4 70000 0 ")
        with checker.run(case(checker, "main.py", files={"more": b""})) as report:
            assert report.result.status is JobStatus.SUCCESS


_GUESS = """
low, high = 1, 1000
while True:
    middle = (low + high) // 2
    print(middle, flush=True)
    answer = input()
    if answer == "=":
        break
    low, high = (middle + 1, high) if answer == ">" else (low, middle - 1)
"""
_HOST = """
#include <iostream>
int main(int argc, char** argv) {
    int secret = std::stoi(argv[1]), guess, asked = 0;
    while (std::cin >> guess) {
        asked++;
        std::cout << (guess == secret ? '=' : guess < secret ? '>' : '<') << std::endl;
        if (guess == secret) break;
    }
    std::cerr << asked << " questions";
    return guess == secret ? 0 : 1;
}
"""


def test_two_programs_speak_with_each_other(kit: EngineUnderTest) -> None:
    ended = interact(kit, Program(code=_GUESS), Program(code=_HOST, language="cpp"), "700")

    assert (ended.report.result.status, ended.other.result.status) == (JobStatus.SUCCESS,) * 2
    assert ended.other.result.stderr.text == "9 questions"


def test_the_standard_streams_can_be_opened_by_their_names(kit: EngineUnderTest) -> None:
    speak = "open('/dev/stdout', 'w').write('hello\\n')"
    listen = "import sys; sys.exit(open('/dev/stdin').readline() != 'hello\\n')"
    ended = interact(kit, Program(code=speak), Program(code=listen))

    assert (ended.report.result.status, ended.other.result.status) == (JobStatus.SUCCESS,) * 2


def test_a_program_that_ends_first_is_known_to_have(kit: EngineUnderTest) -> None:
    reader = Program(code="import sys; sys.exit(2 if not sys.stdin.read() else 0)")

    crashed = interact(kit, Program(code="raise SystemExit(3)"), reader)
    assert crashed.is_first
    assert (crashed.report.result.exit_code, crashed.other.result.exit_code) == (3, 2)

    refused = interact(kit, Program(code="input()"), Program(code="raise SystemExit(1)"))
    assert not refused.is_first
    assert refused.other.result.exit_code == 1


def test_a_program_that_the_other_one_has_given_up_is_stopped(kit: EngineUnderTest) -> None:
    loop = Program(code="while True: pass")
    ended = interact(kit, loop, Program(code="raise SystemExit(1)"), timeout_ms=60_000)

    assert not ended.is_first
    assert ended.report.result.status is JobStatus.CANCELLED


def test_a_program_that_is_stopped_has_not_ended_first(
    kit: EngineUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversations: list[Conversation] = []
    cancel, begin = RunMonitor.cancel, Conversation.__enter__

    def begin_observed(conversation: Conversation) -> Conversation:
        conversations.append(conversation)
        return begin(conversation)

    def cancel_slowly(monitor: RunMonitor) -> None:
        cancel(monitor)
        while conversations[0].ended_first is None:
            time.sleep(0.01)

    monkeypatch.setattr(Conversation, "__enter__", begin_observed)
    monkeypatch.setattr(RunMonitor, "cancel", cancel_slowly)
    loop = Program(code="while True: pass")
    ended = interact(kit, loop, Program(code="raise SystemExit(1)"), timeout_ms=60_000)

    assert not ended.is_first
    assert ended.report.result.status is JobStatus.CANCELLED


_WRITES = "import sys\nleft = {size}\nwhile left: left -= sys.stdout.write('x' * min(left, 65_536))"
_COUNTS = """
import sys
size = 0
while data := sys.stdin.buffer.read(65_536):
    size += len(data)
print(size, end="", file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("size", "reason"),
    [(1 << 20, None), ((1 << 20) + 1, Reason.OUTPUT_LIMIT), (1 << 50, Reason.OUTPUT_LIMIT)],
    ids=["all that it may", "a byte more", "without end"],
)
def test_what_a_program_writes_to_the_other_one_is_limited(
    kit: EngineUnderTest, size: int, reason: Reason | None
) -> None:
    solution = Program(code=_WRITES.format(size=size))
    ended = interact(kit, solution, Program(code=_COUNTS), output_mb=1, timeout_ms=60_000)

    result = ended.report.result
    assert ended.is_first
    assert result.reason is reason
    assert result.resource is not None
    assert (result.limit is not None) == (reason is not None)
    assert (ended.other.result.status, ended.other.result.stderr.text) == (JobStatus.SUCCESS, str(1 << 20))


@pytest.mark.parametrize(
    ("solution", "interactor"),
    [("input()", "input()"), ("while True: print('y' * 99)", "import time; time.sleep(60)")],
    ids=["both read", "one writes and nobody reads"],
)
def test_a_deadlock_ends_by_the_time_limit(kit: EngineUnderTest, solution: str, interactor: str) -> None:
    ended = interact(
        kit, Program(code=solution), Program(code=interactor, limits={"timeout_ms": 2_000}), timeout_ms=500
    )

    assert ended.is_first
    assert ended.report.result.reason is Reason.WALL_TIME_LIMIT
    # The other one reads to the end, or has a limit of its own.
    assert ended.other.result.status is not JobStatus.SUCCESS


def test_no_descriptor_is_left(kit: EngineUnderTest) -> None:
    interact(kit, Program(code="input()"), Program(code="print()"))
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        interact(kit, Program(code="input()"), Program(code="print()"))
    assert len(list(Path("/proc/self/fd").iterdir())) <= before


def test_a_cancelled_program_ends_both(kit: EngineUnderTest) -> None:
    with ExitStack() as stack:
        first = built(kit, stack, Program(code="input()"))
        second = built(kit, stack, Program(code="input()"))
        first.cancel()
        second.cancel()
        ended = first.interact(case(first), second, case(second))
    assert {ended.report.result.status, ended.other.result.status} == {JobStatus.CANCELLED}
