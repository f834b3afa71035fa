"""Programs that are built once and run for many cases, each in a sandbox of its own."""

import contextlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event

import pytest

from adapters.local_engine import turns
from adapters.local_engine.built_program import LocalProgram
from adapters.local_engine.memory_budget import MemoryBudget
from adapters.local_engine.sandbox.supervisor.packed_files import PackedFile, pack, unpack
from application.ports.execution_engine import BuiltProgram, CaseInput, EngineReport, KeptBuild
from domain.execution import ExecutionResult, Note, ResourceUsage
from domain.job_lifecycle import JobStatus, Reason
from tests.contract.engine_kit.harness import EngineUnderTest, Program, Recorder
from tests.support.processes import eventually
from tests.support.sandbox import running_engine, version_of

# Built often: the header of streams would take five times as long.
_SUM = r"""
#include <cstdio>
int main(int argc, char** argv) {
    long n, sum = 0;
    while (std::scanf("%ld", &n) == 1) sum += n;
    std::printf("%ld%s\n", sum, argc > 1 ? argv[1] : "");
}
"""
# Looks for traces of other cases, and leaves every kind of them.
_TRACES = """
import ctypes, os, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)
found = [path for path in ("trace", "/tmp/trace", "/dev/shm/trace") if os.path.exists(path)]
found += [pid for pid in os.listdir("/proc") if pid.isdigit() and int(pid) > os.getpid()]
if libc.shmget(4711, 16, 0) >= 0 or libc.semget(4711, 1, 0) >= 0 or libc.msgget(4711, 0) >= 0:
    found.append("System V")
libc.mq_open.restype = ctypes.c_int
if libc.mq_open(b"/trace", os.O_RDONLY) >= 0:
    found.append("queue")
if open(__file__).read().endswith("# trace"):
    found.append("source")
print(found)
for path in ("trace", "/tmp/trace", "/dev/shm/trace"):
    open(path, "w").close()
open(__file__, "a").write("# trace")
libc.shmget(4711, 16, 0o1666), libc.semget(4711, 1, 0o1666), libc.msgget(4711, 0o1666)
libc.mq_open(b"/trace", os.O_RDWR | os.O_CREAT, 0o666, None)
null = subprocess.DEVNULL
subprocess.Popen(["sleep", "600"], stdin=null, stdout=null, stderr=null)
"""


@dataclass(frozen=True)
class _Run:
    status: JobStatus
    reason: Reason | None
    stdout: str


@pytest.fixture(scope="module", params=[True, False], ids=["isolated", "not isolated"])
def kit(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EngineUnderTest]:
    with running_engine(tmp_path_factory.mktemp("built"), isolated=request.param, warm_starts=1) as kit:
        yield kit


def _built(kit: EngineUnderTest, program: Program, tree: bytes | None = None) -> BuiltProgram:
    built = kit.engine.build(kit.request(program), Recorder(), tree)
    assert isinstance(built, BuiltProgram), built.result
    return built


def _run(built: BuiltProgram, stdin: bytes = b"", args: tuple[str, ...] | None = None, **limits: int) -> _Run:
    assert isinstance(built, LocalProgram)
    given = CaseInput(stdin=stdin, args=args, limits=replace(built.limits, **limits))
    with built.run(given) as report:
        return _Run(report.result.status, report.result.reason, report.result.stdout.text)


def test_a_program_is_built_once_and_run_with_many_inputs(kit: EngineUnderTest) -> None:
    observer = Recorder()
    built = kit.engine.build(kit.request(Program(code=_SUM, language="cpp", args=("!",))), observer)
    assert isinstance(built, BuiltProgram)

    with closing(built), ThreadPoolExecutor(4) as threads:
        runs = list(threads.map(lambda n: _run(built, f"{n} {n}".encode()), range(20)))

    assert [run.stdout for run in runs] == [f"{2 * n}!\n" for n in range(20)]
    assert observer.builds == 1


def test_a_case_has_arguments_and_limits_of_its_own(kit: EngineUnderTest) -> None:
    with closing(_built(kit, Program(code=_SUM, language="cpp", args=("!",)))) as built:
        assert _run(built, b"1", ("?",)).stdout == "1?\n"
    loop = Program(code="while True: pass", limits={"timeout_ms": 60_000})
    with closing(_built(kit, loop)) as built:
        assert _run(built, timeout_ms=200).reason is Reason.WALL_TIME_LIMIT


def test_input_may_be_any_bytes(kit: EngineUnderTest) -> None:
    code = "import sys; print(sys.stdin.buffer.read())"
    with closing(_built(kit, Program(code=code))) as built:
        assert _run(built, b"\xff\0\r\n").stdout == "b'\\xff\\x00\\r\\n'\n"


