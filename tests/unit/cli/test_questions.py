"""Questions before a command changes something."""

import sys
from types import SimpleNamespace

import click
import pytest

from domain.catalogue.text import text
from entrypoints.cli.confirmation import confirm
from entrypoints.cli.errors import ExitCode, Failure

QUESTION = text("cli.delete_jobs", count=1)


@pytest.fixture
def answer(monkeypatch):
    """Set the answer that is typed, or the error that reading it raises."""
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))

    def set_answer(typed):
        def read(_prompt):
            if isinstance(typed, str):
                return typed
            raise typed

        monkeypatch.setattr(click.termui, "visible_prompt_func", read)

    return set_answer


def test_a_yes_goes_on(answer):
    answer("y")
    confirm(QUESTION, is_sure=False)


@pytest.mark.parametrize("typed", ["n", "", EOFError()])
def test_a_no_or_the_end_of_the_input_changes_nothing(answer, typed):
    answer(typed)
    with pytest.raises(Failure, match="nothing was changed") as failure:
        confirm(QUESTION, is_sure=False)
    assert failure.value.exit_code == ExitCode.FAILED


def test_ctrl_c_at_a_question_interrupts_the_command(answer):
    answer(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        confirm(QUESTION, is_sure=False)
