import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.artifacts import PICTURES, PathMatcher, check_patterns, media_type
from domain.errors import InvalidValue


def matches(pattern, path):
    matcher = PathMatcher([pattern])
    return matcher.accepts(matcher.feed(matcher.start, path))


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        *[("a.txt", "a.txt"), ("*.png", "x.png"), ("*.png", ".png"), ("out/*.png", "out/x.png"), ("?", "é")],
        *[("*", "a"), ("**", "a"), ("**", "a/b/c"), ("out/**", "out/a"), ("out/**", "out/a/b")],
        *[("**/*.png", "x.png"), ("**/*.png", "a/b/x.png"), ("a/**/b", "a/b"), ("a/**/b", "a/x/y/b")],
        *[("**/a/**/b", "a/b"), ("**/a/**/b", "x/a/y/b"), ("**/**/a", "a"), ("a**b", "axxb"), ("*?*", "a")],
        *[("a*b*c", "abbc"), ("[x]", "[x]"), ("*.*", "a.b.c")],
    ],
)
def test_a_path_matches(pattern, path):
    assert matches(pattern, path)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        *[("a.txt", "a.txtx"), ("a.txt", "b/a.txt"), ("*.png", "a/x.png"), ("out/*", "out/a/b"), ("?", "")],
        *[
            ("?", "/"),
            ("out/**", "out"),
            ("out/**", "out/"),
            ("**/b", "ab"),
            ("a/**/b", "ab"),
            ("a/**/b", "a/xb"),
        ],
        *[("**", ""), ("a**b", "a/b"), ("**/a", "a/"), ("a", "A"), ("*?*", "")],
    ],
)
def test_a_path_does_not_match(pattern, path):
    assert not matches(pattern, path)


def as_regex(pattern):
    parts = []
    segments = pattern.split("/")
    for index, segment in enumerate(segments):
        is_last = index == len(segments) - 1
        if segment == "**":
            parts.append(".+" if is_last else "(?:[^/].*/)?")
            continue
        parts += ["[^/]*" if c == "*" else "[^/]" if c == "?" else re.escape(c) for c in segment]
        parts += [] if is_last else ["/"]
    return re.compile("".join(parts), re.DOTALL)


_segment = st.one_of(st.just("**"), st.text("ab*?", min_size=1, max_size=4))
_path = st.lists(st.text("ab", min_size=1, max_size=3), min_size=1, max_size=4).map("/".join)


@given(st.lists(_segment, min_size=1, max_size=4).map("/".join), _path)
def test_matching_is_that_of_a_regular_expression(pattern, path):
    assert matches(pattern, path) == bool(as_regex(pattern).fullmatch(path))


@given(st.lists(st.lists(_segment, min_size=1, max_size=3).map("/".join), min_size=1, max_size=4), _path)
def test_several_patterns_match_what_one_of_them_matches(patterns, path):
    matcher = PathMatcher(patterns)
    assert matcher.accepts(matcher.feed(matcher.start, path)) == any(matches(each, path) for each in patterns)


def test_a_directory_into_which_no_pattern_leads_is_known():
    matcher = PathMatcher(["out/*.png"])
    assert matcher.feed(matcher.start, "other/") == 0
    assert matcher.feed(matcher.start, "out/") != 0


def test_no_pattern_takes_more_than_linear_time():
    pattern, path = "/".join(["**", "*a*a*a*a*a*a*a*a*a*b"] * 5), "/".join(["a" * 200] * 20)
    matcher = PathMatcher([pattern] * 5)
    begun = time.process_time()
    assert not matcher.accepts(matcher.feed(matcher.start, path))
    assert time.process_time() - begun < 1


@pytest.mark.parametrize(
    "pattern", ["", "/a", "../a", "a/../b", "a//b", "./a", "a/", "a\\b", "a\0", "a\n*", "x" * 257]
)
def test_a_pattern_is_that_of_a_relative_path(pattern):
    with pytest.raises(InvalidValue) as refused:
        check_patterns([pattern])
    assert refused.value.field == "artifacts"


def test_the_number_of_patterns_is_bounded():
    check_patterns(["a"] * 32)
    with pytest.raises(InvalidValue):
        check_patterns(["a"] * 33)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a/b.PNG", "image/png"),
        ("x.svg", "image/svg+xml"),
        ("x.html", "text/html"),
        ("x.tar.gz", "application/gzip"),
        ("png", "application/octet-stream"),
        ("a.png/x", "application/octet-stream"),
        ("x.", "application/octet-stream"),
        ("x.exe", "application/octet-stream"),
    ],
)
def test_the_media_type_is_that_of_the_ending(path, expected):
    assert media_type(path) == expected


def test_no_picture_can_hold_markup():
    assert not PICTURES & {"image/svg+xml", "text/html", "application/pdf"}
