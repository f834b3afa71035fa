"""Checkers and interactors that are programs, in sandboxes of their own, also hostile ones."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import pytest

from adapters.local_engine import engine
from adapters.local_engine.built_program import LocalProgram
from application.case_judge import CaseJudge, CaseJudges
from application.ports.execution_engine import (
    BuiltProgram,
    CaseInput,
    EngineReport,
    ExecutionObserver,
    ExecutionRequest,
    KeptBuild,
    KnownBuilds,
    no_builds,
)
from domain.blob import BlobRef
from domain.cases import Case, CaseResult, JobCases, Verdict
from domain.checker import DEFAULT_CHECKER, Checker, CheckerKind, JudgeProgram
from domain.execution import ExecutionResult
from domain.files import JobFile
from domain.job_lifecycle import JobStatus
from domain.language import LANGUAGES
from domain.limits import STANDARD_LIMITS, Limits
from domain.tenant import DEFAULT_TENANT
from tests.contract.engine_kit.harness import EngineUnderTest, Program, Recorder
from tests.support.processes import eventually
from tests.support.sandbox import running_engine, version_of

_USUAL = STANDARD_LIMITS.resolve({})
_LIMITS = replace(_USUAL, timeout_ms=10_000, cpu_time_ms=10_000)
_SHORT = replace(_USUAL, timeout_ms=700, cpu_time_ms=700, memory_mb=64, processes=8, output_mb=1)
_ECHO = "import sys; sys.stdout.write(sys.stdin.read())"
_CASE = Case(name="a", stdin=b"1 2 3", expected=b"6")


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineUnderTest]:
    with running_engine(tmp_path_factory.mktemp("judges")) as kit:
        yield kit


class Judges:
    """Judges of one program after the other, closed at the end."""

    def __init__(self, kit: EngineUnderTest, held: ExitStack) -> None:
        self._kit = kit
        self._held = held
        self._judges = cache(partial(CaseJudges, kit.engine))  # they build each program once

    def program(self, code: str, language: str, files: Mapping[str, str] | None = None) -> JudgeProgram:
        """Store a program that judges."""
        others = {path: self._stored(content) for path, content in (files or {}).items()}
        return JudgeProgram(
            language=LANGUAGES[language],
            code=self._stored(code),
            entry=f"main{LANGUAGES[language].extension}" if others else None,
            files=tuple(JobFile(path, blob) for path, blob in others.items()),
        )

    def _stored(self, content: str) -> BlobRef:
        blob = BlobRef.of(content.encode())
        self._kit.store.put(blob.key(DEFAULT_TENANT), content.encode(), "text/plain")
        return blob

    def open(
        self,
        solution: Program,
        checker: Checker = DEFAULT_CHECKER,
        interactor: JudgeProgram | None = None,
        limits: Limits = _LIMITS,
    ) -> CaseJudge:
        """Build the judge of a program."""
        request = self._kit.request(solution)
        built = self._kit.engine.build(request, Recorder())
        assert isinstance(built, BuiltProgram)
        cases = JobCases(manifest=BlobRef.of(b""), total=1, checker=checker, interactor=interactor)
        judge = self._judges(limits).open(request, DEFAULT_TENANT, cases, built)
        self._held.callback(judge.close)
        return judge

    def checked(
        self, code: str, language: str = "python", limits: Limits = _LIMITS, solution: str = _ECHO
    ) -> CaseJudge:
        """Build the judge of a program that has a program as its checker."""
        checker = Checker(kind=CheckerKind.PROGRAM, program=self.program(code, language))
        return self.open(Program(code=solution), checker, limits=limits)

    def interactive(
        self, solution: str, interactor: str, language: str = "python", limits: Limits = _LIMITS, **own: int
    ) -> CaseJudge:
        """Build the judge of a program that has an interactor."""
        program = Program(code=solution, limits=own)
        return self.open(program, interactor=self.program(interactor, language), limits=limits)


@pytest.fixture
def judges(kit: EngineUnderTest) -> Iterator[Judges]:
    with ExitStack() as held:
        yield Judges(kit, held)


def judged(judge: CaseJudge, case: Case = _CASE, limits: Limits = _USUAL) -> CaseResult:
    """Run a case."""
    result = judge.run(0, case, CaseInput(stdin=case.stdin, args=case.args, limits=limits))
    assert isinstance(result, CaseResult), result
    return result


def test_outputs_are_compared_as_the_checker_says(judges: Judges) -> None:
    float_judge = judges.open(Program(code=_ECHO), Checker(kind=CheckerKind.FLOAT, tolerance=0.1))
    assert judged(float_judge, Case(name="a", stdin=b"1.05", expected=b"1")).verdict is Verdict.ACCEPTED
    exact = judges.open(Program(code=_ECHO), Checker(kind=CheckerKind.EXACT))
    result = judged(exact, Case(name="a", stdin=b"1\r\n", expected=b"1\n"))
    assert result.verdict is Verdict.PRESENTATION_ERROR
    assert result.diff == "line 1, column 2: expected '1', found '1\\r'"


_SUM = """
import sys
_, given, output, answer = sys.argv
numbers = [int(number) for number in open(given).read().split()]
found = open(output).read().split()
if not found:
    sys.exit("no answer" and 2)
