"""Java programs, built in their own sandboxes and by a compiler that was ready: there is no difference."""

import os
import signal
from dataclasses import replace

import pytest

from adapters.local_engine.sandbox.program import NOTHING, build_limits
from adapters.local_engine.sandbox.run_monitor import RunMonitor
from adapters.local_engine.sandbox.supervisor.usage_sampler import tree
from domain.job_lifecycle import JobStatus, Reason
from tests.contract.engine_kit.harness import SLOWNESS, Program
from tests.support.java_archive import link_archive
from tests.support.processes import eventually, with_word
from tests.support.sandbox import running_engine

_MAIN = "public static void main(String[] args) throws Exception"
_SYSTEM_ERROR = 3  # what javac exits with when it has run out of stack or memory
_HELLO = f'public class Hello {{ {_MAIN} {{ System.out.println("hello"); }} }}'
# Whether this is a subtype is a question without end (Kennedy and Pierce 2007), and javac asks it.
_NO_END = (
    "class N<Z> {} class C<X> extends N<N<? super C<C<X>>>> "
    "{ N<? super C<Byte>> cast(C<Byte> c) { return c; } }"
)


def _engine(directory, warm_starts=1):
    return running_engine(directory, warm_starts=warm_starts)


def _pool(kit):
    return kit.engine.sandbox.compilers.get("java")


def _compilers(kit):
    """Return the processes of an engine's compilers that wait."""
    return set(with_word("Compiler.java")) & set(tree(kit.engine.sandbox.supervisor.pid))


def _run(kit, code, **fields):
    return kit.run(Program(language="java", code=code, **fields))


def _archives(directory):
    return sorted(directory.glob("*.archive"))


def _make_ready(kit):
    """Run a program, after which a compiler waits for the next one."""
    _run(kit, _HELLO)
    _await_compiler(kit)


def _await_compiler(kit):
    """Wait until a compiler is ready and its process, which starts a moment later, is there."""
    assert _pool(kit).wait_until_full(90)
    assert eventually(lambda: bool(_compilers(kit)))


@pytest.fixture(scope="module")
def cold(tmp_path_factory):
    with _engine(tmp_path_factory.mktemp("cold"), warm_starts=0) as kit:
        yield kit


@pytest.fixture(scope="module")
def ahead(tmp_path_factory):
    with _engine(tmp_path_factory.mktemp("ahead")) as kit:
        _make_ready(kit)
        yield kit


@pytest.fixture(params=["built in its sandbox", "built ahead"])
def java(request):
    return request.getfixturevalue("cold" if request.param == "built in its sandbox" else "ahead")


@pytest.fixture
def run(java):
    """Run a program when a compiler is ready for it, if there is ever one."""
    pool = _pool(java)

    def run(code, **fields):
        assert pool is None or pool.wait_until_full(90)
        return _run(java, code, **fields)

    return run


_PROGRAMS = {
    "reads its stdin and its arguments": (
        f"""public class A {{ {_MAIN} {{
            System.out.println(new java.util.Scanner(System.in).nextLine() + args.length + args[0]); }} }}""",
        "line2a b\n",
    ),
    "is in a package, with a name that is not ASCII": (
        f"""package a.b; public class Größe {{ static class In {{}} {_MAIN} {{
            System.out.println(new In().getClass().getName() + " ä"); }} }}""",
        "a.b.Größe$In ä\n",
    ),
    "has a main class that is not public, behind others": (
        f"interface I {{}} record R(int n) {{}} class Main {{ {_MAIN} {{ System.out.println(new R(7)); }} }}",
        "R[n=7]\n",
    ),
    "has the compiler's own name": (
        f'public class Compiler {{ {_MAIN} {{ System.out.println("mine"); }} }}',
        "mine\n",
    ),
    "has a name longer than file names in old archives": (
        f"public class L{'o' * 120}ng {{ {_MAIN} {{ System.out.println(1); }} }}",
        "1\n",
    ),
    "lists its directory": (
        f"""import java.nio.file.*; public class Dir {{ {_MAIN} {{
            Files.list(Path.of(".")).sorted().forEach(System.out::println); }} }}""",
        "./Dir.class\n./Dir.java\n",
    ),
    "looks for what its compiler has read": (
        f"""import java.nio.file.*; public class Fd {{ {_MAIN} {{
            for (int n = 0; n < 64; n++) {{
                Path path = Path.of("/proc/self/fd/" + n);
                if (Files.isSymbolicLink(path) && Files.readSymbolicLink(path).toString().contains("copy"))
                    System.out.println(n);
            }} }} }}""",
        "",
    ),
}


@pytest.mark.parametrize("name", _PROGRAMS)
def test_a_program_that(run, name):
    code, expected = _PROGRAMS[name]

    ended = run(code, stdin="line\n", args=("a b", "c"))

    assert (ended.stdout.decode(), ended.stderr) == (expected, b"")
    assert ended.result.status is JobStatus.SUCCESS


def test_the_exit_code_is_the_programs(run):
    result = run(f"class X {{ {_MAIN} {{ System.exit(65); }} }}").result

    assert (result.reason, result.exit_code) == (Reason.NONZERO_EXIT, 65)


