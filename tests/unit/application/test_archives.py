import gzip
import io
import random
import stat
import struct
import tarfile
import time
import zipfile
from dataclasses import replace

import pytest

from application.archives import unpack
from application.file_spool import FileSpool
from domain.errors import InvalidValue, TooLarge
from domain.files import FileLimits

TREE = {
    "main.py": b"print(1)\n",
    "data/a b.bin": bytes(range(256)) * 40,
    "한국/é.txt": b"",
    "x" * 200: b"long",
}
LIMITS = FileLimits(files=20, file_bytes=2 << 20, total_bytes=3 << 20)


def unpacked(archive, limits=LIMITS):
    with FileSpool() as spool:
        files = unpack(io.BytesIO(archive), len(archive), limits, spool)
        return {file.path: file.blob.read() for file in files}


def a_zip(entries, method=zipfile.ZIP_DEFLATED):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return target.getvalue()


def a_tar(entries, mode="w:gz", form=tarfile.PAX_FORMAT):
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode=mode, format=form) as archive:
        for name, content in entries.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return target.getvalue()


def a_tar_of(kind, name="x", link="/etc/passwd"):
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, link
        archive.addfile(member)
    return target.getvalue()


@pytest.mark.parametrize(
    "archive",
    [
        a_zip(TREE),
        a_zip(TREE, zipfile.ZIP_STORED),
        *[
            a_tar(TREE, mode, form)
            for mode in ("w", "w:gz")
            for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT)
        ],
        a_zip({f"./{name}": content for name, content in TREE.items()}),
        a_tar({f"./{name}": content for name, content in TREE.items()}),
    ],
)
def test_the_files_of_an_archive_are_the_same_in_every_kind(archive):
    assert unpacked(archive) == TREE


def test_directories_are_made_by_their_files():
    assert unpacked(a_zip({"d/": b"", "d/e/": b"", "d/f": b"x"})) == {"d/f": b"x"}
    assert unpacked(a_tar_of(tarfile.DIRTYPE, "./")) == {}


def test_an_empty_archive_has_no_files():
    assert unpacked(a_zip({})) == {}
    assert unpacked(gzip.compress(b"\0" * 10_240)) == {}


@pytest.mark.parametrize(
    "name", ["../x", "/etc/cron.d/x", "a/../../x", "..\\x", "a\\b", "C:\\x", "a//b", "program", "a\nb", "/"]
)
@pytest.mark.parametrize("make", [a_zip, a_tar])
def test_an_unsafe_path_is_refused(make, name):
    with pytest.raises(InvalidValue):
        unpacked(make({name: b"x"}))


def test_a_name_that_goes_on_behind_a_nul_is_refused():
    archive = a_zip({"good.py_evil": b"x"}).replace(b"good.py_evil", b"good.py\0evil")
    with pytest.raises(InvalidValue):
        unpacked(archive)


@pytest.mark.parametrize("names", [("a", "A"), ("a", "a/b"), ("é", "e\u0301")])
@pytest.mark.parametrize("make", [a_zip, a_tar])
def test_names_that_collide_are_refused_with_the_path(make, names):
    with pytest.raises(InvalidValue, match="cannot be used together"):
        unpacked(make(dict.fromkeys(names, b"x")))


@pytest.mark.parametrize(
    "kind",
    [
        *[tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE],
        *[tarfile.CONTTYPE, tarfile.GNUTYPE_SPARSE, b"Z"],
    ],
)
def test_what_is_no_file_is_refused(kind):
    with pytest.raises(InvalidValue, match="neither a file nor a directory"):
        unpacked(a_tar_of(kind))


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_a_link_or_a_device_in_a_zip_archive_is_refused(mode):
    entry = zipfile.ZipInfo("x")
    entry.create_system, entry.external_attr = 3, (mode | 0o777) << 16
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr(entry, "/etc/passwd")

    with pytest.raises(InvalidValue, match="neither a file nor a directory"):
        unpacked(target.getvalue())


def test_sparse_files_of_pax_headers_are_refused():
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as archive:
        member = tarfile.TarInfo("x")
        member.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}
        archive.addfile(member)

    with pytest.raises(InvalidValue, match="sparse"):
        unpacked(target.getvalue())


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_methods_than_deflate_are_refused(method):
    with pytest.raises(InvalidValue, match="another method than deflate"):
        unpacked(a_zip({"a": b"x" * 100}, method))


def test_an_encrypted_file_is_refused():
    archive = bytearray(a_zip({"a": b"x" * 100}))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        archive[archive.index(mark) + offset] |= 1
    with pytest.raises(InvalidValue, match="encrypted"):
        unpacked(bytes(archive))


@pytest.mark.parametrize("make", [a_zip, a_tar])
def test_a_bomb_is_refused_before_it_is_unpacked(make):
    archive = make({"bomb": b"\0" * (60 << 20)})
    begun = time.process_time()

    with pytest.raises(TooLarge):
        unpacked(archive, FileLimits())

    assert time.process_time() - begun < 2


def test_a_gzip_bomb_that_is_no_tar_archive_ends_early():
    with pytest.raises(InvalidValue):
        unpacked(gzip.compress(b"a" * (200 << 20), 1), FileLimits())


def test_a_gzip_bomb_of_headers_ends_at_the_number_of_entries():
    archive = a_tar({f"{number}": b"" for number in range(2_000)})
    with pytest.raises(InvalidValue, match="at most 20 files"):
        unpacked(archive)


