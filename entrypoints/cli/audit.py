"""The command `audit`, which verifies and exports the audit log on the service's machine."""

import json
import re

import rich_click as click

from domain.audit import ChainLink, LedgerEntry
from domain.catalogue.text import text
from domain.tenant import TenantName
from entrypoints.cli.administration import Administration, administrative
from entrypoints.cli.errors import ExitCode, Failure, in_language
from entrypoints.cli.terminal import json_option, print_json, say

_LINK = re.compile(r"(\d{1,18}):([0-9a-f]{64})", re.ASCII)


class Link(click.ParamType[ChainLink]):
    """A number and a hash, as `verify` prints them."""

    name = "link"

    def convert(
        self, value: str | ChainLink, param: click.Parameter | None, ctx: click.Context | None
    ) -> ChainLink:
        """Parse a link."""
        if isinstance(value, ChainLink):
            return value
        match = _LINK.fullmatch(value)
        if match is None:
            self.fail(in_language(text("cli.not_a_link", given=value)), param, ctx)
        return ChainLink(int(match[1]), match[2])


@click.group("audit")
def command() -> None:
    """Verify and export the audit log in the database of the current settings."""


@command.command("verify")
@click.option(
    "--noted",
    type=Link(),
    metavar="NUMBER:HASH",
    help="End of the chain, as printed by an earlier verification: it must still be in the chain.",
)
@json_option
@administrative
def verify(admin: Administration, *, noted: ChainLink | None, as_json: bool) -> None:
    """Verify that no entry was changed, removed or inserted.

    Prints the end of the chain. Keep it in another place: with --noted, a later verification detects that the
    whole chain was recomputed. Exits with 1 and names the first bad entry if there is one.
    """
    found = admin.services.verify_audit_log(noted)
    end = f"{found.head.sequence}:{found.head.hash}"
    if as_json:
        print_json(
            {
                "verified": found.head.sequence,
                "end": end,
                "bad_entry": found.bad_entry,
                "fault": found.fault,
                "start": str(found.start),
            }
        )
    elif found.fault is None:
        say(text("cli.audit_verified", count=found.head.sequence, end=end))
    if found.fault is not None:
        raise Failure("" if as_json else found.fault, ExitCode.FAILED)


@command.command("export")
@click.option("--tenant", metavar="NAME", help="Only entries of this tenant.")
@click.option(
    "--after",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    metavar="NUMBER",
    help="Only entries after this number.",
)
@administrative
def export(admin: Administration, *, tenant: str | None, after: int) -> None:
    """Print the entries as JSON lines, in the order of the chain."""
    name = None if tenant is None else TenantName(tenant)
    for linked in admin.services.audit_reader.ledger(after, name):
        click.echo(_line(linked))


def _line(linked: LedgerEntry) -> str:
    return json.dumps({"sequence": linked.link.sequence, **linked.row._asdict(), "hash": linked.link.hash})
