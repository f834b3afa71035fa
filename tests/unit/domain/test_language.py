import pytest

from domain.errors import InvalidValue
from domain.language import ALIASES, LANGUAGES, parse_language


@pytest.mark.parametrize(("name", "extension"), [("python", ".py"), ("node", ".js"), ("java", ".java")])
def test_the_languages_of_existing_clients_keep_their_extensions(name, extension):
    assert parse_language(name).extension == extension


def test_no_two_languages_share_an_extension():
    assert len({language.extension for language in LANGUAGES.values()}) == len(LANGUAGES)


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        *[
            ("javascript", "node"),
            ("js", "node"),
            ("NodeJS", "node"),
            ("Python3", "python"),
            ("PY", "python"),
        ],
        *[
            ("c++", "cpp"),
            ("C", "c"),
            ("golang", "go"),
            ("TS", "typescript"),
            ("sh", "bash"),
            ("JAVA", "java"),
        ],
    ],
)
def test_a_language_has_other_names_in_any_case(alias, name):
    assert parse_language(alias) is LANGUAGES[name]


def test_an_alias_is_lower_case_and_no_language_of_its_own():
    assert all(alias == alias.lower() for alias in ALIASES)
    assert not ALIASES.keys() & LANGUAGES.keys()


@pytest.mark.parametrize("name", ["", "cobol", "python ", "../python", "c#"])
def test_an_unknown_language_is_refused_with_those_that_there_are(name):
    with pytest.raises(InvalidValue, match="python, node, java") as refused:
        parse_language(name)
    assert refused.value.field == "language"
