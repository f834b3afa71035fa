import io
import tarfile
import time
from dataclasses import replace

import pytest

from adapters.local_engine.built_tree import NameTaken, TreeTooLarge, read_tree
from adapters.local_engine.sandbox.files import memory_file, read_all
from adapters.local_engine.sandbox.supervisor.packed_files import PackedFile, pack
from domain.limits import STANDARD_LIMITS, Limits

_LIMITS = replace(STANDARD_LIMITS.resolve({}), disk_mb=1, files=8)
_MIB = 1 << 20
_END = bytes(2 * tarfile.BLOCKSIZE)


def _header(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE, mode: int = 0o644) -> bytes:
    member = tarfile.TarInfo(name)
    member.size, member.type, member.mode = size, kind, mode
    return member.tobuf(tarfile.GNU_FORMAT, errors="surrogateescape")


def _read(*parts: bytes, limits: Limits = _LIMITS) -> bytes:
    with memory_file("files") as packed:
        read_tree(io.BytesIO(b"".join((*parts, _END))), limits, packed)
        return read_all(packed)


def test_the_files_and_directories_of_a_build_are_read() -> None:
    long = "/".join(["d" * 90] * 3)
    tree = _read(
        _header("./", kind=tarfile.DIRTYPE),
        _header("./program", 3, mode=0o755) + b"ELF".ljust(tarfile.BLOCKSIZE, b"\0"),
        _header("./link", kind=tarfile.SYMTYPE),
        _header("./empty", kind=tarfile.DIRTYPE),
        _header(f"./{long}") + _header("./\udcff"),
    )
    program = PackedFile("program", b"ELF", is_executable=True)
    assert tree == pack([program]) + pack([PackedFile(long, b""), PackedFile("\udcff", b"")], ["empty"])


@pytest.mark.parametrize("size", [_MIB + 1, 8 << 30, 1 << 62])
def test_a_file_that_is_larger_than_its_directory_is_not_read(size: int) -> None:
    with pytest.raises(TreeTooLarge):
        _read(_header("hole", size))


def test_a_tree_has_a_bound_beside_the_directorys_for_it_is_kept_in_memory() -> None:
    with pytest.raises(TreeTooLarge):
        _read(_header("hole", (128 << 20) + 1), limits=replace(_LIMITS, disk_mb=1_024))


def test_files_that_are_larger_together_than_their_directory_are_not_read() -> None:
    half = bytes(_MIB // 2)
    assert _read(_header("a", len(half)), half, _header("b", len(half)), half)
    with pytest.raises(TreeTooLarge):
        _read(_header("a", len(half)), half, _header("b", len(half)), half, _header("c", 1), bytes(512))


@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE])
def test_more_entries_than_files_may_be_are_not_read(kind: bytes) -> None:
    with pytest.raises(TreeTooLarge):
        _read(*(_header(str(number), kind=kind) for number in range(_LIMITS.files + 2)))


@pytest.mark.parametrize(
    "parts",
    [
        (_header("hole", 1024, tarfile.GNUTYPE_SPARSE), bytes(1024)),
        (_header("digits", 1 << 20, tarfile.XHDTYPE), b"1" * (1 << 20)),
        (_header("long", 1 << 20, tarfile.GNUTYPE_LONGNAME), b"1" * (1 << 20)),
        (_header("directory", 512, tarfile.DIRTYPE), bytes(512)),
        (_header("less", -1),),
        (_header("../out"),),
        (_header("cut", 4096),),
        (b"x" * 512,),
    ],
    ids=["sparse", "pax", "long name", "directory with content", "negative", "outside", "cut off", "no tar"],
)
def test_an_archive_that_tar_would_not_write_is_refused_at_once(parts: tuple[bytes, ...]) -> None:
    begun = time.process_time()
    with pytest.raises(ValueError, match=r"archive|path"):
        _read(*parts)
    assert time.process_time() - begun < 1


@pytest.mark.parametrize(
    "header", [_header("./.case/", kind=tarfile.DIRTYPE), _header(".case"), _header("./.case/input")]
)
def test_a_tree_with_the_name_of_the_files_of_a_case_is_refused(header: bytes) -> None:
    with pytest.raises(NameTaken):
        _read(header)
    assert _read(_header("a/.case"), _header(".cases"))


def test_names_one_after_the_other_are_read_without_recursion() -> None:
    name = _header("n", 2, tarfile.GNUTYPE_LONGNAME) + b"a\0".ljust(tarfile.BLOCKSIZE, b"\0")
    assert _read(name * 5_000, _header("b")) == pack([PackedFile("a", b"")])
