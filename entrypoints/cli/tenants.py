"""The command `tenants`, which creates, lists, changes and deletes tenants on the service's machine."""

from collections.abc import Sequence

import rich_click as click
from msgspec import to_builtins

from domain.catalogue.text import Text, text
from domain.quota import QUOTA_NAMES, UNLIMITED, Quota
from domain.tenant import Tenant, TenantName, TenantTrigger
from entrypoints.cli import retention
from entrypoints.cli.administration import Administration, administrative
from entrypoints.cli.columns import Column
from entrypoints.cli.errors import ExitCode, Failure
from entrypoints.cli.terminal import json_option, list_options, print_fields, print_json, print_table
from entrypoints.http.schemas.retention import RetentionResponse
from entrypoints.http.schemas.tenants import TenantResponse

_name_argument = click.argument("name")
_figures_argument = click.argument("figures", nargs=-1, metavar="[FIGURE=NUMBER]...")


@click.group("tenants")
def command() -> None:
    """Manage tenants, their quotas and retention in the database of the current settings."""


@command.command("create", epilog=f"Figures: {', '.join(sorted(QUOTA_NAMES))}.")
@_name_argument
@_figures_argument
@json_option
@administrative
def create(admin: Administration, *, name: str, figures: Sequence[str], as_json: bool) -> None:
    """Create a tenant, optionally with a quota; a name is never used twice."""
    with admin.opened_engine():
        tenant = admin.services.create_tenant(admin.caller, name, _quota(figures))
    _print(tenant, as_json=as_json)


@command.command("list")
@list_options
@administrative
def list_tenants(admin: Administration, *, as_json: bool) -> None:
    """List tenants by name, including deleted ones."""
    tenants = [_fields(tenant) for tenant in admin.services.tenant_reader.all()]
    if as_json:
        print_json(tenants)
        return
    print_table(
        (Column.TENANT, Column.STATUS, Column.CREATED, Column.QUOTA),
        ((t["tenant"], t["status"], t["created_at"], _written(t["quota"])) for t in tenants),
    )


@command.command("show")
@_name_argument
@json_option
@administrative
def show(admin: Administration, *, name: str, as_json: bool) -> None:
    """Show a tenant."""
    _print(admin.services.tenant_reader.get(TenantName(name)), as_json=as_json)


@command.command("suspend")
@_name_argument
@json_option
@administrative
def suspend(admin: Administration, *, name: str, as_json: bool) -> None:
    """Suspend a tenant: it can read and cancel jobs, and start none."""
    tenant = admin.services.change_tenant(admin.caller, TenantName(name), TenantTrigger.SUSPEND)
    _print(tenant, as_json=as_json)


@command.command("resume")
@_name_argument
@json_option
@administrative
def resume(admin: Administration, *, name: str, as_json: bool) -> None:
    """Resume a suspended tenant."""
    with admin.opened_engine():
        tenant = admin.services.change_tenant(admin.caller, TenantName(name), TenantTrigger.RESUME)
    _print(tenant, as_json=as_json)


@command.command("delete")
@_name_argument
@json_option
@administrative
def delete(admin: Administration, *, name: str, as_json: bool) -> None:
    """Delete a tenant permanently: its keys are revoked, and its jobs are cancelled."""
    _print(admin.services.delete_tenant(admin.caller, TenantName(name)), as_json=as_json)


@command.command("quota", epilog=f"Figures: {', '.join(sorted(QUOTA_NAMES))}.")
@_name_argument
@_figures_argument
@click.option("--unlimited", is_flag=True, help="Remove all limits.")
@json_option
@administrative
def quota(
    admin: Administration, *, name: str, figures: Sequence[str], unlimited: bool, as_json: bool
) -> None:
    """Set the whole quota of a tenant; figures left out are unlimited. Without figures, show it."""
    if unlimited and figures:
        raise Failure(text("cli.unlimited_alone"), ExitCode.USAGE)
    if unlimited or figures:
        tenant = admin.services.set_quota(admin.caller, TenantName(name), _quota(figures))
    else:
        tenant = admin.services.tenant_reader.get(TenantName(name))
    _print(tenant, as_json=as_json)


@command.command("retention", epilog=retention.EPILOG)
@_name_argument
@retention.days_argument
@retention.none_option
@json_option
@administrative
def set_retention(
    admin: Administration, *, name: str, figures: Sequence[str], is_none: bool, as_json: bool
) -> None:
    """Set the whole retention policy of a tenant. Without figures, show it."""
    policy = retention.read_policy(figures, is_none=is_none)
    if policy is None:
        view = admin.services.retention_reader.of_tenant(TenantName(name))
    else:
        view = admin.services.set_retention(admin.caller, TenantName(name), policy)
    retention.print_retention(to_builtins(RetentionResponse.of(view)), as_json=as_json)


def _quota(figures: Sequence[str]) -> Quota:
    given: dict[str, int] = {}
    for figure in figures:
        name, _, number = figure.partition("=")
        if name not in QUOTA_NAMES or not (number.isascii() and number.isdecimal()) or name in given:
            names = ", ".join(sorted(QUOTA_NAMES))
            raise Failure(text("cli.not_a_figure", given=figure, names=names), ExitCode.USAGE)
        given[name] = int(number[:20])
    return Quota.of(given) if given else UNLIMITED


def _fields(tenant: Tenant) -> dict[str, object]:
    fields: dict[str, object] = to_builtins(TenantResponse.of(tenant))
    return fields


def _written(quota: object) -> Text | str:
    figures = quota if isinstance(quota, dict) else {}
    return " ".join(f"{name}={figure}" for name, figure in figures.items()) or text("cli.none")


def _print(tenant: Tenant, *, as_json: bool) -> None:
    fields = _fields(tenant)
    if as_json:
        print_json(fields)
    else:
        print_fields((fields | {"quota": _written(fields["quota"])}).items())
