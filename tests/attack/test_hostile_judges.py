"""Programs of the corpus as checkers, as interactors and as programs that are spoken with."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.local_engine.engine import LocalEngine
from adapters.local_engine.sandbox.supervisor.usage_sampler import tree
from domain.cases import Case, Verdict
from domain.limits import STANDARD_LIMITS
from tests.contract.engine_kit.harness import EngineUnderTest, Program
from tests.integration.local_engine.test_judges import Judges, judged
from tests.support.processes import eventually
from tests.support.sandbox import has_cgroups, running_engine

_PROGRAMS = Path(__file__).parent / "programs"
_LIMITS = replace(
    STANDARD_LIMITS.resolve({}),
    timeout_ms=700,
    cpu_time_ms=20_000,
    memory_mb=128,
    processes=32,
    output_mb=2,
    disk_mb=16,
)
_CASE = Case(name="a", stdin=b"6\n", expected=b"6")
_ECHO = "print(input())"
_LISTENS = "import sys\nwhile sys.stdin.buffer.read(1 << 16): pass"
# None of them ends by itself, or with an exit code that is a verdict.
_HOSTILE = ("fork_bomb.py", "memory_bomb.py", "endless_stdout.py", "endless_stderr.py")
_OF_PROGRAMS = {Verdict.TIME_LIMIT, Verdict.MEMORY_LIMIT, Verdict.OUTPUT_LIMIT, Verdict.RUNTIME_ERROR}


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineUnderTest]:
    with running_engine(tmp_path_factory.mktemp("hostile")) as kit:
        yield kit


@pytest.fixture
def judges(kit: EngineUnderTest) -> Iterator[Judges]:
    """Judges; in the end nothing of them is left, and an ordinary one beside them was never disturbed."""
    engine = kit.engine
    assert isinstance(engine, LocalEngine)
    if not has_cgroups(engine):
        pytest.skip("without control groups these programs are held by sampling alone")
    supervisor = engine.sandbox.supervisor.pid
    assert supervisor is not None
    with ExitStack() as held:
        judges = Judges(kit, held)
        neighbour = judges.open(Program(code=_ECHO))
        yield judges
        assert judged(neighbour, _CASE).verdict is Verdict.ACCEPTED
        assert eventually(lambda: list(tree(supervisor)) == [supervisor], 20), list(tree(supervisor))


@pytest.mark.parametrize("hostile", _HOSTILE)
def test_a_hostile_checker_has_failed(judges: Judges, hostile: str) -> None:
    code = (_PROGRAMS / hostile).read_text()
    result = judged(judges.checked(code, limits=_LIMITS, solution=_ECHO), _CASE)
    assert result.verdict is Verdict.CHECKER_FAILED
    assert result.checker_message
    assert (result.exit_code, result.stdout) == (0, "6\n")


@pytest.mark.parametrize("hostile", _HOSTILE)
def test_a_hostile_interactor_has_failed_or_the_program_is_out_of_time(judges: Judges, hostile: str) -> None:
    code = (_PROGRAMS / hostile).read_text()
    judge = judges.interactive(_LISTENS, code, limits=_LIMITS)
    assert judged(judge, _CASE, _LIMITS).verdict in {Verdict.CHECKER_FAILED, Verdict.TIME_LIMIT}


@pytest.mark.parametrize("hostile", _HOSTILE)
def test_a_hostile_program_has_its_own_verdict_whoever_listens(judges: Judges, hostile: str) -> None:
    code = (_PROGRAMS / hostile).read_text()
    judge = judges.interactive(code, _LISTENS, limits=replace(_LIMITS, timeout_ms=10_000))
    assert judged(judge, _CASE, _LIMITS).verdict in _OF_PROGRAMS