if found != open(answer).read().split():
    print("the sum of", numbers, "is not", found[0], file=sys.stderr)
    sys.exit(1)
print("well done", file=sys.stderr)
"""


def test_a_checker_gets_the_input_the_output_and_the_answer(judges: Judges) -> None:
    judge = judges.checked(_SUM, solution="print(sum(map(int, input().split())))")
    accepted = judged(judge)
    assert (accepted.verdict, accepted.checker_message) == (Verdict.ACCEPTED, "well done")
    wrong = judged(judge, replace(_CASE, stdin=b"1 2 4"))
    assert (wrong.verdict, wrong.checker_message) == (
        Verdict.WRONG_ANSWER,
        "the sum of [1, 2, 4] is not 7",
    )
    assert judged(judge, replace(_CASE, hidden=True, stdin=b"9")).checker_message is None


def test_a_program_that_does_not_end_well_is_not_checked(judges: Judges) -> None:
    judge = judges.checked("raise SystemExit(3)", solution="raise SystemExit(1)")
    assert judged(judge).verdict is Verdict.RUNTIME_ERROR


def test_a_checker_needs_no_answer(judges: Judges) -> None:
    judge = judges.checked("import sys; sys.exit(open(sys.argv[3]).read() != '')")
    assert judged(judge, replace(_CASE, expected=None)).verdict is Verdict.ACCEPTED


_NUMBERS = """
#include <cstdio>
int main(int, char** argv) {
    FILE *output = std::fopen(argv[2], "r"), *answer = std::fopen(argv[3], "r");
    long long found, expected;
    for (int number = 1; std::fscanf(answer, "%lld", &expected) == 1; number++) {
        if (std::fscanf(output, "%lld", &found) != 1) {
            std::fputs("unexpected eof number expected", stderr);
            return 8;
        }
        if (found != expected) { std::fprintf(stderr, "wrong answer number %d", number); return 1; }
    }
    char more[2];
    if (std::fscanf(output, "%1s", more) == 1) {
        std::fputs("wrong output format Extra information", stderr);
        return 4;
    }
    std::fputs("ok", stderr);
    return 0;
}
"""


def test_a_checker_in_cpp_is_built_once_and_judges_many_cases(judges: Judges) -> None:
    judge = judges.checked(_NUMBERS, "cpp")
    cases = {
        b"6": Verdict.ACCEPTED,
        b"7": Verdict.WRONG_ANSWER,
        b"6 7": Verdict.PRESENTATION_ERROR,
        b"": Verdict.PRESENTATION_ERROR,
    }
    assert {text: judged(judge, replace(_CASE, stdin=text)).verdict for text in cases} == cases


# The part of testlib's interface that the checker below needs, in few lines.
_TESTLIB = """
#pragma once
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
enum TResult { _ok = 0, _wa = 1, _pe = 2, _fail = 3 };
inline void quitf(TResult result, const char* format, ...) {
    const char* words[] = {"ok ", "wrong answer ", "wrong output format ", "FAIL "};
    std::fputs(words[result], stderr);
    va_list arguments;
    va_start(arguments, format);
    std::vfprintf(stderr, format, arguments);
    va_end(arguments);
    std::exit(result);
}
struct InStream {
    std::ifstream file;
    TResult fault = _fail;
    long long readLong() {
        long long value;
        if (!(file >> value)) quitf(fault, "a number is expected");
        return value;
    }
    bool seekEof() { return (file >> std::ws).eof(); }
};
inline InStream inf, ouf, ans;
inline void registerTestlibCmd(int argc, char** argv) {
    if (argc < 4) quitf(_fail, "the paths of three files are expected");
    inf.file.open(argv[1]);
    ouf.file.open(argv[2]);
    ans.file.open(argv[3]);
    ouf.fault = _pe;
}
"""
_WITH_TESTLIB = """
#include "testlib.h"
int main(int argc, char* argv[]) {
    registerTestlibCmd(argc, argv);
    for (int number = 1; !ans.seekEof(); number++) {
        long long expected = ans.readLong(), found = ouf.readLong();
        if (expected != found)
            quitf(_wa, "number %d is %lld, and %lld is expected", number, found, expected);
    }
    if (!ouf.seekEof()) quitf(_pe, "there is more");
    quitf(_ok, "%lld", inf.readLong());
}
"""


def test_a_checker_finds_the_files_beside_its_code(judges: Judges) -> None:
    program = judges.program(_WITH_TESTLIB, "cpp", {"testlib.h": _TESTLIB})
    judge = judges.open(Program(code=_ECHO), Checker(kind=CheckerKind.PROGRAM, program=program))
    results = {text: judged(judge, replace(_CASE, stdin=text)) for text in (b"6", b"7", b"6 6", b"x")}
    assert {text: (result.verdict, result.checker_message) for text, result in results.items()} == {
        b"6": (Verdict.ACCEPTED, "ok 6"),
        b"7": (Verdict.WRONG_ANSWER, "wrong answer number 1 is 7, and 6 is expected"),
        b"6 6": (Verdict.PRESENTATION_ERROR, "wrong output format there is more"),
        b"x": (Verdict.PRESENTATION_ERROR, "wrong output format a number is expected"),
    }


_POINTS = """
import sys
print("points", open(sys.argv[2]).read().strip(), "of three", file=sys.stderr)
sys.exit(7)
"""


def test_a_checker_gives_a_part_of_the_points(judges: Judges) -> None:
    judge = judges.checked(_POINTS)
    results = [judged(judge, replace(_CASE, stdin=text, weight=3.0)) for text in (b"1.5", b"3", b"three")]
    assert [(result.verdict, result.score) for result in results] == [
        (Verdict.WRONG_ANSWER, 1.5),
        (Verdict.ACCEPTED, 3.0),
        (Verdict.CHECKER_FAILED, 0.0),
    ]
    assert results[0].checker_message == "points 1.5 of three"


def test_a_checker_is_built_once_for_many_jobs(
    kit: EngineUnderTest, judges: Judges, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = judges.program(_NUMBERS, "cpp")
    cases = JobCases(
        manifest=BlobRef.of(b""), total=1, checker=Checker(kind=CheckerKind.PROGRAM, program=program)
    )
    makers = CaseJudges(kit.engine, _LIMITS)
    built_from: list[bool] = []
    build = kit.engine.build

    def recorded(
        request: ExecutionRequest,
        observer: ExecutionObserver,
        tree: bytes | None = None,
        known: KnownBuilds = no_builds,
    ) -> BuiltProgram | EngineReport:
        built_from.append(tree is not None)
        return build(request, observer, tree, known)

    for _ in range(2):
        request = kit.request(Program(code=_ECHO))
        solution = build(request, Recorder())
        assert isinstance(solution, BuiltProgram)
        with monkeypatch.context() as patch:
            patch.setattr(kit.engine, "build", recorded)
            judge = makers.open(request, DEFAULT_TENANT, cases, solution)
        with closing(judge):
            assert judged(judge, replace(_CASE, stdin=b"6")).verdict is Verdict.ACCEPTED
    assert built_from == [False, True]


def test_a_checker_of_another_process_is_known_by_its_key(kit: EngineUnderTest, judges: Judges) -> None:
    assert eventually(lambda: version_of(kit, "cpp"), 60)
    checker = Checker(kind=CheckerKind.PROGRAM, program=judges.program(_NUMBERS, "cpp"))
    cases = JobCases(manifest=BlobRef.of(b""), total=1, checker=checker)
    kept: dict[str, KeptBuild] = {}
    asked: list[str] = []

    def known(key: str) -> KeptBuild | None:
        asked.append(key)
        return kept.get(key)

    for _ in range(2):
        request = kit.request(Program(code=_ECHO))
        solution = kit.engine.build(request, Recorder())
        assert isinstance(solution, BuiltProgram)
        process = CaseJudges(kit.engine, _LIMITS)
        with closing(process.open(request, DEFAULT_TENANT, cases, solution, known)) as judge:
            assert judged(judge, replace(_CASE, stdin=b"6")).verdict is Verdict.ACCEPTED
            (built,) = judge.judges
            assert built.build_key is not None
            assert built.tree is not None
            kept.setdefault(built.build_key, KeptBuild(built.tree, built.compile_output))
    assert asked == [*kept] * 2


def test_a_large_output_reaches_the_checker_whole(judges: Judges) -> None:
    code = "import os, sys; sys.exit(os.path.getsize(sys.argv[2]) != 30_000_000)"
    judge = judges.checked(code, solution="import sys; sys.stdout.write('x' * 30_000_000)")
    limits = replace(_USUAL, output_mb=64)
    assert judged(judge, limits=limits).verdict is Verdict.ACCEPTED


_TRACE = """
import os, sys
if os.path.exists("trace"):
    sys.exit(9)
