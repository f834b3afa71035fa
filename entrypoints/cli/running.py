"""Starts and stops the background services, after checks of the schema and of the limit on open files."""

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

# Enough for the database's pool, the stores, the engine's descriptors for each program, and some connections.
MIN_OPEN_FILES = 256


@contextmanager
def running(
    background_services: BackgroundServices, topology: Topology, schema: DatabaseSchema
) -> Iterator[None]:
    """Run the background services while the context lasts.

    Raises:
        Failure: A database that is not migrated automatically has no tables, or too few files may be open.
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
    """Compare the schema of a database with the schema that this version needs; log the differences.

    Raises:
        Failure: The database has no tables, or another service's tables with the same names.
    """
    try:
        refuse_foreign_tables(schema)
        revision, is_newer = schema.revision(), schema.is_newer()
        differences = () if revision is None or is_newer else schema.differences()
    except DependencyUnavailable as error:  # the database may be back before the first request
        logger.warning("%s", error)
        return
    if revision is None:
        raise Failure(text("cli.no_tables"))
    if is_newer:
        logger.warning(
            "the schema belongs to a newer version of the service, revision %s; continuing with it", revision
        )
    for difference in differences:
        logger.warning("the schema differs, `service-server migrate up` may help: %s", difference)


def refuse_foreign_tables(schema: DatabaseSchema) -> None:
    """Refuse the database of another service.

    Raises:
        Failure: The database has another service's tables with the same names.
        DependencyUnavailable: The database cannot be reached.
    """
    if names := schema.foreign_tables():
        raise Failure(text("cli.foreign_tables", names=", ".join(names)), ExitCode.FAILED)


def _ensure_open_files() -> None:
    """Raise the limit on open files to the number that this process needs.

    Raises:
        Failure: The hard limit is too low.
    """
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed >= MIN_OPEN_FILES:
        return
    if most < MIN_OPEN_FILES:
        raise Failure(text("cli.open_files", allowed=most, needed=MIN_OPEN_FILES))
    resource.setrlimit(resource.RLIMIT_NOFILE, (MIN_OPEN_FILES, most))
