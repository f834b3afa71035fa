"""Builds of checkers that are kept for the next jobs."""

from application.judge_trees import JudgeTrees
from domain.blob import BlobRef
from domain.checker import JudgeProgram
from domain.language import LANGUAGES
from domain.tenant import DEFAULT_TENANT, TenantName


def program(code: bytes, language: str = "cpp") -> JudgeProgram:
    return JudgeProgram(language=LANGUAGES[language], code=BlobRef.of(code))


A, B, C = program(b"a"), program(b"b"), program(b"c")


def test_a_build_is_found_by_its_program_and_its_tenant():
    trees = JudgeTrees()
    trees.put(DEFAULT_TENANT, A, b"tree")

    assert trees.get(DEFAULT_TENANT, program(b"a")) == b"tree"
    assert trees.get(DEFAULT_TENANT, program(b"a", "c")) is None
    assert trees.get(TenantName("other"), A) is None


def test_what_was_not_used_for_the_longest_time_goes():
    trees = JudgeTrees(max_bytes=10)
    trees.put(DEFAULT_TENANT, A, b"1234")
    trees.put(DEFAULT_TENANT, B, b"1234")
    trees.get(DEFAULT_TENANT, A)
    trees.put(DEFAULT_TENANT, C, b"1234")

    assert [trees.get(DEFAULT_TENANT, each) is not None for each in (A, B, C)] == [True, False, True]


def test_what_is_too_large_is_not_kept_and_drops_nothing():
    trees = JudgeTrees(max_bytes=10)
    trees.put(DEFAULT_TENANT, A, b"1234")
    trees.put(DEFAULT_TENANT, B, b"x" * 11)
    trees.put(DEFAULT_TENANT, A, b"123456")
    trees.put(DEFAULT_TENANT, C, b"1234")

    assert [trees.get(DEFAULT_TENANT, each) for each in (A, B, C)] == [b"123456", None, b"1234"]
