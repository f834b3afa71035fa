"""The memory figure of a result, beside VmHWM, the kernel's figure for the program at its end."""

import re
import signal
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from adapters.local_engine.sandbox.supervisor.cgroups import NAMES
from adapters.local_engine.sandbox.unified_cgroups import CgroupsUnavailable
from adapters.local_engine.toolchains import Toolchains
from application.ports.execution_engine import CaseInput
from domain.job_lifecycle import Reason
from tests.contract.engine_kit.harness import SLOWNESS, Program, Recorder
from tests.support.sandbox import CGROUPS_REQUIRED, running_engine

_INSTALLED = {support.language.name for support in Toolchains().support() if support.is_available}
_STATUS = "/proc/self/status"
# Each shows its own /proc/self/status as the last thing that it does.
_PROGRAMS = {
    "bash": f'while read -r line; do echo "$line"; done < {_STATUS}',
    "c": f"""
        #include <stdio.h>
        int main(void) {{
            FILE *status = fopen("{_STATUS}", "r");
            for (int c; (c = getc(status)) != EOF;) putchar(c);
        }}""",
    "go": f"""
        package main
        import ("fmt"; "os")
        func main() {{ status, _ := os.ReadFile("{_STATUS}"); fmt.Print(string(status)) }}""",
    "java": f"""
        import java.nio.file.*;
        public class Main {{
            public static void main(String[] arguments) throws Exception {{
                System.out.print(Files.readString(Path.of("{_STATUS}")));
            }}
        }}""",
    "node": f"process.stdout.write(require('fs').readFileSync('{_STATUS}', 'utf8'))",
    "perl": f"open(my $status, '<', '{_STATUS}'); print <$status>;",
    "python": f"print(open('{_STATUS}').read())",
    "ruby": f"print File.read('{_STATUS}')",
    "rust": f'fn main() {{ print!("{{}}", std::fs::read_to_string("{_STATUS}").unwrap()); }}',
}
_LARGE = {
    "c": _PROGRAMS["c"].replace(
        "FILE",
        "volatile char *p = malloc(100 << 20); for (int i = 0; i < 100 << 20; i += 64) p[i] = 1; FILE",
    ).replace("#include <stdio.h>", "#include <stdio.h>\n#include <stdlib.h>"),
    "python": f"block = bytearray(100 << 20); {_PROGRAMS['python']}",
}  # fmt: skip

# One of each kind: a shell, a program that is built, one that is built and interpreted, two that start warm.
_KINDS = {"bash", "c", "java", "node", "python"}

# A process that is no longer the program's child uses memory, and ends before the program or with it.
_LEFT_BEHIND = """
import os, time
reader, writer = os.pipe()
if os.fork() == 0:
    if os.fork() == 0:
        block = bytearray(100 << 20)
        os.write(writer, b"1")
        time.sleep({seconds})
    os._exit(0)
os.wait()
os.read(reader, 1)
os.close(writer)
time.sleep(0.1 if {seconds} else len(os.read(reader, 1)))
"""

_KITS = {
    "plain": {"isolated": False},
    "isolated": {},
    "without control groups": {"without_control_groups": True},
    "warm": {"warm_starts": 1},
}


@pytest.fixture(scope="module", params=_KITS)
def kit(request, tmp_path_factory):
    options = dict(_KITS[request.param])
    with pytest.MonkeyPatch.context() as patch:
        if options.pop("without_control_groups", False):
            patch.setattr("adapters.local_engine.sandbox.bubblewrap.discover", _no_cgroups)
            patch.delenv(CGROUPS_REQUIRED, raising=False)
        with running_engine(tmp_path_factory.mktemp("work"), **options) as kit:
            assert kit.engine.wait_until_warm(20 * SLOWNESS)
            yield kit


def _no_cgroups(**_):
    raise CgroupsUnavailable("a test has none")


@contextmanager
def _memory_of_all(cgroups, size_mb):
    """Limit the memory of all programs together."""
    limit = Path(cgroups.memory, NAMES[cgroups.version].memory_limit)
    before = limit.read_text()
    limit.write_text(str(size_mb << 20))
    try:
        yield
    finally:
        limit.write_text(before)


def _compare(result):
    hwm_kb = int(re.search(r"VmHWM:\s*(\d+) kB", result.stdout.text)[1])
    assert result.resource.memory_mb == pytest.approx(hwm_kb / 1024, rel=0.2, abs=2), result


@pytest.fixture(scope="module")
def isolated(tmp_path_factory):
    with running_engine(tmp_path_factory.mktemp("isolated")) as kit:
        yield kit