@pytest.mark.parametrize("kit", [True], indirect=True, ids=["isolated"])
def test_a_case_finds_no_trace_of_another(kit: EngineUnderTest) -> None:
    with closing(_built(kit, Program(code=_TRACES))) as built:
        assert [_run(built).stdout for _ in range(3)] == ["[]\n"] * 3


_WRITER = r"""
#include <cstdio>
#include <unistd.h>
int main() {
    std::printf("%d%d\n", !access("trace", F_OK), !access("main.cpp", F_OK));
    std::fclose(std::fopen("trace", "w"));
    std::remove("main.cpp");
    std::remove("program");
}
"""


def test_what_a_case_does_to_the_built_files_is_its_own(kit: EngineUnderTest) -> None:
    with closing(_built(kit, Program(code=_WRITER, language="cpp"))) as built:
        assert [_run(built).stdout for _ in range(3)] == ["01\n"] * 3


_CLASSES = """
public class Main {
    record Pair(int a, int b) {}
    public static void main(String[] args) {
        System.out.println(new Pair(1, new java.util.Scanner(System.in).nextInt()));
    }
}
"""


def test_a_build_of_several_files_is_kept_whole(kit: EngineUnderTest) -> None:
    with closing(_built(kit, Program(code=_CLASSES, language="java"))) as built:
        assert [_run(built, b"%d" % n).stdout for n in range(3)] == [f"Pair[a=1, b={n}]\n" for n in range(3)]


def test_the_files_of_a_build_serve_another_engine(kit: EngineUnderTest, tmp_path: Path) -> None:
    with closing(_built(kit, Program(code=_SUM, language="cpp"))) as built:
        tree = built.tree
    assert tree is not None

    with running_engine(tmp_path, isolated=kit.engine.sandbox.isolation.is_isolated) as other:
        observer = Recorder()
        request = other.request(Program(code="no C++ at all", language="cpp"))
        built = other.engine.build(request, observer, tree)
        assert isinstance(built, BuiltProgram)
        with closing(built):
            assert _run(built, b"20 22").stdout == "42\n"

    assert observer.builds == 0


def _key(kit: EngineUnderTest, program: Program) -> str | None:
    """Return the key of a build, without one."""
    asked: list[str] = []

    def known(key: str) -> KeptBuild:
        asked.append(key)
        return KeptBuild(pack([]))

    built = kit.engine.build(kit.request(program), Recorder(), known=known)
    assert isinstance(built, BuiltProgram)
    with closing(built):
        assert [built.build_key] == (asked or [None])
        return built.build_key


def test_a_build_of_the_same_content_is_known_by_its_key(kit: EngineUnderTest) -> None:
    assert eventually(lambda: version_of(kit, "cpp"), 60)
    program = Program(code=_SUM, language="cpp", args=("!",))
    observer, again = Recorder(), Recorder()
    first = kit.engine.build(kit.request(program), observer)
    assert isinstance(first, LocalProgram)
    assert first.tree is not None
    kept = KeptBuild(first.tree, first.compile_output)
    with closing(first):
        second = kit.engine.build(kit.request(program), again, known={str(first.build_key): kept}.get)
    assert isinstance(second, LocalProgram)
    with closing(second):
        assert _run(second, b"1 2").stdout == "3!\n"
    assert (observer.builds, again.builds) == (1, 0)


def test_another_content_has_another_key(kit: EngineUnderTest) -> None:
    assert eventually(lambda: version_of(kit, "cpp"), 60)
    program = Program(code=_SUM, language="cpp", entry="main.cpp", files={"a.h": b"1"})
    others = [
        replace(program, code=_SUM + "//"),
        replace(program, files={"a.h": b"2"}),
        replace(program, files={"b.h": b"1"}),
        replace(program, presets=("cpp17",)),
        replace(program, entry="other.cpp"),
        replace(program, limits={"disk_mb": 9}),
    ]
    keys = [_key(kit, each) for each in (program, *others)]
    assert None not in keys
    assert len(set(keys)) == len(keys)
    # What a run has, and not its build.
    assert _key(kit, replace(program, args=("x",), env={"A": "b"}, limits={"timeout_ms": 777})) == keys[0]
    assert _key(kit, Program(code="print(1)")) is None


def test_a_program_that_does_not_compile_is_reported(kit: EngineUnderTest) -> None:
    report = kit.engine.build(
        kit.request(Program(code="int main() { return x; }", language="cpp")), Recorder()
    )

    assert isinstance(report, EngineReport)
    with report:
        assert report.result.reason is Reason.COMPILE_ERROR
        assert "was not declared" in report.result.stderr.text


