import struct

import pytest

from adapters.local_engine.sandbox.files import fill, memory_file
from adapters.local_engine.sandbox.supervisor.packed_files import are_few, unpack

_FILE = 0


def _record(path: bytes, size: int, content: bytes = b"", kind: int = _FILE) -> bytes:
    return struct.pack("<BHQ", kind, len(path), size) + path + content


@pytest.mark.parametrize(
    "damaged",
    [
        pytest.param(b"\0\1", id="a header that is cut off"),
        pytest.param(_record(b"long", 0)[:-1], id="a path that is cut off"),
        pytest.param(_record(b"a", 1), id="a content that is cut off"),
        pytest.param(_record(b"a", 1 << 60, b"z"), id="a size beyond the end"),
        pytest.param(_record(b"a", (1 << 64) - 5), id="a size that would be negative"),
        pytest.param(_record(b"a", 0, kind=9), id="an unknown kind"),
        pytest.param(_record(b"../a", 0), id="a path out of the directory"),
        pytest.param(_record(b"/a", 0), id="an absolute path"),
        pytest.param(_record(b"a\0b", 0), id="a path with a NUL"),
        pytest.param(_record(b"", 0), id="no path"),
    ],
)
@pytest.mark.parametrize("before", [b"", _record(b"whole", 1, b"w")])
def test_a_damaged_record_is_an_error(damaged, before, tmp_path):
    with memory_file("files") as packed:
        fill(packed, before + damaged)
        with pytest.raises(OSError, match="Packed files"):
            are_few(packed)
        with pytest.raises(OSError, match="Packed files"):
            unpack(packed, str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == (["whole"] if before else [])
