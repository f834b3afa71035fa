"""Every execution engine, put through the same kit."""

from concurrent.futures import wait
from contextlib import ExitStack, closing, contextmanager
from itertools import accumulate
from uuid import uuid4

import pytest

from adapters.http_engine.engine import HttpEngine
from adapters.local_engine.engine import LocalEngine
from application.ports.execution_engine import ExecutionEngine
from application.ports.output_feed import Stream
from domain.execution import ExecutionResult
from domain.job_lifecycle import JobStatus, Reason
from domain.language import LANGUAGES
from domain.values import ExecutionId, JobId, ObjectKey
from tests.contract.engine_kit.cases import CASES, Case
from tests.contract.engine_kit.harness import (
    EVERYTHING,
    SLOWNESS,
    EngineUnderTest,
    Feature,
    Program,
    Recorder,
)
from tests.support.java_archive import link_archive
from tests.support.memory.execution_engine import MemoryExecutionEngine, MemoryRun
from tests.support.memory.object_store import MemoryObjectStore
from tests.support.runner import FakeRunner, modern_form, runs
from tests.support.sandbox import require_bubblewrap, require_cgroups
from tests.support.warm_engine import WarmEngine

_MIB = 1 << 20
_SOON_S = 45  # before its program ends by itself
_SLEEPER = Program(code="import time; print('ready', flush=True); time.sleep(60)")


def _play(run: MemoryRun) -> ExecutionResult:
    """Play the kit's sleeper."""
    run.start()
    run.write(Stream.STDOUT, b"ready\n")
    return run.run_until_cancelled()


@contextmanager
def _memory(_store, _directory):
    yield MemoryExecutionEngine(_play)


@contextmanager
def _local(store, directory, *, isolated=False):
    link_archive(directory)
    engine = LocalEngine(store, directory, isolated=isolated)
    engine.start()
    try:
        require_cgroups(engine)
        yield engine
    finally:
        engine.stop()


def _isolated(store, directory):
    require_bubblewrap()
    return _local(store, directory, isolated=True)


@contextmanager
def _warm(store, directory):
    require_bubblewrap()
    link_archive(directory)
    engine = WarmEngine(store, directory, isolated=True, warm_starts=1)
    engine.start()
    try:
        require_cgroups(engine)
        yield engine
    finally:
        engine.stop()


@contextmanager
def _http(store, _directory):
    def fetch(key):
        return store.get(ObjectKey(key), max_bytes=_MIB)

    with FakeRunner(runs(modern_form), fetch_code=fetch) as runner:
        engine = HttpEngine(runner.url)
        engine.start()
        yield engine
        engine.stop()


_ENGINES = {
    "memory": (_memory, frozenset({Feature.CANCEL, Feature.LIVE_OUTPUT})),
    "plain": (_local, EVERYTHING),
    "isolated": (_isolated, EVERYTHING),
    "warm": (_warm, EVERYTHING),
    "http": (_http, frozenset({Feature.RUNS_CODE, Feature.EXIT_CODE, Feature.WHOLE_OUTPUT})),
}


@pytest.fixture(scope="module")
def engines(tmp_path_factory):
    """Engines by their names, each started when a test first asks for it."""
    started = {}
    with ExitStack() as running:

        def engine(name):
            if name not in started:
                build, _ = _ENGINES[name]
                store = MemoryObjectStore()
                built = running.enter_context(build(store, tmp_path_factory.mktemp("work")))
                started[name] = running.enter_context(closing(EngineUnderTest(built, store)))
            return started[name]

        yield engine


@pytest.fixture(params=_ENGINES)
def engine(request, engines):
    # Of the module's scope, and parametrized together with the cases, it would be set up again for each.
    return engines(request.param)


def _those_with(*features):
    return [name for name, (_, offered) in _ENGINES.items() if offered.issuperset(features)]


def needs(*features):
    return pytest.mark.parametrize("engine", _those_with(*features), indirect=True)


