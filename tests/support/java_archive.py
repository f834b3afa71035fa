"""The CDS archive of the Java compiler: made once, then linked from the work directories of engines."""

import fcntl
import os
from contextlib import closing
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from adapters.local_engine.compose import compose_compiler
from adapters.local_engine.sandbox import cds_archive
from adapters.local_engine.sandbox.cds_archive import CdsArchive
from adapters.local_engine.toolchains import Toolchains
from domain.language import LANGUAGES
from tests.support.processes import eventually

_ROOT = Path(__file__).parents[2]
_TOOLS = _ROOT / ".tools" / "java-archive"


def link_archive(work: Path) -> None:
    """Link the archive from an engine's work directory, unless that has one: each takes 2 s to make."""
    archive = _archive()
    work.mkdir(parents=True, exist_ok=True)
    if archive is not None and not any(work.glob("*.archive")):
        (work / archive.name).symlink_to(archive)


@cache
def _archive() -> Path | None:
    """Return the archive of the installed compiler, which an earlier run may have made; None without Java."""
    toolchains, java = Toolchains(), LANGUAGES["java"]
    toolchain, support = toolchains.find(java)
    if not support.is_available:
        return None
    compiler = compose_compiler(toolchain, toolchains.executables(java))
    sample = Path(cds_archive.__file__).with_name(compiler.sample)
    tools = _TOOLS if os.access(_ROOT, os.W_OK) else Path(_temporary().name)
    tools.mkdir(parents=True, exist_ok=True)
    with (
        (tools / "lock").open("w") as held,
        closing(CdsArchive(compiler.language, compiler.make_archive, sample, tools)) as archive,
    ):
        fcntl.flock(held, fcntl.LOCK_EX)
        assert eventually(lambda: _exists(archive))
    (path,) = tools.glob("*.archive")
    return path


@cache
def _temporary() -> TemporaryDirectory[str]:
    """Make a directory that ends with this process, for a read-only tree, as in a virtual machine."""
    return TemporaryDirectory(prefix="service-server-java-archive-")


def _exists(archive: CdsArchive) -> bool:
    with archive.opened() as descriptor:
        return descriptor is not None