@pytest.mark.parametrize("language", sorted(_KINDS & _INSTALLED))
def test_a_small_program_has_its_own_memory_and_no_compilers_or_shells(kit, language):
    _compare(kit.run(Program(language=language, code=_PROGRAMS[language])).result)


@pytest.mark.parametrize("language", sorted(_PROGRAMS.keys() & _INSTALLED - _KINDS))
def test_a_program_of_another_language_has_its_own_memory(isolated, language):
    _compare(isolated.run(Program(language=language, code=_PROGRAMS[language])).result)


@pytest.mark.parametrize("language", sorted(_LARGE.keys() & _INSTALLED))
def test_a_large_program_has_its_peak(kit, language):
    _compare(kit.run(Program(language=language, code=_LARGE[language])).result)


def test_a_program_that_is_killed_has_what_it_had_by_then(kit):
    code = "import time\nblock = bytearray(100 << 20)\ntime.sleep(60)"

    result = kit.run(Program(code=code, limits={"timeout_ms": 1_500})).result

    assert result.reason is Reason.WALL_TIME_LIMIT
    assert result.resource.memory_mb == pytest.approx(110, rel=0.2)


def test_a_program_that_wrote_too_much_has_what_it_had_by_then(kit):
    code = "print('x' * (100 << 20))"

    result = kit.run(Program(code=code, limits={"output_mb": 1, "memory_mb": 512})).result

    assert result.reason is Reason.OUTPUT_LIMIT
    assert result.resource.memory_mb > 100


def test_a_program_that_exceeds_its_memory_is_measured_by_its_limit_and_not_by_its_build(kit):
    code = "#include <stdlib.h>\nint main() { for (;;) { volatile char *p = malloc(4096); p[0] = 1; } }"

    result = kit.run(Program(language="c", code=code, limits={"memory_mb": 16})).result

    assert result.reason in {Reason.MEMORY_LIMIT, Reason.SIGNAL}, result  # of RLIMIT_AS, without a group
    assert 0 < result.resource.memory_mb <= 17
    if result.limit is not None:
        assert 12 <= result.limit.measured <= 20


@pytest.mark.parametrize("seconds", [0, 60])
def test_a_process_that_the_program_leaves_behind_counts(kit, seconds):
    result = kit.run(Program(code=_LEFT_BEHIND.format(seconds=seconds))).result

    assert result.exit_code == 0, result
    assert result.resource.memory_mb == pytest.approx(106, rel=0.1)


def test_a_process_that_the_program_of_a_case_leaves_behind_counts(isolated):
    request = isolated.request(Program(code=_LEFT_BEHIND.format(seconds=60)))
    given = CaseInput(stdin=b"", args=None, limits=request.spec.limits)

    with closing(isolated.engine.build(request, Recorder())) as built, built.run(given) as report:
        assert report.result.resource.memory_mb == pytest.approx(106, rel=0.1), report.result


@pytest.mark.parametrize("is_planned", [True, False])
def test_a_program_that_ends_because_all_programs_lack_memory_has_not_reached_its_limit(
    isolated, monkeypatch, is_planned
):
    isolation = isolated.engine.sandbox.isolation
    if isolation.cgroups is None:
        pytest.skip("without control groups, a test cannot limit the memory of all programs")
    monkeypatch.setattr(isolation, "_has_plans", is_planned)
    limits = {"memory_mb": 256}
    beside = isolated.start(Program(code="import time; print(1); time.sleep(60)", limits=limits))
    assert beside.recorder.has_output.wait(10 * SLOWNESS)
    with _memory_of_all(isolation.cgroups, 80):
        result = isolated.run(Program(code="block = bytearray(150 << 20)", limits=limits)).result
    isolated.engine.cancel(beside.request.execution_id, beside.request.job_id)

    assert (result.reason, result.limit, result.signal) == (Reason.SIGNAL, None, signal.SIGKILL), result
    assert "had no memory left" in (result.error_message or "")
    assert beside.end.result().result.reason is Reason.CANCELLED
    greedy = isolated.run(Program(code="block = bytearray(300 << 20)", limits=limits)).result
    assert (greedy.reason, greedy.signal) == (Reason.MEMORY_LIMIT, signal.SIGKILL), greedy


def test_no_program_lowers_its_peak(isolated):
    code = """
block = bytearray(100 << 20)
del block
try:
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # CLEAR_REFS_MM_HIWATER_RSS
except OSError as error:
    print(error.strerror)
"""
    result = isolated.run(Program(code=code)).result

    assert result.resource.memory_mb > 100, result
