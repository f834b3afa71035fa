"""Every limit at both ends of its range, for compiled and interpreted programs; and limits of builds."""

from contextlib import suppress

import psutil
import pytest

from adapters.local_engine.sandbox.supervisor.usage_sampler import tree
from domain.job_lifecycle import JobStatus, Reason
from domain.limits import STANDARD_BOUNDS
from tests.contract.engine_kit.harness import SLOWNESS, Program, Recorder
from tests.support.processes import eventually

_PROGRAMS = {
    "c": '#include <stdio.h>\nint main(void) { puts("hello"); }',
    "python": 'print("hello")',
}
# The reasons for which a program may end that has the least of something.
_TOO_LITTLE = {
    "build_timeout_ms": Reason.BUILD_LIMIT,
    "build_cpu_time_ms": Reason.BUILD_LIMIT,
    "timeout_ms": Reason.WALL_TIME_LIMIT,
    "cpu_time_ms": Reason.CPU_TIME_LIMIT,
    "memory_mb": Reason.MEMORY_LIMIT,
}


@pytest.mark.parametrize("language", _PROGRAMS)
def test_a_program_that_has_the_most_of_everything_runs(kit, language):
    most = {name: bounds.maximum for name, bounds in STANDARD_BOUNDS.items()}

    ended = kit.run(Program(language=language, code=_PROGRAMS[language], limits=most))

    assert (ended.result.reason, ended.stdout) == (None, b"hello\n"), ended.result


@pytest.mark.parametrize("language", _PROGRAMS)
@pytest.mark.parametrize("name", STANDARD_BOUNDS)
def test_a_program_that_has_the_least_of_something_runs_or_ends_at_that_limit(kit, language, name):
    limits = {name: STANDARD_BOUNDS[name].minimum}

    ended = kit.run(Program(language=language, code=_PROGRAMS[language], limits=limits))

    assert ended.result.reason in {None, _TOO_LITTLE.get(name)}, (ended.result, ended.stderr)


def test_a_compiled_program_has_its_own_limits_and_not_those_of_its_build(kit):
    code = """
        #include <stdio.h>
        #include <sys/resource.h>
        int main(void) {
            int kinds[] = {RLIMIT_NOFILE, RLIMIT_FSIZE, RLIMIT_CPU};
            for (int i = 0; i < 3; i++) {
                struct rlimit limit;
                getrlimit(kinds[i], &limit);
                printf("%lu\\n", limit.rlim_cur);
            }
        }"""
    limits = {"open_files": 4_096, "file_size_mb": 1_024, "cpu_time_ms": 600_000}

    ended = kit.run(Program(language="c", code=code, limits=limits))

    assert ended.stdout.split() == [b"4096", str(1_024 << 20).encode(), b"%d" % (600 * SLOWNESS + 1)], (
        ended.result
    )


# Takes seconds to compile, in the compiler itself, and nothing else.
_SLOW = """
template <int N, int M> struct Sum {
    static const int value = Sum<N - 1, 2 * M>::value + Sum<N - 1, 2 * M + 1>::value;
};
template <int M> struct Sum<0, M> { static const int value = M; };
int main() { return Sum<17, 0>::value; }
"""


@pytest.mark.parametrize(("name", "allowed"), [("build_timeout_ms", 700), ("build_cpu_time_ms", 500)])
def test_a_build_that_reaches_its_limit_ends_with_that_and_says_how_much_it_had(kit, name, allowed):
    limits = {name: round(allowed / SLOWNESS)}  # on a slower machine it takes all the longer

    result = kit.run(Program(language="cpp", code=_SLOW, limits=limits)).result

    assert (result.status, result.reason) == (JobStatus.FAILED, Reason.BUILD_LIMIT), result
    assert (result.limit.name, result.limit.allowed) == (name, allowed)
    assert allowed <= result.limit.measured < allowed + 2_000 * SLOWNESS
    assert name in result.error_message
    assert result.resource is None


@pytest.mark.parametrize("is_for_cases", [False, True])
def test_a_build_that_writes_too_much_is_ended_at_its_limit(kit, is_for_cases):
    code = f"#include __FILE__\n#include __FILE__\n#warning {'x' * 1_000}"
    request = kit.request(Program(language="c", code=code, limits={"output_mb": 1}))

    report = (kit.engine.build if is_for_cases else kit.engine.execute)(request, Recorder())

    with report:
        result, written = report.result, report.stderr.read()
    assert (result.status, result.reason) == (JobStatus.FAILED, Reason.BUILD_LIMIT), result
    assert (result.limit.name, result.limit.allowed) == ("output_mb", 1)
    assert (result.exit_code, result.signal) == (None, None)
    assert b"#warning" in written
    assert len(written) <= 1 << 20


def test_a_build_that_had_no_processor_is_no_mistake_of_its_author(kit):
    """A compiler that is stopped at once stands for a machine that has no time for it."""
    running = kit.start(Program(language="cpp", code=_SLOW, limits={"build_timeout_ms": 3_000}))
    assert eventually(lambda: _stopped(kit, "cc1plus"))

    result = running.end.result(timeout=90).result

    assert result.reason is Reason.BUILD_LIMIT
    assert "the machine was busy" in result.error_message


def _stopped(kit, name):
    """Stop the processes of an engine that have a name; return whether there are any."""
    found = []
    for pid in tree(kit.engine.sandbox.supervisor.pid):
        with suppress(psutil.NoSuchProcess):  # it has ended meanwhile
            process = psutil.Process(pid)
            if process.name() == name:
                process.suspend()
                found.append(process)
    return bool(found)