@pytest.mark.parametrize(
    ("engine", "case"),
    [
        pytest.param(name, case, id=f"{name}-{case.name.replace(' ', '_')}")
        for case in CASES
        for name in _those_with(*case.needs)
    ],
    indirect=["engine"],
)
def test_a_program_that(engine: EngineUnderTest, case: Case) -> None:
    recorder = Recorder()
    ended = engine.run(case.program, recorder)

    result = ended.result
    assert (result.status, result.reason) == (case.status, case.reason), result
    assert case.stdout is None or result.stdout.text == case.stdout
    assert case.stderr_has is None or case.stderr_has in result.stderr.text
    assert case.exit_code is None or result.exit_code == case.exit_code
    assert case.signal is None or result.signal == case.signal
    assert (result.limit.name if result.limit else None) == case.limit
    assert (result.error_message is None) == (result.status is JobStatus.SUCCESS)
    assert recorder.starts == (0 if case.reason is Reason.COMPILE_ERROR else 1)


@needs(Feature.RESOURCES)
def test_the_figures_are_those_of_the_program(engine):
    code = "import time; x = bytearray(80 << 20); time.sleep(0.3); begun = time.process_time()\n"
    code += "while time.process_time() - begun < 0.3: pass"

    result = engine.run(Program(code=code)).result

    used = result.resource
    assert 600 <= used.execution_time_ms < 5_000 * SLOWNESS
    assert 300 <= used.cpu_time_ms < 1_500 * SLOWNESS
    assert used.cpu_percent == pytest.approx(100 * used.cpu_time_ms / used.execution_time_ms, abs=0.1)
    assert 80 <= used.memory_mb < 160


@needs(Feature.RESOURCES)
def test_the_times_do_not_include_the_build(engine):
    code = "public class Quick { public static void main(String[] a) { System.out.println(1); } }"

    started = engine.run(Program(language="java", code=code))

    assert started.result.resource.cpu_time_ms < 400 * SLOWNESS


@needs(Feature.LIMITS)
def test_a_limit_that_was_hit_is_measured_against_what_was_allowed(engine):
    hit = engine.run(Program(code="import time; time.sleep(60)", limits={"timeout_ms": 400})).result.limit

    assert hit.allowed == 400 * SLOWNESS
    assert hit.allowed <= hit.measured < hit.allowed + 2_000 * SLOWNESS


@needs(Feature.RUNS_CODE, Feature.WHOLE_OUTPUT)
def test_long_output_keeps_its_head_and_tail_and_its_exact_size(engine):
    code = "import sys\nfor n in range(200_000): print(f'{n:06d}')"

    ended = engine.run(Program(code=code))

    shown = ended.result.stdout
    assert ended.stdout == b"".join(b"%06d\n" % n for n in range(200_000))
    assert (shown.total_bytes, shown.truncated) == (1_400_000, True)
    assert shown.text.startswith("000000\n000001\n")
    assert shown.text.endswith("199998\n199999\n")
    assert len(shown.text) < 70_000


