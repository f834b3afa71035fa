import logging
from collections.abc import Iterator
from contextlib import contextmanager

from application.errors import DependencyUnavailable
from entrypoints.cli.failure import ExitCode, Failure
from entrypoints.cli.open_files import ensure_open_files
from entrypoints.container import Container
from entrypoints.worker.runtime import Runtime, Work

logger = logging.getLogger("service_server.schema")


@contextmanager
def running(container: Container, work: Work) -> Iterator[None]:
    """Have what runs behind the API run, for as long as the context lasts.

    Raises:
        Failure: The database has no tables, and does not get them by itself; or too few files may be open.
        DependencyUnavailable: A part cannot start.
    """
    ensure_open_files()
    if container.settings().rds_host is not None:
        _check_schema(container)
    runtime = Runtime(container, work)
    runtime.start()
    try:
        yield
    finally:
        runtime.stop()


def _check_schema(container: Container) -> None:
    try:
        refuse_foreign_tables(container)
        revision = container.schema_revision()
        differences = () if revision is None else container.schema_differences()
    except DependencyUnavailable as error:  # it may be back before anybody asks
        logger.warning("%s", error)
        return
    if revision is None:
        raise Failure("the database has no tables yet; `service-server migrate up` makes them")
    if container.schema_is_newer(revision):
        logger.warning(
            "the tables are of a newer version of the service, revision %s; they are used", revision
        )
        return
    for difference in differences:
        logger.warning("the schema differs, `service-server migrate up` may help: %s", difference)


def refuse_foreign_tables(container: Container) -> None:
    """Refuse a database that is another service's.

    Raises:
        Failure: Tables of others have the names of this service's.
        DependencyUnavailable: The database is out of reach.
    """
    if names := container.schema_foreign_tables():
        raise Failure(
            f"the database has tables of another service by the names of this one's ({', '.join(names)}); "
            "`service-server import` takes them over",
            ExitCode.FAILED,
        )
