import pytest

from domain.catalogue.language import Language, language_of_environment, preferred_language


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("ko", "ko"),
        ("ko-KR,ko;q=0.9,en-US;q=0.8", "ko"),
        ("fr-FR, ja;q=0.7, en;q=0.3", "ja"),
        ("en;q=0.3, ja;q=0.7", "ja"),
        ("ja;q=0.5, ko;q=0.5", "ja"),
        ("KO-kr", "ko"),
        ("ja;q=0, ko;q=0.1", "ko"),
        ("fr, de", "en"),
        ("*", "en"),
        ("ja;q=much, ko;q=0.2", "ko"),
        ("ja;q=nan, ko;q=0.2", "ko"),
        ("fr," * 10_000 + "ko", "en"),
    ],
)
def test_a_browser_gets_the_language_that_it_prefers(header, language):
    assert preferred_language(header) == language


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"),
        ({"LANG": "ko_KR.UTF-8"}, "ko"),
        ({"LANG": "ja_JP"}, "ja"),
        ({"LANG": "ko_KR.UTF-8", "LC_MESSAGES": "ja_JP.UTF-8"}, "ja"),
        ({"LANG": "ko_KR.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "fr_FR.UTF-8"}, "en"),
        ({"LANG": "fr_FR.UTF-8", "LANGUAGE": "de:ja:ko"}, "ja"),
        ({"LANG": "C", "LANGUAGE": "ko"}, "en"),
        ({"LC_ALL": "", "LANG": "ko"}, "ko"),
    ],
)
def test_a_terminal_gets_the_language_of_its_environment(environment, language):
    assert language_of_environment(environment) == language


def test_only_english_has_a_form_for_one():
    assert [language.plural(1) for language in Language] == ["one", "other", "other"]
    assert {language.plural(number) for language in Language for number in (0, 2, 1.5)} == {"other"}