open("trace", "w").close()
open(sys.argv[3], "a").write("x")
"""
_FORKS = """
import os
while True:
    try:
        os.fork()
    except OSError:
        pass
"""
FAILURES = {
    "loops": ("while True: pass", "700 ms", _SHORT),
    "sleeps": ("import time; time.sleep(60)", "700 ms", _SHORT),
    # Eight interpreters, and what the kernel frees late of forks that failed, come near to 64 MiB.
    "forks": (_FORKS, "700 ms", replace(_SHORT, memory_mb=1024)),
    "prints": ("import sys\nwhile True: sys.stderr.write('x' * 65536)", "output", _LIMITS),
    "prints to nobody": ("while True: print('x' * 65536)", "output", _LIMITS),
    "dies": ("import os; os.kill(os.getpid(), 11)", "The checker was ended by SIGSEGV", _LIMITS),
    "is no program": ("import sys; sys.exit(77)", "exit code 77", _LIMITS),
    "has no input": ("import sys; sys.exit(70 if sys.stdin.read() == '' else 0)", "exit code 70", _LIMITS),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_checker_that_fails_is_the_verdict_and_harms_nothing(judges: Judges, failure: str) -> None:
    code, words, limits = FAILURES[failure]
    result = judged(judges.checked(code, limits=limits))
    assert result.verdict is Verdict.CHECKER_FAILED
    assert words in (result.checker_message or "")
    # The program itself goes on, and its own figures are its own.
    assert result.exit_code == 0
    assert judged(judges.open(Program(code=_ECHO)), replace(_CASE, stdin=b"6")).verdict is Verdict.ACCEPTED


def test_what_a_checker_leaves_behind_is_gone_at_the_next_case(judges: Judges) -> None:
    judge = judges.checked(_TRACE)
    assert [judged(judge).verdict for _ in range(3)] == [Verdict.ACCEPTED] * 3


def test_a_checker_that_does_not_build_fails_with_its_compilers_words(judges: Judges) -> None:
    result = judged(judges.checked("int main() { return nonsense; }", "cpp"))
    assert result.verdict is Verdict.CHECKER_FAILED
    assert "The checker does not build" in (result.checker_message or "")
    assert "nonsense" in (result.checker_message or "")


_GUESS = """
low, high = 1, 1000
while low < high:
    middle = (low + high) // 2
    print("?", middle, flush=True)
    low, high = (low, middle) if input() == "<=" else (middle + 1, high)
