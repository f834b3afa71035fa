"""The CDS archive of the Java compiler: made once, then linked from the work directories of engines."""

import fcntl
import os
from contextlib import closing
from functools import cache
from pathlib import Path

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
    """Return the archive of the installed compiler, which an earlier run may have made.

    Without Java or in a tree that cannot be written to, as in a virtual machine of the tests, there is none.
    """
    toolchains, java = Toolchains(), LANGUAGES["java"]
    toolchain, support = toolchains.find(java)
    if not (support.is_available and os.access(_ROOT, os.W_OK)):
        return None
    compiler = compose_compiler(toolchain, toolchains.executables(java))
    sample = Path(cds_archive.__file__).with_name(compiler.sample)
    _TOOLS.mkdir(parents=True, exist_ok=True)
    with (
        (_TOOLS / "lock").open("w") as held,
        closing(CdsArchive(compiler.language, compiler.make_archive, sample, _TOOLS)) as archive,
    ):
        fcntl.flock(held, fcntl.LOCK_EX)
        assert eventually(lambda: _exists(archive))
    (path,) = _TOOLS.glob("*.archive")
    return path


def _exists(archive: CdsArchive) -> bool:
    with archive.opened() as descriptor:
        return descriptor is not None
