"""Errors of the command line in the language of the terminal."""

import pytest

from application.errors import NotFound
from domain.catalogue.text import text
from entrypoints.cli.errors import Failure, sentence_of


@pytest.mark.parametrize(
    ("locale", "said"),
    [
        ("C.UTF-8", "cannot detect the language of a.txt; use --language"),
        ("ko_KR.UTF-8", "a.txt의 언어를 알 수 없습니다. --language로 지정하십시오"),
        ("ja_JP.UTF-8", "a.txt の言語を判別できません。--language で指定してください"),
    ],
)
def test_an_error_is_in_the_language_of_the_terminal(monkeypatch, locale, said):
    monkeypatch.delenv("LANGUAGE", raising=False)
    monkeypatch.setenv("LC_ALL", locale)

    assert sentence_of(Failure(text("cli.unknown_language", file="a.txt"))) == said


def test_an_error_of_the_domain_is_too(monkeypatch):
    monkeypatch.setenv("LC_ALL", "ja_JP.UTF-8")

    assert sentence_of(NotFound("job", "x")) == "ジョブ 'x' は存在しません"


def test_the_words_of_another_program_stay():
    assert sentence_of(Failure("connection refused")) == "connection refused"