print("!", low, flush=True)
"""
_HOST = """
#include <fstream>
#include <iostream>
int main(int, char** argv) {
    std::ifstream given(argv[1]);
    std::ofstream log(argv[2]);
    int secret, number;
    given >> secret;
    std::string kind;
    while (std::cin >> kind >> number) {
        log << kind << number << '\\n';
        if (kind == "!") {
            std::cerr << (number == secret ? "ok found" : "wrong answer guessed ") << number;
            return number != secret;
        }
        std::cout << (secret <= number ? "<=" : ">") << std::endl;
    }
    std::cerr << "wrong output format no answer";
    return 2;
}
"""


def test_an_interactor_speaks_with_the_program_and_judges_it(judges: Judges) -> None:
    judge = judges.interactive(_GUESS, _HOST, "cpp")
    accepted = judged(judge, Case(name="a", stdin=b"700"))
    assert (accepted.verdict, accepted.checker_message) == (Verdict.ACCEPTED, "ok found700")

    wrong = judges.interactive("print('!', 5)", _HOST, "cpp")
    assert judged(wrong, Case(name="a", stdin=b"700")).verdict is Verdict.WRONG_ANSWER

    silent = judges.interactive("pass", _HOST, "cpp")
    assert judged(silent, Case(name="a", stdin=b"700")).verdict is Verdict.PRESENTATION_ERROR


_LOOPS_ONCE_THE_OTHER_HAS_ENDED = "import select; select.select([0], [], [])\nwhile True: pass"
# Its wall time does not end before the program's, however late that starts on a busy machine.
_PATIENT = replace(_SHORT, timeout_ms=10_000)


@pytest.mark.parametrize(
    ("solution", "interactor", "verdict"),
    [
        ("raise SystemExit(3)", "import sys; sys.stdin.read(); sys.exit(1)", Verdict.RUNTIME_ERROR),
        ("input()", "raise SystemExit(1)", Verdict.WRONG_ANSWER),
        ("while True: print('x' * 9)", "raise SystemExit(1)", Verdict.WRONG_ANSWER),
        ("while True: pass", "raise SystemExit(2)", Verdict.PRESENTATION_ERROR),
        ("input()", "input()", Verdict.TIME_LIMIT),
        ("while True: pass", "import sys; sys.stdin.read(); sys.exit(1)", Verdict.TIME_LIMIT),
        ("print('hello')", "import os; os.kill(os.getpid(), 9)", Verdict.CHECKER_FAILED),
        ("input()", _LOOPS_ONCE_THE_OTHER_HAS_ENDED, Verdict.TIME_LIMIT),
        ("print('hello')", "while True: pass", Verdict.CHECKER_FAILED),
        ("print('hello')", "raise SystemExit(input() != 'hello')", Verdict.ACCEPTED),
        ("print(input())", "print('a')\nraise SystemExit(input() != 'a')", Verdict.ACCEPTED),
        ("x = bytearray(1 << 30)", "import sys; sys.stdin.read(); sys.exit(1)", Verdict.MEMORY_LIMIT),
    ],
)
def test_the_first_of_two_that_fails_has_the_verdict(
    judges: Judges, solution: str, interactor: str, verdict: Verdict
) -> None:
    timeout_ms = 700 if verdict is Verdict.TIME_LIMIT else 30_000
    judge = judges.interactive(solution, interactor, limits=_PATIENT)
    result = judged(judge, limits=replace(_USUAL, timeout_ms=timeout_ms, memory_mb=128))
    assert result.verdict is verdict, result


def test_an_interactor_that_does_not_build_fails_its_cases(judges: Judges) -> None:
    result = judged(judges.interactive("input()", "int main( {", "cpp"))
    assert result.verdict is Verdict.CHECKER_FAILED
    assert "The interactor does not build" in (result.checker_message or "")


def test_a_cancelled_job_is_judged_no_more(judges: Judges) -> None:
    judge = judges.checked("pass")
    assert isinstance(judge.program, LocalProgram)
    judge.program.cancel()
    result = judge.run(0, _CASE, CaseInput(stdin=b"", args=None, limits=_USUAL))
    assert isinstance(result, ExecutionResult)
    assert result.status is JobStatus.CANCELLED


def test_no_directory_or_descriptor_is_left(kit: EngineUnderTest) -> None:
    def count() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    def run() -> None:
        with ExitStack() as held:
            judged(Judges(kit, held).checked("pass"))
            judged(Judges(kit, held).interactive("input()", "print(1)"))

    run()
    before = count()
    for _ in range(3):
        run()
    assert count() <= before


_SPEAKS_TO_NOBODY = """
import sys
said = sys.stdin.read()
sys.stdout.write("x" * (1 << 20))
sys.exit(said != "7\\n")
"""


@pytest.mark.parametrize(
    ("solution", "verdict"),
    [
        ("print(7)", Verdict.ACCEPTED),
        ("print(8)", Verdict.WRONG_ANSWER),
        ("import os; os.set_blocking(0, False)", Verdict.WRONG_ANSWER),
    ],
    ids=["right", "wrong", "not blocking"],
)
def test_a_program_that_ends_before_it_is_answered_fails_no_interactor(
    judges: Judges, solution: str, verdict: Verdict
) -> None:
    assert judged(judges.interactive(solution, _SPEAKS_TO_NOBODY)).verdict is verdict


def test_a_checker_whose_build_leaves_files_where_those_of_a_case_go_does_not_build(
    judges: Judges, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = ("/bin/sh", "-c", "mkdir .case && touch .case/input")
    copier = engine.tree_copier
    monkeypatch.setattr(engine, "tree_copier", lambda *given: replace(copier(*given), build=build))

    result = judged(judges.checked("int main() {}", "c"))

    assert result.verdict is Verdict.CHECKER_FAILED
    assert "The checker does not build: The build left a file or directory named .case" in (
        result.checker_message or ""
    )
