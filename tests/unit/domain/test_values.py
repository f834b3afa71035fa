import os
import time
import unicodedata
from pathlib import PurePosixPath
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidValue
from domain.language import LANGUAGES
from domain.values import (
    OBJECT_KEY_MAX_BYTES,
    PROJECT_NAME_MAX_CHARS,
    ObjectKey,
    ProjectName,
    parse_execution_id,
    parse_job_id,
    parse_project_reference,
)

ROOT = "/srv/objects"
INVISIBLE = (
    "\u00ad\u034f\u115f\u1160\u17b4\u180b\u180f\u200b\u2060\u2800\u3164\ufe00\ufe0e\uffa0\U0001d159\U000e0100"
)
# Text that leans towards what makes a path go elsewhere.
PATH_LIKE = st.text(
    st.one_of(
        st.sampled_from("./\\~%:\0\n 3\u2044\u2215\uff0f\uff0e\u2024\u202e\ufeff\ud800"), st.characters()
    ),
    max_size=40,
)


def built(kind, text):
    try:
        return kind(text).value
    except InvalidValue:
        return None


@given(PATH_LIKE)
def test_an_object_key_that_can_be_built_stays_inside_its_root(text):
    key = built(ObjectKey, text)
    if key is None:
        return
    resolved = os.path.normpath(f"{ROOT}/{key}")
    assert resolved == f"{ROOT}/{key}"
    assert PurePosixPath(resolved).is_relative_to(ROOT)
    assert resolved != ROOT
    assert key.isprintable()


@given(PATH_LIKE)
def test_a_project_name_that_can_be_built_is_one_segment_of_a_code_key(text):
    name = built(ProjectName, text)
    if name is None:
        return
    for language in LANGUAGES.values():
        key = ObjectKey(f"{name}/{UUID(int=0)}{language.extension}")
        assert PurePosixPath(key.value).parts == (name, f"{UUID(int=0)}{language.extension}")


@given(PATH_LIKE)
def test_a_project_name_is_the_same_however_often_it_is_built(text):
    name = built(ProjectName, text)
    if name is not None:
        assert ProjectName(name).value == name == name.strip()


@given(PATH_LIKE)
def test_a_project_reference_is_an_id_or_a_name_and_never_both(text):
    try:
        reference = parse_project_reference(text)
    except InvalidValue:
        return
    if isinstance(reference, int):
        assert 0 <= reference < 2**63
        with pytest.raises(InvalidValue):
            ProjectName(text)
    else:
        assert reference == ProjectName(text)


@pytest.mark.parametrize(
    "name", ["demo", "주문 정산", "注文", "a.b", "...", "-rf", "3a", "x" * 255, "²", "🚀 ロケット", "❤"]
)
def test_a_project_may_be_called(name):
    assert str(ProjectName(name)) == name


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("", "1 to 255"),
        ("   ", "1 to 255"),
        ("x" * (PROJECT_NAME_MAX_CHARS + 1), "1 to 255"),
        (".", "not '.'"),
        ("..", "not '.'"),
        ("a/b", "no '/'"),
        ("a\\b", "no '/'"),
        ("a\nb", "printable"),
        ("a\0b", "printable"),
        ("a\u202eb", "printable"),
        ("a\ud800b", "printable"),
        *((f"a{invisible}", "visible") for invisible in INVISIBLE),
        *((invisible, "visible|1 to 255") for invisible in INVISIBLE),
        ("\N{COMBINING ACUTE ACCENT}", "visible"),
        ("👩\N{ZERO WIDTH JOINER}💻", "printable"),
        ("123", "all digits"),
        ("1\ufe0f", "all digits"),
        ("\uff11\uff12", "all digits"),
        ("\u0663", "all digits"),
        ("\U0001d4b3" * 255, "too long"),
    ],
)
def test_a_project_may_not_be_called(name, rule):
    with pytest.raises(InvalidValue, match=rule) as refused:
        ProjectName(name)
    assert refused.value.field == "project"


def test_the_longest_name_may_have_come_decomposed():
    name = "\N{GREEK SMALL LETTER ALPHA WITH PSILI AND VARIA AND YPOGEGRAMMENI}" * PROJECT_NAME_MAX_CHARS

    assert ProjectName(unicodedata.normalize("NFD", name)).value == name


def test_a_name_that_is_far_too_long_is_refused_in_little_time():
    # Unicode has runs of marks sorted, which takes ten seconds here.
    marks = "\N{COMBINING ACUTE ACCENT}\N{COMBINING GRAVE ACCENT BELOW}" * 30_000
    began = time.process_time()

    with pytest.raises(InvalidValue, match="1 to 255"):
        ProjectName("a" + marks)

    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("name", "kept"), [("❤\ufe0f", "❤"), ("demo\ufe0f", "demo"), ("\ufe0f demo", "demo")]
)
def test_an_emoji_s_presentation_selector_makes_no_other_name(name, kept):
    assert ProjectName(name) == ProjectName(kept)


def test_one_name_in_two_unicode_forms_is_one_project():
    composed = unicodedata.normalize("NFC", "한글 프로젝트 é")
    decomposed = unicodedata.normalize("NFD", composed)
    assert composed != decomposed
    assert ProjectName(f"  {decomposed} ") == ProjectName(composed)


@pytest.mark.parametrize(
    "key",
    ["", "/", "/etc/passwd", "a//b", "a/", "./a", "a/./b", "../a", "a/../b", "a/..", "a\\b", "a\0", "a\n/b"],
)
def test_a_key_that_could_lead_elsewhere_cannot_be_built(key):
    with pytest.raises(InvalidValue):
        ObjectKey(key)


def test_an_object_key_has_at_most_1024_bytes_of_utf_8():
    assert ObjectKey("é" * (OBJECT_KEY_MAX_BYTES // 2))
    with pytest.raises(InvalidValue, match="1024 bytes"):
        ObjectKey("é" * (OBJECT_KEY_MAX_BYTES // 2) + "x")


@pytest.mark.parametrize(
    ("text", "project_id"),
    [("3", 3), (" 42 ", 42), ("0", 0), ("007", 7), ("0" * 20 + "31", 31), ("9" * 17, int("9" * 17))],
)
def test_digits_name_a_project_by_its_id(text, project_id):
    assert parse_project_reference(text) == project_id


def test_digits_without_end_are_an_id_that_every_database_can_look_for():
    assert 0 <= parse_project_reference("9" * 100_000) < 2**63


@pytest.mark.parametrize("parse", [parse_job_id, parse_execution_id])
@given(st.uuids())
def test_an_id_is_read_in_either_case(parse, uuid):
    assert parse(str(uuid)) == parse(str(uuid).upper()) == uuid


@pytest.mark.parametrize(("parse", "field"), [(parse_job_id, "jobId"), (parse_execution_id, "executionId")])
@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "01890a5dac96774bbcceb302099a8057",
        "{01890a5d-ac96-774b-bcce-b302099a8057}",
        "urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057",
        " 01890a5d-ac96-774b-bcce-b302099a8057",
        "01890a5d-ac96-774b-bcce-b302099a805\u0667",
        "01890a5d-ac96-774b-bcce-b302099a8057\0",
    ],
)
def test_an_id_in_another_form_is_refused(parse, field, text):
    with pytest.raises(InvalidValue, match="an id is a UUID") as refused:
        parse(text)
    assert refused.value.field == field