def test_what_does_not_compile_ends_with_the_compilers_words(run):
    ended = run('public class Broken { int x = "a"; }')

    assert (ended.result.reason, ended.result.exit_code) == (Reason.COMPILE_ERROR, 1)
    assert ended.stderr.decode() == (
        "Broken.java:1: error: incompatible types: String cannot be converted to int\n"
        'public class Broken { int x = "a"; }\n'
        "                              ^\n"
        "1 error\n"
    )
    assert ended.stdout == b""


def test_code_that_crashes_the_compiler_does_not_compile(run):
    ended = run(_NO_END)

    assert (ended.result.reason, ended.result.exit_code) == (Reason.COMPILE_ERROR, _SYSTEM_ERROR)
    assert "StackOverflowError" in ended.result.stderr.text


def test_what_the_compiler_says_of_a_program_that_it_compiles_is_shown(run):
    ended = run(f'public class Own {{ sun.misc.Unsafe no; {_MAIN} {{ System.err.println("mine"); }} }}')

    said = ended.result.compile_output.text.splitlines()
    assert said[0] == (
        "Own.java:1: warning: Unsafe is internal proprietary API and may be removed in a future release"
    )
    assert said[-1] == "1 warning"
    assert ended.stderr == b"mine\n"


def test_the_messages_of_the_compiler_are_limited(run):
    mistakes = " ".join(f"int a{number} = missing;" for number in range(100))
    code = f"class Main {{ void f() {{ {mistakes} /* {'x' * 30_000} */ }} }}"

    result = run(code, limits={"output_mb": 1}).result

    assert (result.reason, result.stderr.total_bytes) == (Reason.BUILD_LIMIT, 1 << 20), result
    assert (result.limit.name, result.limit.allowed) == ("output_mb", 1)


def test_a_program_that_is_too_large_to_be_handed_over_is_built_where_it_runs(run, java):
    if _pool(java) is not None:
        _await_compiler(java)
    waiting = _compilers(java)

    assert run(f"{_HELLO} // {'x' * 70_000}").stdout == b"hello\n"

    assert _compilers(java) == waiting


def test_memory_is_limited(run):
    code = f"""class Bomb {{ {_MAIN} {{
        var all = new java.util.ArrayList<byte[]>(); while (true) all.add(new byte[1 << 20]); }} }}"""

    result = run(code, limits={"memory_mb": 128}).result

    assert (result.reason, result.limit.name) == (Reason.MEMORY_LIMIT, "memory_mb")


def test_nothing_of_a_program_is_there_for_the_next_one(run):
    run(f"class Left {{ static int n; {_MAIN} {{ }} }}")

    assert "cannot find symbol" in run(f"class Next {{ {_MAIN} {{ Left.n = 1; }} }}").result.stderr.text


@pytest.fixture
def stopped(ahead):
    """An engine whose compiler waits, and does nothing when it gets a program."""
    _await_compiler(ahead)
    for pid in _compilers(ahead):
        os.kill(pid, signal.SIGSTOP)
    return ahead


def test_a_program_is_cancelled_while_it_is_built(stopped):
    running = stopped.start(Program(language="java", code=_HELLO))
    cancelled = running.request.execution_id, running.request.job_id
    assert eventually(lambda: stopped.engine.cancel(*cancelled) or running.end.done())
    result = running.end.result().result

    assert (result.status, running.recorder.starts) == (JobStatus.CANCELLED, 0), result


def test_a_build_has_its_time_with_a_compiler_that_was_ready_too(stopped):
    result = stopped.run(Program(language="java", code=_HELLO, limits={"build_timeout_ms": 200})).result

    assert result.reason is Reason.BUILD_LIMIT
    assert (result.limit.name, result.limit.allowed) == ("build_timeout_ms", 200 * SLOWNESS)
    assert result.limit.allowed <= result.limit.measured < 5_000 * SLOWNESS


def test_what_a_compiler_that_was_ready_did_not_finish_has_only_the_rest_of_the_time(ahead):
    cannot_be_written = replace(NOTHING, language="java", source="no directory/A.java")
    assert _pool(ahead).wait_until_full(90)
    with _pool(ahead).get(cannot_be_written).compiled(cannot_be_written, RunMonitor()) as compiled:
        assert 0 < build_limits(compiled).timeout_ms < cannot_be_written.limits.build_timeout_ms
        assert replace(compiled, build_spent_ms=0) == cannot_be_written


def test_an_archive_is_kept_for_later_starts(tmp_path):
    link_archive(tmp_path)
    (archive,) = _archives(tmp_path)
    before = archive.stat()

    with _engine(tmp_path) as kit:
        _make_ready(kit)

    assert _archives(tmp_path) == [archive]
    assert archive.stat().st_mtime_ns == before.st_mtime_ns


def test_a_damaged_archive_is_made_anew(tmp_path):
    link_archive(tmp_path)
    (damaged,) = _archives(tmp_path)
    content = damaged.read_bytes()
    damaged.unlink()  # the link to the archive of other tests
    damaged.write_bytes(content[:-4096])

    with _engine(tmp_path) as kit:
        assert _run(kit, _HELLO).stdout == b"hello\n"
        assert eventually(lambda: _archives(tmp_path) not in ([], [damaged]))
        _make_ready(kit)


def test_a_compiler_that_waits_ends_with_the_engine(tmp_path):
    with _engine(tmp_path) as kit:
        _make_ready(kit)
        waiting = _compilers(kit)
        assert waiting

    assert eventually(lambda: not waiting & set(with_word("Compiler.java")))
