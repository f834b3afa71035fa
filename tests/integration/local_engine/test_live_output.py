"""Programs' output arrives while they run, and survives their being ended, in every language."""

import pytest

from application.ports.output_feed import Stream
from domain.job_lifecycle import JobStatus
from tests.contract.engine_kit.harness import Program
from tests.support.sandbox import running_engine

# Prints a line as programs of the language do, and is busy for ever.
_PROGRAMS = {
    "python": 'print("early")\nwhile True: pass',
    "node": 'console.log("early"); while (true);',
    "java": """class Early { public static void main(String[] args) {
        System.out.println("early"); for (long n = 0; ; n++) if (n < 0) System.out.println(n); } }""",
    "typescript": 'console.log("early"); while (true);',
    "bash": "echo early\nwhile true; do :; done",
    "c": '#include <stdio.h>\nint main(void) { printf("early\\n"); for (volatile int n = 0;; n++); }',
    "cpp": '#include <iostream>\nint main() { std::cout << "early\\n"; for (volatile int n = 0;; n = 1); }',
    "go": 'package main\nimport "fmt"\nfunc main() { fmt.Println("early"); for {} }',
    "rust": 'fn main() { println!("early"); loop { std::hint::spin_loop(); } }',
    "ruby": 'puts "early"\nloop {}',
    "php": '<?php echo "early\\n"; while (true);',
    "perl": 'print "early\\n"; while (1) {}',
}


@pytest.fixture(scope="module", params=["plain", "warm"])
def kit(request, tmp_path_factory):
    settings = {"warm_starts": 1} if request.param == "warm" else {}
    with running_engine(
        tmp_path_factory.mktemp("work"), isolated=request.param != "plain", **settings
    ) as kit:
        assert kit.engine.wait_until_warm(30)
        yield kit


def _available(kit):
    return [each.language.name for each in kit.engine.languages() if each.is_available]


def test_there_is_a_program_in_every_language(kit):
    assert {each.language.name for each in kit.engine.languages()} == set(_PROGRAMS)


def test_a_line_arrives_while_the_program_is_busy_and_survives_its_end(kit):
    limits = {"timeout_ms": 60_000, "cpu_time_ms": 50_000}
    for language in _available(kit):
        running = kit.start(Program(language=language, code=_PROGRAMS[language], limits=limits))

        assert running.recorder.has_output.wait(60), language
        assert not running.end.done(), language
        assert running.recorder.written(Stream.STDOUT) == b"early\n", language

        kit.engine.cancel(running.request.execution_id, running.request.job_id)
        result = running.end.result(10).result
        assert (result.status, result.stdout.text) == (JobStatus.CANCELLED, "early\n"), language


@pytest.mark.parametrize("language", ["python", "bash"])
def test_the_usage_of_a_program_is_reported_while_it_runs(kit, language):
    code = {"python": "import time\ntime.sleep(60)", "bash": "sleep 60 & wait"}[language]
    running = kit.start(Program(language=language, code=code, limits={"timeout_ms": 60_000}))

    usage = running.recorder.usages.get(timeout=60)
    kit.engine.cancel(running.request.execution_id, running.request.job_id)

    assert running.end.result(10).result.status is JobStatus.CANCELLED
    assert 1_000 <= usage.execution_time_ms < 60_000
    assert 0 <= usage.cpu_time_ms < usage.execution_time_ms
    assert usage.memory_mb is not None
    assert 0 < usage.memory_mb < 64
    if usage.processes is not None:  # a control group counts them
        assert usage.processes == (1 if language == "python" else 2)


@pytest.mark.parametrize("language", ["python", "c"])
def test_a_line_survives_the_time_limit(kit, language):
    if language not in _available(kit):
        pytest.skip(f"{language} is not installed")

    program = Program(language=language, code=_PROGRAMS[language], limits={"timeout_ms": 500})
    result = kit.run(program).result

    assert (result.status, result.stdout.text) == (JobStatus.TIMEOUT, "early\n")


def test_what_hands_output_on_leaves_no_trace_in_python(kit):
    code = (
        "import os, sys\nprint('PYTHONPATH' in os.environ, 'sitecustomize' in sys.modules, len(sys.path))\n"
    )
    code += "print([name for name in sys.path if 'hooks' in name or 'hold' in name], os.listdir())"

    assert kit.run(Program(code=code)).stdout.decode().splitlines()[1] == "[] ['main.py']"
