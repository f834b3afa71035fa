"""The command `setup`, which creates the key of the first administrator."""

import rich_click as click

from application.commands import CreateKeyCommand
from application.errors import Conflict
from domain.caller import Scope
from domain.catalogue.text import text
from entrypoints.cli.administration import administration
from entrypoints.cli.errors import ExitCode, Failure
from entrypoints.cli.keys import print_issued
from entrypoints.cli.terminal import json_option

_NAME = "first administrator"


@click.command("setup")
@json_option
def command(*, as_json: bool) -> None:
    """Create the first administrator key in the database of the current settings, and print it.

    The text of the key is printed once: it cannot be shown again.
    """
    first = CreateKeyCommand(name=_NAME, scopes=frozenset({Scope.ADMIN}), first=True)
    with administration() as admin:
        try:
            issued = admin.services.create_key(admin.caller, first)
        except Conflict:
            raise Failure(text("cli.set_up_already", scope=Scope.ADMIN), ExitCode.FAILED) from None
    print_issued(issued, as_json=as_json)