def test_a_zip_archive_whose_files_overlap_is_refused():
    # Given two entries of the directory for the same bytes
    archive = a_zip({"a": b"x" * 1_000, "b": b"x" * 1_000})
    place = archive.index(b"PK\x01\x02", archive.index(b"PK\x01\x02") + 1)
    second = bytearray(archive)
    struct.pack_into("<L", second, place + 42, 0)

    with pytest.raises(InvalidValue, match=r"overlaps|damaged"):
        unpacked(bytes(second))


def test_a_size_that_is_announced_too_small_or_too_large_is_refused():
    for size in (10, 5_000_000):
        archive = bytearray(a_zip({"a": random.Random(7).randbytes(1_000)}))
        struct.pack_into("<L", archive, archive.index(b"PK\x01\x02") + 24, size)
        with pytest.raises(InvalidValue):
            unpacked(bytes(archive))


def test_a_directory_of_a_million_entries_is_not_read():
    archive = bytearray(a_zip({"a": b""}))
    struct.pack_into("<L", archive, archive.rindex(b"PK\x05\x06") + 12, 200 << 20)
    with pytest.raises(InvalidValue, match="entries"):
        unpacked(bytes(archive))


def test_a_directory_of_more_records_than_are_counted_is_not_read():
    record = struct.pack("<4s4B4HL2L5H2L", b"PK\x01\x02", 20, 3, 20, *[0] * 15)
    records = record * 70_000
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, len(records), 30, 0)
    with pytest.raises(InvalidValue, match="more than 65535 entries"):
        unpacked(b"PK\x03\x04" + b"\0" * 26 + records + end, replace(LIMITS, files=10_000))


class CountedReads(io.BytesIO):
    reads = 0

    def read(self, size=-1):
        self.reads += 1
        return super().read(size)


def test_a_header_of_gzip_is_not_read_byte_by_byte():
    archive = CountedReads(b"\x1f\x8b\x08\x08" + b"\0" * 6 + b"a" * (1 << 20))
    with pytest.raises(InvalidValue, match="damaged"), FileSpool() as spool:
        unpack(archive, 1 << 20, LIMITS, spool)
    assert archive.reads < 50


@pytest.mark.parametrize("kept", [-8, -4, -1], ids=["no checksum", "no size", "a part of the size"])
def test_a_gzip_file_that_ends_in_its_trailer_is_refused(kept: int):
    with pytest.raises(InvalidValue, match="damaged"):
        unpacked(a_tar(TREE)[:kept])


@pytest.mark.parametrize("size", [8, 320_000], ids=["one piece", "several whole pieces"])
def test_content_that_does_not_match_the_checksum_of_gzip_is_refused(size: int):
    stored = bytearray(gzip.compress(a_tar({"main.py": b"print(1)".ljust(size)}, "w"), 0))
    place = stored.index(b"print(1)")
    stored[place : place + 8] = b"print(2)"

    with pytest.raises(InvalidValue, match="damaged"):
        unpacked(bytes(stored))


def test_padding_after_a_tar_archive_is_limited():
    padded = gzip.compress(a_tar({"main.py": b""}, "w") + bytes(1 << 20))
    assert unpacked(padded) == {"main.py": b""}

    with pytest.raises(TooLarge):
        unpacked(gzip.compress(a_tar({"main.py": b""}, "w") + bytes(64 << 20)))


def test_a_tar_archive_may_have_several_members_of_gzip_with_padding_and_not_any_number():
    whole = a_tar(TREE, "w")
    parts = [gzip.compress(part) for part in (whole[:700], whole[700:701], b"", whole[701:])]
    assert unpacked(b"\0\0".join(parts) + b"\0" * 100_000) == TREE
    with pytest.raises(InvalidValue, match="more than 4096 gzip members"):
        unpacked(gzip.compress(b"") * 5_000)
    with pytest.raises(InvalidValue, match="damaged"):
        unpacked(parts[0] + b"no member")


def test_zip64_archives_are_refused():
    archive = a_zip({"a": b"x"})
    end = archive.rindex(b"PK\x05\x06")
    locator = b"PK\x06\x07" + b"\0" * 16
    with pytest.raises(InvalidValue, match="zip64"):
        unpacked(archive[:end] + locator + archive[end:])


@pytest.mark.parametrize("make", [a_zip, a_tar, lambda entries: a_tar(entries, "w")])
def test_a_damaged_archive_is_refused_and_no_error_of_python_shows(make):
    whole = make(TREE)
    chance = random.Random(1)
    for _ in range(300):
        broken = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        cut = bytes(broken[: chance.choice([len(broken), chance.randrange(len(broken))])])
        try:
            unpacked(cut)
        except InvalidValue as refused:
            str(refused.detail).encode()


def test_a_tar_archive_that_breaks_off_is_refused():
    whole = a_tar(TREE, "w")
    with pytest.raises(InvalidValue, match="damaged"):
        unpacked(whole[:1_500])


def test_damage_in_the_midst_of_a_tar_archive_is_not_passed_over():
    whole = bytearray(a_tar({"a": b"x", "b": b"y"}, "w"))
    whole[1024:1034] = b"\xff" * 10
    with pytest.raises(InvalidValue):
        unpacked(bytes(whole))


@pytest.mark.parametrize(
    "content", [b"", b"garbage", b"PK", b"PK\x03\x04", b"\x1f\x8b", b"PK\x05\x06" + b"\0" * 10]
)
def test_what_is_no_archive_is_refused(content):
    with pytest.raises(InvalidValue):
        unpacked(content)


def test_attributes_without_end_are_not_read():
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as archive:
        member = tarfile.TarInfo("x")
        member.pax_headers = {f"SCHILY.xattr.{number}": "x" for number in range(200)}
        archive.addfile(member)
    with pytest.raises(InvalidValue, match="more attributes"):
        unpacked(target.getvalue())
