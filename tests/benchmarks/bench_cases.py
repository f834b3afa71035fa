"""The cost of a case: one build and a hundred runs, compared with a hundred uploads and with child processes.

`python -m tests.benchmarks.bench_cases [--rounds ROUNDS]`. Times are medians of rounds in wall time, which
other load on the host increases; for the engine, processor time is shown too, which other load does not
affect.
"""

import argparse
import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import count
from pathlib import Path

import httpx

from adapters.local_engine.sandbox.files import sealed_file
from adapters.local_engine.sandbox.supervisor.packed_files import unpack
from application.ports.execution_engine import BuiltProgram, CaseInput
from domain.limits import STANDARD_LIMITS
from tests.benchmarks.bench_engine import _Cpu, _engine
from tests.contract.engine_kit.harness import Program, Recorder
from tests.support import service

CASES = 100
ROUNDS = 5
# Instead of a hundred, because each of them includes a build.
UPLOADS = 5
THREADS = 2
# About a millisecond of work.
_CPP = """
#include <iostream>
int main() {
    long n, sum = 0;
    std::cin >> n;
    for (volatile long i = 0; i < 400000; i = i + 1) sum += 1;
    std::cout << 2 * n << std::endl;
}
"""
_PYTHON = "print(2 * int(input()))"
_PER_CASE_MS = 4.0
_CPU_OF_CASE_MS = 8.0
_UPLOADS_RATIO = 20.0
_CHILDREN_RATIO = 0.6


def main(rounds: int = ROUNDS) -> None:
    """Measure and print."""
    _report_engine()
    with tempfile.TemporaryDirectory() as directory:
        env = service.environment(Path(directory) / "data", SERVICE_SERVER_LOG_LEVEL="WARNING")
        with service.served(env) as server, httpx.Client(base_url=server.url, timeout=120) as http:
            _report_cpp(http, rounds)
            _report_python(http, rounds)


def _report_engine() -> None:
    """Print the processor time of one run of a built program, by process."""
    limits = STANDARD_LIMITS.resolve({})
    with _engine(isolated=True, warm_starts=0) as kit:
        for language, code, goal in (
            ("cpp", _CPP, f" (goal {_CPU_OF_CASE_MS:g} ms)"),
            ("python", _PYTHON, ""),
        ):
            built = kit.engine.build(kit.request(Program(language=language, code=code)), Recorder())
            assert isinstance(built, BuiltProgram)
            given = CaseInput(stdin=b"21\n", args=None, limits=limits)

            def run(_: int, built: BuiltProgram = built, given: CaseInput = given) -> None:
                with built.run(given) as report:
                    assert report.result.stdout.text == "42\n"

            child = _cpu_of_child(built.tree, code)
            with closing(built), ThreadPoolExecutor(THREADS) as threads:
                run(0)
                pid = kit.engine.sandbox.supervisor.pid
                before = _Cpu.now(pid)
                list(threads.map(run, range(CASES)))
                spent = _Cpu.now(pid).spent(before, CASES)
            print(
                f"one run, {language}: {spent.total:.1f} ms of processor time (service {spent.service:.1f}, "
                f"supervisor {spent.supervisor:.1f}, sandbox and program {spent.programs:.1f}), "
                f"{spent.total / child:.2f} of a plain child's {child:.1f} ms{goal}"
            )


def _cpu_of_child(tree: bytes | None, code: str) -> float:
    """Return the processor time of the program as a plain child process, in milliseconds."""
    with tempfile.TemporaryDirectory() as directory:
        command = ["/usr/bin/python3", "-c", code]
        if tree is not None:
            with sealed_file("files", tree) as files:
                unpack(files, directory)
            command = [f"{directory}/program"]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        for _ in range(CASES):
            subprocess.run(command, input=b"21\n", capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return 1000 * spent / CASES


def _report_cpp(http: httpx.Client, rounds: int) -> None:
    numbers = count()

    def another() -> str:
        """Return a program that no job has had yet."""
        return f"{_CPP}// {next(numbers)}\n"

    one = _median(lambda: _run(http, "cpp", another(), cases=1), rounds)
    again = _median(lambda: _run(http, "cpp", _CPP, cases=1), rounds)
    all_of_them = _median(lambda: _run(http, "cpp", another(), cases=CASES), rounds)
    upload = _median(lambda: _run(http, "cpp", _CPP, cases=0), UPLOADS)
    per_case = (all_of_them - one) / (CASES - 1)
    print(f"C++, a build and one case: {one:.0f} ms; and {CASES} cases: {all_of_them:.0f} ms")
    print(f"C++, the same program again and one case: {again:.0f} ms, {again / one:.2f} of the first time")
    print(f"C++, each further case: {per_case:.1f} ms (goal {_PER_CASE_MS:g})")
    ratio = upload * CASES / all_of_them
    print(f"C++, {CASES} uploads by one caller: {ratio:.0f} times as long (goal {_UPLOADS_RATIO:g})")


def _report_python(http: httpx.Client, rounds: int) -> None:
    _run(http, "python", _PYTHON, cases=CASES)
    child = _median(_run_child, CASES)
    all_of_them = _median(lambda: _run(http, "python", _PYTHON, cases=CASES), rounds)
    ratio = all_of_them / (child * CASES)
    print(
        f"Python, {CASES} cases: {all_of_them:.0f} ms, {ratio:.2f} of {CASES} children of {child:.1f} ms "
        f"(goal {_CHILDREN_RATIO:g})"
    )


def _run(http: httpx.Client, language: str, code: str, *, cases: int) -> None:
    body: dict = {"project": "bench", "language": language, "code": code, "execute": True}
    if cases:
        body["cases"] = [{"stdin": f"{n}\n", "expected_stdout": f"{2 * n}\n"} for n in range(cases)]
    else:
        body["stdin"] = "21\n"
    answer = http.post("/api/upload", json=body, params={"wait": 60})
    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "SUCCESS", answer.text


def _run_child() -> None:
    subprocess.run(["/usr/bin/python3", "-c", _PYTHON], input=b"21\n", capture_output=True, check=True)


def _median(run: Callable[[], object], times: int) -> float:
    taken = []
    for _ in range(times):
        begin = time.perf_counter()
        run()
        taken.append(1000 * (time.perf_counter() - begin))
    return statistics.median(taken)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    main(parser.parse_args().rounds)