@needs(Feature.LIMITS, Feature.WHOLE_OUTPUT)
def test_output_of_exactly_the_limit_is_no_offence(engine):
    code = "import os\nfor _ in range(16): os.write(1, b'o' * 32768); os.write(2, b'e' * 32768)"

    ended = engine.run(Program(code=code, limits={"output_mb": 1}))

    assert ended.result.status is JobStatus.SUCCESS
    assert (len(ended.stdout), len(ended.stderr)) == (_MIB // 2, _MIB // 2)


@needs(Feature.RUNS_CODE, Feature.EXACT_BYTES)
def test_bytes_that_are_no_text_are_replaced_in_the_result_and_kept_in_the_stream(engine):
    ended = engine.run(Program(code=r"import os; os.write(1, b'a\xff\xfe\x00b\xed\x95')"))

    assert ended.stdout == b"a\xff\xfe\x00b\xed\x95"
    assert ended.result.stdout.text == "a\ufffd\ufffd\0b\ufffd"
    assert ended.result.stdout.total_bytes == 7


@needs(Feature.RUNS_CODE, Feature.LIVE_OUTPUT)
def test_chunks_are_in_order_and_make_up_the_stream(engine):
    code = "import os\nfor n in range(50): os.write(1, b'o%d ' % n); os.write(2, b'e%d ' % n)"

    recorder = Recorder()
    ended = engine.run(Program(code=code), recorder)

    for stream, whole in ((Stream.STDOUT, ended.stdout), (Stream.STDERR, ended.stderr)):
        chunks = [chunk for chunk in recorder.chunks if chunk.stream is stream]
        ends = accumulate(len(chunk.data) for chunk in chunks)
        assert [chunk.offset + len(chunk.data) for chunk in chunks] == list(ends)
        assert recorder.written(stream) == whole


@needs(Feature.LIVE_OUTPUT, Feature.CANCEL)
def test_output_arrives_while_the_program_runs_and_a_cancelled_program_ends_at_once(engine):
    running = engine.start(_SLEEPER)
    assert running.recorder.has_output.wait(_SOON_S)
    assert running.recorder.written(Stream.STDOUT) == b"ready\n"
    assert not running.end.done()
    engine.engine.cancel(running.request.execution_id, running.request.job_id)

    result = running.end.result(timeout=_SOON_S).result
    assert (result.status, result.reason) == (JobStatus.CANCELLED, Reason.CANCELLED)
    assert running.recorder.starts == 1


@needs(Feature.RUNS_CODE, Feature.CANCEL, Feature.LIVE_OUTPUT)
def test_what_a_cancelled_program_wrote_is_kept(engine):
    running = engine.start(_SLEEPER)
    assert running.recorder.has_output.wait(_SOON_S)
    engine.engine.cancel(running.request.execution_id, running.request.job_id)

    assert running.end.result(timeout=_SOON_S).result.stdout.text == "ready\n"


def test_cancelling_what_is_not_running_is_no_error(engine):
    engine.engine.cancel(ExecutionId(uuid4()), JobId(uuid4()))


@needs(Feature.RUNS_CODE, Feature.STDIN)
def test_programs_run_side_by_side_and_apart(engine):
    code = "import os, time\nname = input()\nopen('mine', 'x').write(name)\ntime.sleep(0.3)\n"
    code += "print(name, open('mine').read(), [f for f in os.listdir() if f.startswith('mine')])"

    running = [engine.start(Program(code=code, stdin=f"p{number}\n")) for number in range(16)]
    wait([each.end for each in running], timeout=60)

    for number, each in enumerate(running):
        assert each.end.result().result.stdout.text == f"p{number} p{number} ['mine']\n"


@needs(Feature.RUNS_CODE, Feature.REASONS)
def test_code_that_is_not_there_ends_with_its_reason(engine):
    request = engine.request(Program(code="print(1)"))
    engine.forget_code(request)

    result = engine.execute(request, Recorder()).result

    assert (result.status, result.reason) == (JobStatus.FAILED, Reason.STORAGE_ERROR)


@needs(Feature.RUNS_CODE, Feature.REASONS)
def test_a_language_that_is_missing_ends_with_advice(engine):
    missing = [support for support in engine.engine.languages() if not support.is_available]
    if not missing:
        pytest.skip("every language is installed")

    result = engine.run(Program(code="1", language=missing[0].language.name)).result

    assert result.reason is Reason.ENGINE_UNAVAILABLE
    assert result.error_message == str(missing[0].unavailable_because)


def test_it_says_which_languages_it_knows(engine):
    known: ExecutionEngine = engine.engine

    assert {support.language for support in known.languages()} <= set(LANGUAGES.values())
    assert known.languages()


def test_it_says_what_it_is(engine):
    engine.engine.check()

    assert engine.engine.describe().name == engine.engine.name