def test_a_build_has_limits_of_its_own(kit: EngineUnderTest) -> None:
    endless = (
        "template<int N> struct T { T<N-1> a; T<N-2> b; }; template<> struct T<0> {}; T<800> t; int main() {}"
    )
    program = Program(
        code=f"#include <bits/stdc++.h>\n{endless}", language="cpp", limits={"build_timeout_ms": 100}
    )

    report = kit.engine.build(kit.request(program), Recorder())

    assert isinstance(report, EngineReport)
    with report:
        assert report.result.reason is Reason.BUILD_LIMIT


_HOLES = """
char a[1] __attribute__((aligned(1 << 24))) = {1};
__attribute__((section(".b"), aligned(1 << 23))) const char b[1] = {1};
int main() { return a[0] + b[0]; }
"""


def test_files_of_a_build_that_only_holes_let_fit_are_too_large(kit: EngineUnderTest) -> None:
    program = Program(code=_HOLES, language="c", limits={"disk_mb": 24})

    report = kit.engine.build(kit.request(program), Recorder())

    assert isinstance(report, EngineReport)
    with report:
        assert report.result.reason is Reason.BUILD_LIMIT
        assert "24 MiB allowed by disk_mb" in (report.result.error_message or "")


def test_warnings_of_a_compiler_are_kept(kit: EngineUnderTest) -> None:
    code = "#warning look\nint main() {}"
    with closing(_built(kit, Program(code=code, language="cpp"))) as built:
        assert built.compile_output is not None
        assert "look" in built.compile_output.text


@pytest.mark.parametrize("how", ["cancel", "detach"])
def test_the_end_of_an_execution_ends_all_of_its_runs(kit: EngineUnderTest, how: str) -> None:
    request = kit.request(Program(code="print(1, flush=True)\nwhile True: pass"))
    built = kit.engine.build(request, Recorder())
    assert isinstance(built, BuiltProgram)
    begun = Event()

    def run(_: int) -> _Run:
        begun.set()
        return _run(built)

    with closing(built), ThreadPoolExecutor(3) as threads:
        running = threads.map(run, range(3))
        begun.wait()
        getattr(kit.engine, how)(request.execution_id, request.job_id)
        assert {run.status for run in running} == {JobStatus.CANCELLED}
        assert _run(built).status is JobStatus.CANCELLED


def test_an_execution_that_is_detached_leaves_another_of_its_job_alone(kit: EngineUnderTest) -> None:
    request = kit.request(Program(code="print(1)"))
    built = kit.engine.build(request, Recorder())
    assert isinstance(built, BuiltProgram)

    with closing(built):
        kit.engine.detach(kit.request(Program(code="")).execution_id, request.job_id)
        assert _run(built).stdout == "1\n"


@pytest.mark.parametrize(("size", "reserved_mb"), [(1_000, 0), (3 << 20, 6)])
def test_files_are_reserved_twice_packed_and_in_the_directory(
    kit: EngineUnderTest, monkeypatch: pytest.MonkeyPatch, size: int, reserved_mb: int
) -> None:
    asked = []
    reserved = MemoryBudget.reserved

    def seen(budget: MemoryBudget, memory_mb: int) -> AbstractContextManager[bool]:
        asked.append(memory_mb)
        return reserved(budget, memory_mb)

    monkeypatch.setattr(MemoryBudget, "reserved", seen)
    limits = {"memory_mb": 100, "disk_mb": 16}
    program = Program(code="print(1)", entry="main.py", files={"data": bytes(size)}, limits=limits)
    written_mb = 0 if kit.engine.sandbox.isolation.counts_files else 16

    kit.run(program)
    with closing(_built(kit, program)) as built:
        assert _run(built).stdout == "1\n"

    assert asked == [100 + written_mb + reserved_mb] * 2


def test_closing_frees_the_files(kit: EngineUnderTest) -> None:
    built = _built(kit, Program(code=_SUM, language="cpp"))
    assert _files_in_memory()

    built.close()

    assert not _files_in_memory()


def _files_in_memory() -> list[str]:
    """Name the open files that programs are filled from."""
    links = []
    for path in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            links.append(str(path.readlink()))
    return [link for link in links if link.startswith("/memfd:files")]


class TestPackedFiles:
    def test_are_unpacked_with_their_modes(self, tmp_path: Path) -> None:
        files = [PackedFile("a/b/c", b"1" * 100_000, is_executable=True), PackedFile("ü", b"")]
        descriptor = os.memfd_create("packed")
        try:
            os.write(descriptor, pack(files, ["empty/inside"]))
            unpack(descriptor, str(tmp_path))
        finally:
            os.close(descriptor)

        found = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}
        assert found == {"a", "a/b", "a/b/c", "ü", "empty", "empty/inside"}
        assert (tmp_path / "a/b/c").read_bytes() == b"1" * 100_000
        modes = {path: (tmp_path / path).stat().st_mode & 0o777 for path in ("a/b/c", "ü", "empty")}
        assert modes == {"a/b/c": 0o755, "ü": 0o644, "empty": 0o755}

    @pytest.mark.parametrize("path", ["../a", "/a", "a//b", "a/./b", "", "a\0b", ".."])
    def test_stay_in_their_directory(self, path: str) -> None:
        with pytest.raises(ValueError, match="is not a path within"):
            pack([PackedFile(path, b"")])


