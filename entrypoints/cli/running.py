"""Start and stop of the background services, after checks of the schema and of the limit on open files."""

import logging
import resource
from collections.abc import Iterator
from contextlib import contextmanager

from application.errors import DependencyUnavailable
from application.ports.database_schema import DatabaseSchema
from domain.catalogue.text import text
from entrypoints.cli.errors import ExitCode, Failure
from entrypoints.topology import Topology
from entrypoints.worker.background_services import BackgroundServices

logger = logging.getLogger("service_server.schema")

# The database, its pool, the stores, the engine's descriptors for each program, and some connections.
MIN_OPEN_FILES = 256


@contextmanager
def running(
    background_services: BackgroundServices, topology: Topology, schema: DatabaseSchema
) -> Iterator[None]:
    """Runs the background services for as long as the context lasts.

    Raises:
        Failure: The database has no tables, and does not get them by itself; or too few files may be open.
        DependencyUnavailable: A part cannot start.
    """
    _ensure_open_files()
    if not topology.migrates_at_start:
        check_schema(schema)
    background_services.start()
    try:
        yield
    finally:
        background_services.stop()


def check_schema(schema: DatabaseSchema) -> None:
    """Compare the schema of a database that others migrate with the one needed; log differences.

    Raises:
        Failure: The database has no tables, or others' by the same names.
    """
    try:
        refuse_foreign_tables(schema)
        revision, is_newer = schema.revision(), schema.is_newer()
        differences = () if revision is None or is_newer else schema.differences()
    except DependencyUnavailable as error:  # it may be back before anybody asks
        logger.warning("%s", error)
        return
    if revision is None:
        raise Failure(text("cli.no_tables"))
    if is_newer:
        logger.warning(
            "the tables are of a newer version of the service, revision %s; they are used", revision
        )
    for difference in differences:
        logger.warning("the schema differs, `service-server migrate up` may help: %s", difference)


def refuse_foreign_tables(schema: DatabaseSchema) -> None:
    """Refuses a database that is another service's.

    Raises:
        Failure: Tables of others have the names of this service's.
        DependencyUnavailable: The database is out of reach.
    """
    if names := schema.foreign_tables():
        raise Failure(text("cli.foreign_tables", names=", ".join(names)), ExitCode.FAILED)


def _ensure_open_files() -> None:
    """Let this process open as many files as it needs.

    Raises:
        Failure: The system does not.
    """
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed >= MIN_OPEN_FILES:
        return
    if most < MIN_OPEN_FILES:
        raise Failure(text("cli.open_files", allowed=most, needed=MIN_OPEN_FILES))
    resource.setrlimit(resource.RLIMIT_NOFILE, (MIN_OPEN_FILES, most))
