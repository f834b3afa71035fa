"""Sources that are made to take time do not hold up anything beside their own job."""

import time

import pytest

from domain.job_lifecycle import JobStatus
from tests.contract.engine_kit.harness import Program

_MIB = 1 << 20
_HOSTILE = {"comments": "/*a", "package": "package ", "strings": '"\\', "braces": "{}", "types": "class A {"}
_LONGEST_PAUSE_S = 1.0  # of this process, on a machine that is busy; a pattern that backtracks takes many


# This process looks at a source in the same way whether or not the program will be isolated.
@pytest.mark.parametrize("kit", ["isolated"], indirect=True)
@pytest.mark.parametrize("language", ["java", "python"])
@pytest.mark.parametrize("kind", _HOSTILE)
def test_the_process_goes_on_while_a_hostile_source_is_looked_at(kit, language, kind):
    support = next(each for each in kit.engine.languages() if each.language.name == language)
    if not support.is_available:
        pytest.skip(str(support.unavailable_because))
    code = (_HOSTILE[kind] * _MIB)[:_MIB]

    running = kit.start(Program(language=language, code=code, limits={"timeout_ms": 5_000}))
    longest, before = 0.0, time.process_time()
    while not running.end.done():
        time.sleep(0.005)
        now = time.process_time()
        longest, before = max(longest, now - before), now

    assert longest < _LONGEST_PAUSE_S
    assert running.end.result().result.status is JobStatus.FAILED
