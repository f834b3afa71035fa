"""Cases found by the names of files in an archive."""

import time

import pytest

from domain.case_files import CaseFiles, find_cases, natural_key
from domain.errors import InvalidValue


@pytest.mark.parametrize(
    ("paths", "cases"),
    [
        (["1.in", "1.out"], [("1", "1.in", "1.out", False)]),
        (["1.in"], [("1", "1.in", None, False)]),
        (["tests/a.in", "tests/a.ans", "README.md"], [("a", "tests/a.in", "tests/a.ans", False)]),
        (
            ["p/sample/1.in", "p/sample/1.ans", "p/secret/1.in", "p/secret/1.ans", "p/secret/1.desc"],
            [
                ("sample/1", "p/sample/1.in", "p/sample/1.ans", False),
                ("secret/1", "p/secret/1.in", "p/secret/1.ans", True),
            ],
        ),
        (["in/01.txt", "out/01.txt"], [("01", "in/01.txt", "out/01.txt", False)]),
        (["x/input/a", "x/output/a"], [("a", "x/input/a", "x/output/a", False)]),
        (["in/1.in", "in/1.out"], [("1", "in/1.in", "in/1.out", False)]),
        (["A.IN", "A.OUT"], [("A", "A.IN", "A.OUT", False)]),
        (["1.in", "__MACOSX/._1.in", "._2.in", ".in"], [("1", "1.in", None, False)]),
    ],
)
def test_inputs_and_answers_are_paired(
    paths: list[str], cases: list[tuple[str, str, str | None, bool]]
) -> None:
    assert find_cases(paths) == [CaseFiles(*case) for case in cases]


def test_cases_are_in_the_natural_order_of_their_names() -> None:
    names = ["1", "2", "10", "a2b", "a10b", "b", "b01", "b2"]
    assert [case.name for case in find_cases(f"{name}.in" for name in reversed(names))] == names


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        ([], "no input"),
        (["a.out", "a.txt"], "no input"),
        (["a.in", "b.out"], "'b.out' is an answer without an input"),
        (["a.in", "a.out", "a.ans"], "'a.ans' and 'a.out' are of one case"),
        (["in/a.txt", "a.in"], "'a.in' and 'in/a.txt' are of one case"),
    ],
)
def test_what_is_no_set_of_cases_is_refused(paths: list[str], message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        find_cases(paths)


def test_the_time_is_linear_in_the_names() -> None:
    def cost(count: int) -> float:
        paths = [f"{'9' * 200}{number}.in" for number in range(count)]
        start = time.thread_time()
        assert len(find_cases(paths)) == count
        return time.thread_time() - start

    assert cost(20_000) < 0.05 + 64 * cost(1_250)


def test_numbers_of_any_length_are_compared() -> None:
    assert natural_key("9" * 5_000) < natural_key("1" + "0" * 5_000)
