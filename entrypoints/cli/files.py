"""The additional files that `run` uploads, and the artifacts that it saves."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from domain.catalogue.text import text
from domain.errors import InvalidValue
from domain.files import FilePath
from entrypoints.cli.client import Json, ServiceClient
from entrypoints.cli.errors import ExitCode, Failure, fault_of
from entrypoints.cli.input_files import read_bytes
from entrypoints.cli.terminal import note

_FILE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC


def path_of(file: Path) -> str:
    """Return a file's path in the program's directory: the given path, or the name if that leads outside."""
    path = os.path.normpath(file)
    return file.name if os.path.isabs(path) or path.startswith("..") else PurePosixPath(path).as_posix()  # noqa: PTH117


def read_files(given: Sequence[Path]) -> dict[str, bytes]:
    """Read files and all files in directories; return them by their paths in the program's directory.

    Raises:
        Failure: A file cannot be read, or two files have the same path.
    """
    contents: dict[str, bytes] = {}
    for each in given:
        for path, file in _files_of(each):
            if path in contents:
                raise Failure(text("cli.same_file", file=file, path=path), ExitCode.USAGE)
            contents[path] = read_bytes(file)
    return contents


def save_artifacts(client: ServiceClient, job: Json, directory: Path) -> None:
    """Save the artifacts of a job to a directory.

    Raises:
        Failure: A file cannot be written.
    """
    for artifact in (job["data"].get("result") or {}).get("artifacts", ()):
        path = directory / _safe(artifact["path"])
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if directory.resolve() not in path.parent.resolve().joinpath(path.name).parents:
                raise Failure(text("cli.link_leads_out", path=path, directory=directory))
            with os.fdopen(os.open(path, _FILE, 0o644), "wb") as target:
                target.write(client.content(artifact["url"]))
        except OSError as error:
            raise Failure(text("cli.about", subject=path, detail=fault_of(error))) from error
        note(text("cli.saved", path=path, size=artifact["size"]))


def _files_of(given: Path) -> Iterator[tuple[str, Path]]:
    """Yield a file, or all files of a directory, with their paths in the program's directory."""
    if not given.is_dir():
        yield path_of(given), given
        return
    base = PurePosixPath(path_of(given))
    for parent, directories, names in os.walk(given):
        directories.sort()
        for name in sorted(names):
            file = Path(parent, name)
            yield (base / file.relative_to(given)).as_posix(), file


def _safe(path: str) -> str:
    """Return the path of an artifact; refuse an unsafe one, because the server is not trusted."""
    try:
        return FilePath(path).value
    except InvalidValue as error:
        raise Failure(text("cli.unsafe_artifact", detail=error.detail)) from error
