"""The identity of a build, and the files that it leaves."""

import hashlib
import json
import logging
import platform
from typing import IO

from adapters.local_engine.built_tree import CASE_DIRECTORY, MOST_TREE_MB, NameTaken, TreeTooLarge, read_tree
from adapters.local_engine.engine_reports import failure
from adapters.local_engine.sandbox.files import pieces_of, seal
from adapters.local_engine.sandbox.program import Program
from application.ports.execution_engine import EngineReport
from domain.catalogue.text import text
from domain.job_lifecycle import Reason
from domain.limits import Limits

# Version of the format in which the files of a build are packed. It is a part of every build key.
_BUILDS_FORMAT = 1
_NAME_TAKEN = text("outcomes.name_taken", name=CASE_DIRECTORY)

_log = logging.getLogger("service_server.local_engine")


def build_key(program: Program, version: str | None) -> str | None:
    """Return the digest of a build's inputs; None if nothing is built or the compiler's version is unknown.

    The file limits are among the inputs because the files that the build leaves must fit them.
    """
    if not program.build or version is None:
        return None
    made_of = (
        *(_BUILDS_FORMAT, platform.machine(), program.language, version, program.source),
        *(list(program.build), dict(program.env), program.limits.disk_mb, program.limits.files),
    )
    digest = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode())
    digest.update(hashlib.sha256(program.code).digest())
    if program.files is not None:
        for piece in pieces_of(program.files):
            digest.update(piece)
    return digest.hexdigest()


def pack_build(archive: IO[bytes], limits: Limits, packed: int) -> EngineReport | None:
    """Pack the files in the archive of a build; return the report of a failure, or None."""
    try:
        read_tree(archive, limits, packed)
    except TreeTooLarge:
        return tree_too_large(limits)
    except NameTaken:
        return failure(Reason.COMPILE_ERROR, _NAME_TAKEN)
    except ValueError as error:
        _log.exception("the files of a build cannot be kept")
        return failure(Reason.ENGINE_ERROR, text("outcomes.build_not_kept", cause=str(error)))
    seal(packed)
    return None


def tree_too_large(limits: Limits) -> EngineReport:
    """Return the report of a build that left too many or too large files."""
    allowed = min(limits.disk_mb, MOST_TREE_MB)
    message = text("outcomes.tree_too_large", files=limits.files, allowed=allowed, most=MOST_TREE_MB)
    return failure(Reason.BUILD_LIMIT, message)