class TestFairTimes:
    """A program that was too slow on a busy machine is run once more, alone."""

    _SLOW = "import time\nend = time.process_time() + 0.05\nwhile time.process_time() < end: pass\nprint(1)"

    @pytest.fixture
    def results(self, kit: EngineUnderTest, monkeypatch: pytest.MonkeyPatch) -> list:
        """The results of runs, the first of which are replaced by these."""
        results: list = []
        run = kit.engine.sandbox.run

        def replaced(*arguments):
            outcome = run(*arguments)
            return replace(outcome, result=results.pop(0)) if results else outcome

        monkeypatch.setattr(kit.engine.sandbox, "run", replaced)
        monkeypatch.setattr(turns, "ALONE_SHARE", 1.0)  # of one test after the other
        return results

    def test_with_both_figures(self, kit: EngineUnderTest, results: list) -> None:
        results.append(_too_slow(Note.MACHINE_BUSY))
        with (
            closing(_built(kit, Program(code=self._SLOW))) as built,
            built.run(_given(built, timeout_ms=10_000)) as report,
        ):
            assert report.result.status is JobStatus.SUCCESS
            assert report.first_time_ms == 4_000
            assert report.result.resource.execution_time_ms < 4_000
            for series in (report.first_processors, report.processors):
                assert series
                assert all(0 <= percent <= 100 for percent in series)

    def test_and_it_is_a_time_limit_if_it_is_too_slow_alone(
        self, kit: EngineUnderTest, results: list
    ) -> None:
        results += [_too_slow(Note.MACHINE_BUSY), _too_slow(Note.MACHINE_BUSY)]
        with (
            closing(_built(kit, Program(code=self._SLOW))) as built,
            built.run(_given(built, timeout_ms=10_000)) as report,
        ):
            assert report.result.reason is Reason.WALL_TIME_LIMIT
            assert report.first_time_ms == 4_000

    def test_but_not_if_it_may_take_long(self, kit: EngineUnderTest, results: list) -> None:
        results.append(_too_slow(Note.MACHINE_BUSY))
        program, most = Program(code=self._SLOW), {"timeout_ms": 10_001}
        with closing(_built(kit, program)) as built, built.run(_given(built, **most)) as report:
            assert report.result.reason is Reason.WALL_TIME_LIMIT
            assert report.first_time_ms is None

    def test_but_not_on_a_machine_that_had_time(self, kit: EngineUnderTest, results: list) -> None:
        results.append(_too_slow())
        with (
            closing(_built(kit, Program(code=self._SLOW))) as built,
            built.run(_given(built, timeout_ms=10_000)) as report,
        ):
            assert report.result.reason is Reason.WALL_TIME_LIMIT
            assert report.first_time_ms is None


def _given(built: BuiltProgram, **limits: int) -> CaseInput:
    assert isinstance(built, LocalProgram)
    return CaseInput(stdin=b"", args=None, limits=replace(built.limits, **limits))


def _too_slow(*notes: Note) -> ExecutionResult:
    return ExecutionResult(
        status=JobStatus.TIMEOUT,
        reason=Reason.WALL_TIME_LIMIT,
        resource=ResourceUsage(execution_time_ms=4_000),
        notes=notes,
    )


_HOSTILE = {
    "loops": ("while True: pass", Reason.WALL_TIME_LIMIT),
    "prints without end": ("while True: print('x' * 65536)", Reason.OUTPUT_LIMIT),
    "takes all memory": ("x = [bytearray(1 << 24) for _ in range(64)]", Reason.MEMORY_LIMIT),
    "dies": ("import os; os.kill(os.getpid(), 9)", Reason.SIGNAL),
}


@pytest.mark.parametrize("what", _HOSTILE)
def test_a_hostile_case_has_a_reason_and_its_neighbours_are_well(kit: EngineUnderTest, what: str) -> None:
    hostile, reason = _HOSTILE[what]
    code = f"if input() == 'hostile':\n    {hostile}\nprint('well')"
    limits = {"timeout_ms": 1_000 if what == "loops" else 20_000, "memory_mb": 64, "output_mb": 1}
    with closing(_built(kit, Program(code=code, limits=limits))) as built, ThreadPoolExecutor(3) as threads:
        runs = list(threads.map(lambda text: _run(built, text), [b"no\n", b"hostile\n", b"no\n"]))

    assert [runs[0].stdout, runs[2].stdout] == ["well\n", "well\n"]
    assert runs[1].reason in {reason, Reason.CPU_TIME_LIMIT if what == "loops" else reason}
