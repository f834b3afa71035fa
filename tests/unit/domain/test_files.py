import time
import unicodedata

import pytest

from domain.errors import InvalidValue, TooLarge
from domain.files import (
    PATH_MAX_BYTES,
    FileLimits,
    FilePath,
    FileTree,
    count_directories,
    disk_bytes,
    find_entry,
)
from domain.language import LANGUAGES

SMALL = FileLimits(files=3, file_bytes=10, total_bytes=15, depth=3, paths_bytes=40)


@pytest.mark.parametrize(
    "path",
    ["a", "a/b.txt", "한국/é.txt", "a b/-c", "..a", "...", "a/.hidden", "C:x", "n" * 255, "box/program"],
)
def test_a_path_is_relative_and_of_any_printable_characters(path):
    assert FilePath(path).value == path


@pytest.mark.parametrize(
    "path",
    [
        *["", "/", "/etc/passwd", "..", "../a", "a/../b", "a/..", ".", "./a", "a/./b", "a//b", "a/"],
        *["a\\b", "..\\a", "a\0b", "a\nb", "a\x7fb", "a\u202eb", "a\u200bb", "\ud800", "n" * 256, "é" * 128],
        *["program", "program/a", "PROGRAM", ".hold", ".HOLD/x", "\uff50rogram"],
        *[".case", ".case/input", ".Case/mine"],
        "/".join(["n" * 100] * 6),
    ],
)
def test_an_unsafe_path_is_refused(path):
    with pytest.raises(InvalidValue) as refused:
        FilePath(path)
    assert refused.value.field == "files"
    str(refused.value.detail).encode()
    assert str(refused.value.detail).isprintable()


def add(tree, *paths):
    for path in paths:
        tree.add(FilePath(path))


@pytest.mark.parametrize(
    "paths",
    [
        ("a", "a"),
        ("a/b", "a/b"),
        ("A", "a"),
        ("a/B", "A/b"),
        ("Dir/x", "dir/y"),
        ("straße", "STRASSE"),
        (unicodedata.normalize("NFC", "é"), unicodedata.normalize("NFD", "é")),
        ("ﬁle", "file"),
        ("a", "a/b"),
        ("a/b", "a"),
        ("A/b", "a"),
        ("İ", "i̇"),
    ],
)
def test_paths_that_a_file_system_may_take_for_one_collide(paths):
    tree = FileTree(FileLimits())
    with pytest.raises(InvalidValue):
        add(tree, *paths)


def test_paths_that_differ_do_not_collide():
    add(FileTree(FileLimits()), "a", "b/a", "b/c", "b/d/e", "ab", "b.c")


def test_the_number_depth_and_length_of_paths_are_bounded():
    with pytest.raises(InvalidValue, match="at most 3 files"):
        add(FileTree(SMALL), "a", "b", "c", "d")
    with pytest.raises(InvalidValue, match="at most 3 segments"):
        add(FileTree(SMALL), "a/b/c/d")
    with pytest.raises(InvalidValue, match="all paths have at most 40 bytes"):
        add(FileTree(SMALL), "a" * 30, "b" * 11)


def test_the_size_of_one_file_and_of_all_are_bounded():
    tree, path = FileTree(SMALL), FilePath("a")
    with pytest.raises(TooLarge, match="a file has at most 10 bytes"):
        tree.add_bytes(path, 11)
    tree.add_bytes(path, 10)
    with pytest.raises(TooLarge, match="all files have at most 15 bytes"):
        tree.add_bytes(path, 6)
    tree.add_bytes(path, 5)


def test_the_time_is_linear_in_the_paths():
    def took(number):
        limits = FileLimits(files=1 << 20, paths_bytes=1 << 30)
        paths = [FilePath(f"{number % 7}/{'é' * 60}/{number}/" + "a\u0301" * 30) for number in range(number)]
        begun = time.process_time()
        tree = FileTree(limits)
        for path in paths:
            tree.add(path)
        return time.process_time() - begun

    took(100)
    assert took(8_000) < 8 * 4 * max(took(1_000), 0.001)


def test_marks_without_end_take_no_time():
    begun = time.process_time()
    path = "a" + "\u0301" * ((PATH_MAX_BYTES - 1) // 2)
    with pytest.raises(InvalidValue):
        FilePath(path)
    assert time.process_time() - begun < 0.5


@pytest.mark.parametrize(
    ("language", "entry", "paths", "has_code", "found"),
    [
        ("python", None, [], True, "main.py"),
        ("python", "app/x.py", ["y"], True, "app/x.py"),
        ("java", None, ["A.java"], True, "Main.java"),
        ("java", None, ["Main.java"], False, "Main.java"),
        ("python", None, ["main.py", "x"], False, "main.py"),
        ("python", "a.py", ["a.py"], False, "a.py"),
        ("python", "pkg", ["pkg/__main__.py"], False, "pkg/__main__.py"),
        ("python", "pkg/", ["pkg/__main__.py"], False, "pkg/__main__.py"),
        ("node", "app", ["app/index.js"], False, "app/index.js"),
        ("go", "cmd/app", ["cmd/app/main.go"], False, "cmd/app/main.go"),
    ],
)
def test_the_file_that_is_run(language, entry, paths, has_code, found):
    assert find_entry(LANGUAGES[language], entry, paths, has_code=has_code) == found


@pytest.mark.parametrize(
    ("entry", "paths", "has_code"),
    [
        (None, ["a.py"], False),
        ("b.py", ["a.py"], False),
        ("pkg", ["pkg/a.py"], False),
        ("main.py", ["main.py"], True),
        (None, ["main.py"], True),
    ],
)
def test_a_file_that_is_not_there_or_twice_is_not_run(entry, paths, has_code):
    with pytest.raises(InvalidValue) as refused:
        find_entry(LANGUAGES["python"], entry, paths, has_code=has_code)
    assert refused.value.field == "entry"


def test_files_take_whole_pages_and_directories_count_once():
    assert disk_bytes([0, 1, 4096, 4097]) == 4096 + 4096 + 8192
    assert count_directories(["a", "b/c", "b/d/e", "b/d/f", "g/h"]) == 3
