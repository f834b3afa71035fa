"""The files and the input of a job, from the code store."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from adapters.local_engine.sandbox.files import sealed_file
from adapters.local_engine.sandbox.supervisor.packed_files import PackedFile, pack
from domain.blob import BlobRef
from domain.submission import JobSpec

Fetch = Callable[[BlobRef], bytes]

# An object store takes about ten milliseconds per read.
_FETCHED_AT_ONCE = 8
_EXECUTABLE = (b"#!", b"\x7fELF")


@contextmanager
def packed_files(spec: JobSpec, code: bytes, fetch: Fetch) -> Iterator[int]:
    """Pack the code and the files of a program, to be unpacked into its directory.

    Files that begin with `#!` or the magic number of ELF are executable.

    Args:
        spec: The job, which has an entry.
        code: The content of the entry.
        fetch: Returns the bytes of a blob.

    Yields:
        The descriptor of the packed files in memory.
    """
    contents = _fetched({file.blob for file in spec.files}, fetch)
    files = [_packed(file.path, contents[file.blob]) for file in spec.files]
    with sealed_file("files", pack([_packed(spec.entry or "", code), *files])) as descriptor:
        del contents, files
        yield descriptor


def stored_stdin(spec: JobSpec, fetch: Fetch) -> bytes | None:
    """Return a program's input if it is stored as a blob; None if it is the text of the request."""
    blob = spec.stdin_blob
    if spec.stdin_file is not None:
        blob = next(file.blob for file in spec.files if file.path == spec.stdin_file)
    return None if blob is None else fetch(blob)


def _fetched(blobs: set[BlobRef], fetch: Fetch) -> Mapping[BlobRef, bytes]:
    if len(blobs) <= 1:
        return {blob: fetch(blob) for blob in blobs}
    with ThreadPoolExecutor(_FETCHED_AT_ONCE, thread_name_prefix="fetch-blob") as threads:
        return dict(zip(blobs, threads.map(fetch, blobs), strict=True))


def _packed(path: str, content: bytes) -> PackedFile:
    return PackedFile(path, content, content.startswith(_EXECUTABLE))
