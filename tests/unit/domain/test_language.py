import pytest

from domain.errors import InvalidValue
from domain.language import LANGUAGES, parse_language


@pytest.mark.parametrize(("name", "extension"), [("python", ".py"), ("node", ".js"), ("java", ".java")])
def test_the_languages_of_existing_clients_keep_their_extensions(name, extension):
    assert parse_language(name).extension == extension


def test_no_two_languages_share_an_extension():
    assert len({language.extension for language in LANGUAGES.values()}) == len(LANGUAGES)


@pytest.mark.parametrize("name", ["", "cobol", "Python", "python ", "../python"])
def test_an_unknown_language_is_refused_with_those_that_there_are(name):
    with pytest.raises(InvalidValue, match="python, node, java") as refused:
        parse_language(name)
    assert refused.value.field == "language"
