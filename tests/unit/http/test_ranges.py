import pytest

from entrypoints.http.ranges import ByteRange, RangeNotSatisfiable, select_range

TAG = '"tag"'


@pytest.mark.parametrize(
    ("header", "begin", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=2-4", 2, 5),
        ("bytes=7-", 7, 10),
        ("bytes=-3", 7, 10),
        ("bytes=-99", 0, 10),
        ("bytes=5-99", 5, 10),
        ("BYTES= 1-2 ", 1, 3),
    ],
)
def test_a_range_selects_its_bytes(header, begin, end):
    assert select_range(header, 10, TAG) == ByteRange(begin, end)


@pytest.mark.parametrize(
    "header", [None, "", "bytes", "bytes=", "bytes=-", "bytes=5-2", "bytes=0-1,4-5", "lines=1-2", "bytes=a-b"]
)
def test_what_is_no_single_range_is_ignored(header):
    assert select_range(header, 10, TAG) is None


@pytest.mark.parametrize(("header", "size"), [("bytes=10-", 10), ("bytes=-0", 10), ("bytes=0-", 0)])
def test_a_range_without_a_byte_is_refused(header, size):
    with pytest.raises(RangeNotSatisfiable) as refused:
        select_range(header, size, TAG)

    assert refused.value.headers == {"Content-Range": f"bytes */{size}", "ETag": TAG}


def test_the_selected_part_is_named_with_the_size_of_the_whole():
    assert ByteRange(2, 5).content_range(10) == "bytes 2-4/10"
