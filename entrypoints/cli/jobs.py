import rich_click as click

from domain.job_lifecycle import Phase
from entrypoints.cli.client import segment
from entrypoints.cli.connection import connect
from entrypoints.cli.options import json_option, print_json, server_option
from entrypoints.cli.tables import print_table

_COLUMNS = ("JOB", "STATUS", "PROJECT", "LANGUAGE", "CREATED", "PHASE")


@click.command("jobs")
@click.option("--project", help="Only jobs of this project.")
@click.option("--status", help="Only jobs of this status, such as RUNNING.")
@click.option(
    "--phase",
    "phases",
    type=click.Choice([phase.value for phase in Phase]),
    multiple=True,
    help="Only jobs in this phase; may be repeated.",
)
@click.option("--language", help="Only jobs in this language.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many.")
@json_option
@server_option
def command(
    *,
    project: str | None,
    status: str | None,
    phases: tuple[str, ...],
    language: str | None,
    limit: int,
    as_json: bool,
    server: str | None,
) -> None:
    """List jobs, newest first."""
    path = "/api/jobs" if project is None else f"/api/projects/{segment(project)}/jobs"
    with connect(server) as client:
        jobs = client.listed(
            path, limit, language=language, status=status and status.upper(), phase=list(phases)
        )
    if as_json:
        print_json(jobs)
        return
    print_table(
        _COLUMNS,
        (
            (
                job["job_id"],
                job["status"],
                job["project"],
                job["data"]["language"],
                job["data"]["created_at"],
                job["phase"],
            )
            for job in jobs
        ),
    )
