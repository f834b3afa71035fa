"""The command `keys`, which creates, lists, rotates and revokes API keys on the service's machine."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import rich_click as click
from msgspec import to_builtins

from application.commands import CreateKeyCommand
from application.errors import NotFound
from application.use_cases.rotate_key import DEFAULT_OVERLAP_S
from application.views import IssuedKey
from domain.api_key import parse_key_id
from domain.caller import Scope
from domain.catalogue.figures import read_duration
from domain.catalogue.text import said_by, text
from domain.tenant import DEFAULT_TENANT, TenantName
from entrypoints.cli.administration import Administration, administrative
from entrypoints.cli.columns import Column
from entrypoints.cli.errors import ExitCode, Failure, in_language
from entrypoints.cli.terminal import json_option, list_options, print_fields, print_json, print_table, say
from entrypoints.cli.values import Choice
from entrypoints.http.schemas.keys import IssuedKeyResponse, KeyResponse

F = TypeVar("F", bound=Callable[..., Any])

_COLUMNS = ("key_id", "name", "scopes", "project", "status", "created_at", "expires_at", "last_used_at")


class Duration(click.ParamType[timedelta]):
    """A number with a unit: seconds, minutes, hours or days."""

    name = "duration"

    def convert(
        self, value: str | timedelta, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        """Parse a duration."""
        if isinstance(value, timedelta):
            return value
        duration = _duration(value)
        if duration is None:
            self.fail(in_language(text("cli.not_a_duration", given=value)), param, ctx)
        return duration


class Expiry(click.ParamType[datetime]):
    """A time with an offset, or a duration from now."""

    name = "time"

    def convert(
        self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Parse a time."""
        if isinstance(value, datetime):
            return value
        duration = _duration(value)
        if duration is not None:
            return datetime.now(UTC) + duration
        try:
            time = datetime.fromisoformat(value)
        except ValueError:
            time = None
        if time is None or time.tzinfo is None:
            self.fail(in_language(text("cli.not_an_expiry", given=value)), param, ctx)
        return time


def _duration(given: str) -> timedelta | None:
    """Parse a number with a unit; return None if it has another format."""
    if given.strip().isdecimal():  # there is no unit
        return None
    try:
        return timedelta(milliseconds=read_duration(given))
    except ValueError:
        return None


def tenant_option(function: F) -> F:
    """Add the option --tenant."""
    return click.option(
        "--tenant",
        default=DEFAULT_TENANT.value,
        show_default=True,
        metavar="NAME",
        help="Tenant of the keys.",
    )(function)


@click.group("keys")
def command() -> None:
    """Create, list, rotate and revoke API keys in the database of the current settings.

    The text of a key is printed once, by the command that creates it.
    """


@command.command("create")
@click.option("--name", required=True, help="Name of the key.")
@click.option(
    "--scope",
    "scopes",
    type=Choice([scope.value for scope in Scope]),
    multiple=True,
    required=True,
    help="Scope of the key; may be repeated.",
)
@tenant_option
@click.option("--project", metavar="NAME", help="Limit the key to this project, by name or id.")
@click.option(
    "--expires",
    type=Expiry(),
    metavar="TIME",
    help="Expiry: a time such as 2030-01-31T12:00:00Z, or a duration from now such as 90d.",
)
@click.option(
    "--requests-per-s",
    type=click.IntRange(min=0),
    metavar="N",
    help="Limit of requests per second.",
)
@json_option
@administrative
def create(
    admin: Administration,
    *,
    name: str,
    scopes: tuple[str, ...],
    tenant: str,
    project: str | None,
    expires: datetime | None,
    requests_per_s: int | None,
    as_json: bool,
) -> None:
    """Create a key and print its text."""
    issued = admin.services.create_key(
        admin.caller,
        CreateKeyCommand(
            name=name,
            scopes=frozenset(map(Scope, scopes)),
            tenant=TenantName(tenant),
            project=project,
            expires_at=expires,
            requests_per_s=requests_per_s,
        ),
    )
    print_issued(issued, as_json=as_json)


@command.command("list")
@tenant_option
@list_options
@administrative
def list_keys(admin: Administration, *, tenant: str, as_json: bool) -> None:
    """List the keys of a tenant, oldest first."""
    views = admin.services.key_reader.all(admin.caller, TenantName(tenant))
    keys = [to_builtins(KeyResponse.of(view)) for view in views]
    if as_json:
        print_json(keys)
        return
    print_table(
        [Column(name.removesuffix("_at")) for name in _COLUMNS],
        ([_cell(key[name]) for name in _COLUMNS] for key in keys),
    )


@command.command("rotate")
@click.argument("key_id", metavar="KEY_ID")
@tenant_option
@click.option(
    "--overlap",
    type=Duration(),
    default=timedelta(seconds=DEFAULT_OVERLAP_S),
    show_default="24h",
    metavar="DURATION",
    help="How long the old key remains valid.",
)
@json_option
@administrative
def rotate(admin: Administration, *, key_id: str, tenant: str, overlap: timedelta, as_json: bool) -> None:
    """Create the successor of a key with the same scopes, and print its text."""
    with _key_of(tenant):
        issued = admin.services.rotate_key(
            admin.caller, parse_key_id(key_id), overlap // timedelta(seconds=1), TenantName(tenant)
        )
    print_issued(issued, as_json=as_json)


@command.command("revoke")
@click.argument("key_id", metavar="KEY_ID")
@tenant_option
@click.option("--force", is_flag=True, help="Revoke the key even if it is the last active one with `admin`.")
@json_option
@administrative
def revoke(admin: Administration, *, key_id: str, tenant: str, force: bool, as_json: bool) -> None:
    """Revoke a key: it is refused after five seconds at most."""
    with _key_of(tenant):
        view = admin.services.revoke_key(admin.caller, parse_key_id(key_id), TenantName(tenant), force=force)
    if as_json:
        print_json(to_builtins(KeyResponse.of(view)))
    else:
        say(text("cli.revoked", id=view.key.id))


def print_issued(issued: IssuedKey, *, as_json: bool) -> None:
    """Print a new key with its text."""
    fields = to_builtins(IssuedKeyResponse.of_issued(issued))
    if as_json:
        print_json(fields)
        return
    print_fields((name, _cell(value)) for name, value in fields.items())
    click.echo(in_language(text("cli.keep_key")), err=True)


@contextmanager
def _key_of(tenant: str) -> Iterator[None]:
    """If a key is not found, name the tenant and the option for another one."""
    try:
        yield
    except NotFound as error:
        if error.kind != "key":
            raise
        raise Failure(text("cli.in_tenant", detail=said_by(error), tenant=tenant), ExitCode.FAILED) from error


def _cell(value: object) -> object:
    return " ".join(value) if isinstance(value, list) else value
