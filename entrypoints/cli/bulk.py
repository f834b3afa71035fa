"""The commands `cancel`, `rerun` and `delete`, for jobs that are named or selected by filters."""

import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import rich_click as click

from domain.catalogue.language import language_of_environment
from domain.catalogue.text import Text, text
from domain.job_lifecycle import Phase
from entrypoints.cli.client import Json, ServiceClient, segment
from entrypoints.cli.connection import connect, explain_waiting, server_option
from entrypoints.cli.errors import ExitCode, Failure, sentence_of
from entrypoints.cli.input_files import read_text
from entrypoints.cli.jobs import MAX_SELECTED, Filters, filter_options
from entrypoints.cli.terminal import json_option, note, one_line, print_json

_jobs_argument = click.argument("job_ids", metavar="[JOB]...", nargs=-1)
_yes_option = click.option("--yes", "-y", "is_sure", is_flag=True, help="Do not ask.")


@click.command("cancel")
@_jobs_argument
@filter_options
@_yes_option
@json_option
@server_option
def cancel(
    *, job_ids: tuple[str, ...], filters: Filters, is_sure: bool, as_json: bool, server: str | None
) -> None:
    """Cancel jobs and stop their programs.

    They are the named ones, or all that match the filters and have not ended.
    """
    with connect(server) as client:
        chosen = _chosen(client, job_ids, filters, lambda job: job["phase"] != Phase.ENDED)
        if not filters.is_empty or len(chosen) > 1:
            confirm(text("cli.cancel_jobs", count=len(chosen)), is_sure=is_sure or not chosen)
        _each(chosen, partial(_cancel, client), lambda job: f"cancelled {job['job_id']}", as_json=as_json)


@click.command("rerun")
@_jobs_argument
@click.option(
    "--stdin", "stdin_file", type=click.Path(path_type=Path), help="A file with other input; `-` for stdin."
)
@click.option("--arg", "args", multiple=True, help="Other arguments; may be repeated.")
@filter_options
@_yes_option
@json_option
@server_option
def rerun(
    *,
    job_ids: tuple[str, ...],
    stdin_file: Path | None,
    args: tuple[str, ...],
    filters: Filters,
    is_sure: bool,
    as_json: bool,
    server: str | None,
) -> None:
    """Run jobs again as new jobs, with other input or arguments if they are given.

    They are the named ones, or all that match the filters and have ended.
    """
    changes: dict[str, Json] = {}
    if stdin_file is not None:
        changes["stdin"] = read_text(Path("/dev/stdin") if stdin_file == Path("-") else stdin_file)
    if args:
        changes["args"] = list(args)
    with connect(server) as client:
        chosen = _chosen(client, job_ids, filters, lambda job: job["phase"] == Phase.ENDED)
        if not filters.is_empty or len(chosen) > 1:
            confirm(text("cli.rerun_jobs", count=len(chosen)), is_sure=is_sure or not chosen)
        _each(
            chosen,
            lambda job_id: client.post(f"/api/jobs/{segment(job_id)}/rerun", changes),
            lambda job: f"job {job['job_id']} runs {job['rerun_of']} again",
            as_json=as_json,
        )
    if chosen:
        explain_waiting(server)


@click.command("delete")
@_jobs_argument
@filter_options
@_yes_option
@server_option
def delete(*, job_ids: tuple[str, ...], filters: Filters, is_sure: bool, server: str | None) -> None:
    """Delete jobs with their code and logs.

    They are the named ones, or all that match the filters and have ended.
    """
    with connect(server) as client:
        chosen = _chosen(client, job_ids, filters, lambda job: job["phase"] == Phase.ENDED)
        confirm(text("cli.delete_jobs", count=len(chosen)), is_sure=is_sure or not chosen)
        _each(chosen, partial(_delete, client), lambda job: f"deleted {job['job_id']}", as_json=False)


def confirm(question: Text, *, is_sure: bool) -> None:
    """Ask on the terminal.

    Raises:
        Failure: The answer is no, or there is no terminal to ask on.
    """
    if is_sure:
        return
    if sys.stdin is None or not sys.stdin.isatty():
        raise Failure(text("cli.yes_needed", question=question), ExitCode.USAGE)
    if not click.confirm(question.into(language_of_environment(os.environ)), err=True):
        raise Failure(text("cli.unchanged"), ExitCode.FAILED)


def _chosen(
    client: ServiceClient, job_ids: Sequence[str], filters: Filters, is_meant: Callable[[Json], bool]
) -> list[str]:
    """Return the ids of the named jobs, or of the ones that match and are meant.

    Raises:
        Failure: Both or neither are given.
    """
    if bool(job_ids) is not filters.is_empty:
        raise Failure(text("cli.ids_or_filters"), ExitCode.USAGE)
    if job_ids:
        return list(dict.fromkeys(job_ids))
    chosen = [job["job_id"] for job in filters.select(client, MAX_SELECTED) if is_meant(job)]
    if not chosen:
        note(text("cli.no_match"))
    return chosen


def _each(
    job_ids: Sequence[str], act: Callable[[str], Json], report: Callable[[Json], str], *, as_json: bool
) -> None:
    """Act on each job; refusals of some do not keep the others from it.

    Raises:
        Failure: The service refused one of them, or is out of reach.
    """
    answers: list[Json] = []
    refused = 0
    for job_id in job_ids:
        try:
            answer = act(job_id)
        except Failure as failure:
            if len(job_ids) == 1 or failure.exit_code == ExitCode.SERVICE:
                raise
            refused += 1
            click.echo(f"service-server: {one_line(f'{job_id}: {sentence_of(failure)}')}", err=True)
        else:
            answers.append(answer)
            if not as_json:
                click.echo(report(answer))
    if as_json:
        print_json(answers[0] if len(job_ids) == 1 else answers)
    if refused:
        raise Failure("", ExitCode.FAILED)


def _cancel(client: ServiceClient, job_id: str) -> Json:
    return client.post(f"/api/cancel/{segment(job_id)}")


def _delete(client: ServiceClient, job_id: str) -> Json:
    client.remove(f"/api/jobs/{segment(job_id)}")
    return {"job_id": job_id}
