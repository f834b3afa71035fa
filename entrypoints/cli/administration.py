"""The use cases for administrators, in the process of a command on the service's machine."""

import os
import pwd
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import wraps
from typing import Concatenate, ParamSpec

from application.errors import DependencyUnavailable
from application.ports.execution_engine import ExecutionEngine
from application.services import Services
from domain.caller import Caller, Scope
from domain.tenant import DEFAULT_TENANT
from entrypoints.cli.logging_setup import configure_logging
from entrypoints.cli.running import check_schema
from entrypoints.cli.settings_report import load_limits, load_settings
from entrypoints.container import build_container, separates_tenants
from entrypoints.topology import Topology
from entrypoints.worker.background_services import Background

P = ParamSpec("P")


@dataclass(frozen=True, slots=True, kw_only=True)
class Administration:
    """The use cases for a command, whose caller is an administrator because of access to the machine."""

    services: Services
    caller: Caller
    engine: ExecutionEngine
    separates_tenants: bool

    @contextmanager
    def opened_engine(self) -> Iterator[None]:
        """Start the engine if tenants depend on its isolation, so that it can describe that."""
        if not self.separates_tenants or not isinstance(self.engine, Background):
            yield
            return
        try:
            with suppress(DependencyUnavailable):  # an engine that cannot start runs no programs
                self.engine.start()
            yield
        finally:
            self.engine.stop()


@contextmanager
def administration() -> Iterator[Administration]:
    """Open the database of the current settings for a command.

    Raises:
        Failure: A setting is invalid, or a database that is not migrated automatically has no tables.
        DependencyUnavailable: The database cannot be reached.
    """
    settings = load_settings().model_copy(update={"warm_starts": 0})
    # The command reports errors itself.
    configure_logging(settings.log_level if settings.debug else "CRITICAL")
    topology = Topology.of_command(settings, runs_programs=False)
    container = build_container(settings, load_limits(), topology)
    schema = container.schema()
    if topology.migrates_at_start:
        schema.upgrade()
    else:
        check_schema(schema)
    services = container.services()
    try:
        caller = Caller(
            tenant=services.tenant_reader.get(DEFAULT_TENANT),
            principal=f"command:{_user()}",
            scopes=frozenset({Scope.ADMIN}),
        )
        yield Administration(
            services=services,
            caller=caller,
            engine=container.engine(),
            separates_tenants=separates_tenants(settings, topology),
        )
    finally:
        container.disconnect()


def administrative(function: Callable[Concatenate[Administration, P], None]) -> Callable[P, None]:
    """Pass the use cases for administrators to a command, after its arguments are validated."""

    @wraps(function)
    def run(*args: P.args, **options: P.kwargs) -> None:
        with administration() as admin:
            function(admin, *args, **options)

    return run


def _user() -> str:
    """Return the name of this process's user, from the system rather than from the environment."""
    uid = os.getuid()
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:  # a container may run as a user without a name
        return str(uid)
