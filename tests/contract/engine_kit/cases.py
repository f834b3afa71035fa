"""Programs, and how each has to end: the same for every engine."""

import signal
from dataclasses import dataclass

from domain.job_lifecycle import JobStatus, Reason
from tests.contract.engine_kit.harness import Feature, Program

_FAILED = JobStatus.FAILED


@dataclass(frozen=True, kw_only=True)
class Case:
    """A program and its expected end. None expects nothing."""

    name: str
    program: Program
    needs: frozenset[Feature] = frozenset({Feature.RUNS_CODE})
    status: JobStatus = JobStatus.SUCCESS
    reason: Reason | None = None
    stdout: str | None = None
    stderr_has: str | None = None
    exit_code: int | None = None
    signal: int | None = None
    limit: str | None = None


def _needs(*features: Feature) -> frozenset[Feature]:
    return frozenset({Feature.RUNS_CODE, *features})


_JAVA_ECHO = """
import java.util.Scanner;
/* class Decoy { */
class Helper { static String shout(String s) { return s.toUpperCase() + "}"; } }
public class Greeter {
    public static void main(String[] args) {
        System.out.println(Helper.shout(new Scanner(System.in).nextLine()));
    }
}
"""

CASES = (
    Case(name="prints", program=Program(code="print('hello')"), stdout="hello\n"),
    Case(name="prints nothing", program=Program(code="pass"), stdout=""),
    Case(
        name="reads its stdin",
        program=Program(code="print(sum(int(line) for line in open(0)))", stdin="1\n2\n39\n"),
        needs=_needs(Feature.STDIN),
        stdout="42\n",
    ),
    Case(
        name="finds its stdin at its end",
        program=Program(code="import sys; print(repr(sys.stdin.read()))"),
        stdout="''\n",
    ),
    Case(
        name="reads and writes Unicode",
        program=Program(code="print(input()[::-1], '안녕 😀')", stdin="日本語"),
        needs=_needs(Feature.STDIN),
        stdout="語本日 안녕 😀\n",
    ),
    Case(
        name="gets its arguments as they are",
        program=Program(
            code="import sys; print(sys.argv[1:])", args=("--help", "a b", "$(id)", "'\"", "", "x\ny")
        ),
        needs=_needs(Feature.ARGUMENTS),
        stdout=repr(["--help", "a b", "$(id)", "'\"", "", "x\ny"]) + "\n",
    ),
    Case(
        name="gets its environment and little else",
        program=Program(
            code="import os; print(os.environ['GREETING'], sorted(os.environ.keys() - {'PWD'}))",
            env={"GREETING": "hi there"},
        ),
        needs=_needs(Feature.ARGUMENTS),
        stdout="hi there ['GREETING', 'HOME', 'LANG', 'PATH', 'TMPDIR']\n",
    ),
    Case(
        name="ends with an exit code",
        program=Program(code="import sys; print('out'); print('err', file=sys.stderr); sys.exit(7)"),
        needs=_needs(Feature.EXIT_CODE),
        status=_FAILED,
        reason=Reason.NONZERO_EXIT,
        stdout="out\n",
        stderr_has="err\n",
        exit_code=7,
    ),
    Case(
        name="raises",
        program=Program(code="raise ValueError('of its own')"),
        status=_FAILED,
        reason=Reason.NONZERO_EXIT,
        stderr_has="ValueError: of its own",
    ),
    Case(
        name="does not parse",
        program=Program(code="print('"),
        status=_FAILED,
        reason=Reason.NONZERO_EXIT,
        stderr_has="SyntaxError",
    ),
    Case(
        name="is ended by a signal",
        program=Program(code="import os; os.kill(os.getpid(), 6); import time; time.sleep(60)"),
        needs=_needs(Feature.REASONS),
        status=_FAILED,
        reason=Reason.SIGNAL,
        signal=signal.SIGABRT,
    ),
    Case(
        name="runs for too long",
        program=Program(
            code="import time; print('up', flush=True); time.sleep(60)", limits={"timeout_ms": 600}
        ),
        needs=_needs(Feature.LIMITS),
        status=JobStatus.TIMEOUT,
        reason=Reason.WALL_TIME_LIMIT,
        stdout="up\n",
        limit="timeout_ms",
    ),
    Case(
        name="ignores a polite request to end",
        program=Program(
            code="import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)",
            limits={"timeout_ms": 300},
        ),
        needs=_needs(Feature.LIMITS),
        status=JobStatus.TIMEOUT,
        reason=Reason.WALL_TIME_LIMIT,
        limit="timeout_ms",
    ),
    Case(
        name="computes for too long",
        program=Program(code="while True: pass", limits={"cpu_time_ms": 300}),
        needs=_needs(Feature.LIMITS),
        status=_FAILED,
        reason=Reason.CPU_TIME_LIMIT,
        limit="cpu_time_ms",
    ),
    Case(
        name="takes too much memory",
        program=Program(
            code="x = []\nwhile True: x.append(bytearray(1 << 20))",
            limits={"memory_mb": 64, "timeout_ms": 20_000},
        ),
        needs=_needs(Feature.LIMITS),
        status=_FAILED,
        reason=Reason.MEMORY_LIMIT,
        limit="memory_mb",
    ),
    Case(
        name="writes too much",
        program=Program(
            code="import os\nwhile True: os.write(1, b'x' * 65536)",
            limits={"output_mb": 1, "timeout_ms": 20_000},
        ),
        needs=_needs(Feature.LIMITS),
        status=_FAILED,
        reason=Reason.OUTPUT_LIMIT,
        limit="output_mb",
    ),
    Case(
        name="writes a file that is too large",
        program=Program(
            code="import signal; signal.signal(signal.SIGXFSZ, signal.SIG_DFL)\n"
            "with open('large', 'wb') as file:\n    while True: file.write(b'x' * 65536)",
            limits={"file_size_mb": 1},
        ),
        needs=_needs(Feature.LIMITS),
        status=_FAILED,
        reason=Reason.SIGNAL,
        signal=signal.SIGXFSZ,
    ),
    Case(
        name="opens too many files",
        program=Program(
            code="import os\nkept = []\nwhile True: kept.append(os.open('/dev/null', 0))",
            limits={"open_files": 32},
        ),
        needs=_needs(Feature.LIMITS),
        status=_FAILED,
        reason=Reason.NONZERO_EXIT,
        stderr_has="Too many open files",
    ),
    Case(
        name="is in JavaScript",
        program=Program(
            language="node",
            code="console.log(require('fs').readFileSync(0, 'utf8').trim().toUpperCase())",
            stdin="node reads\n",
        ),
        needs=_needs(Feature.STDIN),
        stdout="NODE READS\n",
    ),
    Case(
        name="is in Java, in a class of any name",
        program=Program(language="java", code=_JAVA_ECHO, stdin="java reads\n"),
        needs=_needs(Feature.STDIN),
        stdout="JAVA READS}\n",
    ),
    Case(
        name="does not compile",
        program=Program(language="java", code="public class Broken { int }"),
        needs=_needs(Feature.REASONS),
        status=_FAILED,
        reason=Reason.COMPILE_ERROR,
        stderr_has="Broken.java:1: error:",
    ),
)
