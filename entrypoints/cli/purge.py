"""The command `purge`, which removes old jobs, logs and records on the service's machine."""

from collections import Counter

import rich_click as click

from domain.catalogue.text import text
from entrypoints.cli.administration import Administration, administrative
from entrypoints.cli.terminal import json_option, print_fields, print_json, say


@click.command("purge")
@click.option("--dry-run", "is_dry", is_flag=True, help="Print an estimate, and delete nothing.")
@json_option
@administrative
def command(admin: Administration, *, is_dry: bool, as_json: bool) -> None:
    """Delete jobs, logs and records past their retention, and objects without a job, at once.

    The service does this by itself, a little at a time, and may run meanwhile. Prints the numbers of deleted
    rows, objects and bytes by kind. With --dry-run, prints an estimate: jobs are counted, up to a million of
    each project and status; their data is extrapolated from the oldest of them.
    """
    services = admin.services
    if is_dry:
        found = Counter(services.apply_retention.estimate())
    else:
        found = Counter(services.apply_retention(at_once=True))
        found["idempotency_keys"] += services.forget_idempotency_keys()
        found["deliveries"] += services.forget_deliveries()
        found["sessions"] += services.forget_sessions()
        found["bytes"] += services.remove_unused_blobs()
        services.remove_deleted()
    kinds = {kind: number for kind, number in sorted(found.items()) if number}
    if as_json:
        print_json(kinds)
    elif kinds:
        print_fields(kinds.items())
    else:
        say(text("cli.nothing_due"))
