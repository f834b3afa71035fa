import time
from contextlib import suppress

import pytest

from entrypoints.http.json_members import MAX_DEPTH, MAX_TOKENS, UnwantedMember, members


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (b"{}", ()),
        (b"[1]", ()),
        (b'"a:b"', ()),
        (b'{"a": 1, "b": {"c": 2, "a": 3}}', ("a", "b")),
        (b'{"a": "x\\", \\"b\\": {", "\\u00e9": [","]}', ("a", "é")),
        (b'{"a" \n: [{"k": 1}, {"k": 2}], "k": "a:"}', ("a", "k")),
        (b'{"a\\\\": "\\\\", "a": 2, "a\\"": "\\\\\\"", "\\\\\\"": 4}', ("a\\", "a", 'a"', '\\"')),
        ("{'안': 1}".replace("'", '"').encode(), ("안",)),
    ],
)
def test_the_names_of_the_root_are_told(text, names):
    assert tuple(members(text)) == names


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (b'{"a": 1, "a": 1}', ["a"]),
        (b'{"a": 1, "\\u0061": 1}', ["a"]),
        (b'{"env": {"A": "1", "B": "{", "A": "2"}}', ["env", "A"]),
        (b'{"jobs": [1, [2], {"x": {}, "y": [{}, {"k": 1, "k": 2}]}]}', ["jobs", "2", "y", "1", "k"]),
        (b'[{"a": 1}, {"b": "a", "b": 2}]', ["1", "b"]),
    ],
)
def test_a_name_that_an_object_has_twice_is_pointed_at(text, path):
    with pytest.raises(UnwantedMember, match="is given twice") as refused:
        members(text)
    assert list(refused.value.path) == path


def test_depth_and_number_are_bounded():
    assert members(b'{"a": ' + b"[" * (MAX_DEPTH - 1) + b"]" * (MAX_DEPTH - 1) + b"}") == ("a",)
    with pytest.raises(UnwantedMember, match="nested deeper"):
        members(b'{"a": ' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}")
    with pytest.raises(UnwantedMember, match="values"):
        members(b"[" + b"1," * MAX_TOKENS + b"1]")


@pytest.mark.parametrize(
    "text",
    [b"[", b'"', b'"\\', b'{"":', b'"a" ', b"[],", b'{"a":"' + b"\\n" * 100, b"}", b'"\\u', b':"'],
    ids=repr,
)
def test_any_text_is_read_in_linear_time(text):
    begin = time.thread_time()
    with suppress(UnwantedMember):
        members(text * ((4 << 20) // len(text)))
    assert time.thread_time() - begin < 5
