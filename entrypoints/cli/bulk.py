"""The commands `cancel`, `rerun`, `delete` and `tag`, for named jobs or jobs selected by filters."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import rich_click as click

from domain.catalogue.text import text
from domain.job_lifecycle import Phase
from entrypoints.cli.client import Json, ServiceClient, problem_sentence, segment
from entrypoints.cli.confirmation import confirm, yes_option
from entrypoints.cli.connection import connect, explain_waiting, server_option
from entrypoints.cli.errors import ExitCode, Failure, Refusal
from entrypoints.cli.jobs import MAX_SELECTED, Filters, filter_options
from entrypoints.cli.program_options import program_input, text_of
from entrypoints.cli.terminal import json_option, note, print_json, say
from entrypoints.cli.values import Tag

# The number of jobs in a request. If the service accepts fewer, its refusal has the maximum.
_AT_ONCE = 100
_TOO_MANY = "problems.jobs_at_once"
_NOT_ENDED = (Phase.WAITING, Phase.BUILDING, Phase.RUNNING)
_ENDED = (Phase.ENDED,)

_jobs_argument = click.argument("job_ids", metavar="[JOB]...", nargs=-1)


@click.command("cancel")
@_jobs_argument
@filter_options
@yes_option
@json_option
@server_option
def cancel(
    *, job_ids: tuple[str, ...], filters: Filters, is_sure: bool, as_json: bool, server: str | None
) -> None:
    """Cancel jobs and stop their programs.

    Selects the named jobs, or all that match the filters and have not ended.
    """
    with connect(server) as client:
        chosen = _chosen(client, job_ids, filters, _NOT_ENDED)
        if not _is_one(job_ids):
            confirm(text("cli.cancel_jobs", count=len(chosen)), is_sure=is_sure or not chosen)
            _act(client, chosen, {"action": "cancel"}, as_json=as_json)
            return
        cancelled = client.post(f"/api/cancel/{segment(chosen[0])}")
    if as_json:
        print_json(cancelled)
    else:
        say(text("cli.cancelled", id=cancelled["job_id"]))


@click.command("rerun")
@_jobs_argument
@click.option("--stdin", metavar="TEXT|@FILE|-", help="Standard input, instead of the jobs' own.")
@click.option("--arg", "args", multiple=True, help="Argument, instead of the jobs' own; may be repeated.")
@filter_options
@yes_option
@json_option
@server_option
def rerun(
    *,
    job_ids: tuple[str, ...],
    stdin: str | None,
    args: tuple[str, ...],
    filters: Filters,
    is_sure: bool,
    as_json: bool,
    server: str | None,
) -> None:
    """Run jobs again as new jobs, optionally with other input or arguments.

    Selects the named jobs, or all that match the filters and have ended.
    """
    changes: dict[str, Json] = {}
    if stdin is not None:
        changes["stdin"] = text_of(program_input(stdin))
    if args:
        changes["args"] = list(args)
    with connect(server, asks_engine=True) as client:
        chosen = _chosen(client, job_ids, filters, _ENDED)
        if not _is_one(job_ids):
            confirm(text("cli.rerun_jobs", count=len(chosen)), is_sure=is_sure or not chosen)
            _act(client, chosen, {"action": "rerun", "changes": changes or None}, as_json=as_json)
        else:
            again = client.post(f"/api/jobs/{segment(chosen[0])}/rerun", changes)
            if as_json:
                print_json(again)
            else:
                say(text("cli.reruns", id=again["rerun_of"], new=again["job_id"]))
    if chosen:
        explain_waiting(server)


@click.command("delete")
@_jobs_argument
@filter_options
@yes_option
@json_option
@server_option
def delete(
    *, job_ids: tuple[str, ...], filters: Filters, is_sure: bool, as_json: bool, server: str | None
) -> None:
    """Delete jobs with their code and logs.

    Selects the named jobs, or all that match the filters and have ended.
    """
    with connect(server) as client:
        chosen = _chosen(client, job_ids, filters, _ENDED)
        confirm(text("cli.delete_jobs", count=len(chosen)), is_sure=is_sure or not chosen)
        _act(client, chosen, {"action": "delete"}, as_json=as_json)


@click.command("tag")
@_jobs_argument
@click.option(
    "--set", "added", type=Tag(), metavar="NAME=VALUE", multiple=True, help="Tag to add; may be repeated."
)
@click.option("--remove", "removed", metavar="NAME", multiple=True, help="Tag to remove; may be repeated.")
@filter_options
@yes_option
@json_option
@server_option
def tag(
    *,
    job_ids: tuple[str, ...],
    added: tuple[tuple[str, str], ...],
    removed: tuple[str, ...],
    filters: Filters,
    is_sure: bool,
    as_json: bool,
    server: str | None,
) -> None:
    """Add and remove tags of jobs.

    Selects the named jobs, or all that match the filters.
    """
    if not (added or removed):
        raise Failure(text("cli.tags_needed"), ExitCode.USAGE)
    with connect(server) as client:
        chosen = _chosen(client, job_ids, filters, ())
        if not _is_one(job_ids):
            confirm(text("cli.tag_jobs", count=len(chosen)), is_sure=is_sure or not chosen)
        change = {"set": dict(added), "remove": list(removed)}
        _act(client, chosen, {"action": "tag", "tags": change}, as_json=as_json)


def _is_one(job_ids: Sequence[str]) -> bool:
    """Whether a single job is named. Then the API's call for one job is used, which returns the job."""
    return len(set(job_ids)) == 1


def _chosen(
    client: ServiceClient, job_ids: Sequence[str], filters: Filters, phases: Sequence[Phase]
) -> list[str]:
    """Return the ids of the named jobs, or of the jobs that match the filters and are in one of the phases.

    Raises:
        Failure: Both ids and filters are given, or neither.
    """
    if bool(job_ids) is not filters.is_empty:
        raise Failure(text("cli.ids_or_filters"), ExitCode.USAGE)
    if job_ids:
        return list(dict.fromkeys(job_ids))
    meant = tuple(phase for phase in phases if not filters.phases or phase in filters.phases)
    found: list[Json] = []
    if meant or not phases:
        found = replace(filters, phases=meant or filters.phases).select(client, MAX_SELECTED)
    if not found:
        note(text("cli.no_match"))
    return [job["job_id"] for job in found]


def _act(client: ServiceClient, job_ids: Sequence[str], action: Mapping[str, Json], *, as_json: bool) -> None:
    """Act on each job, with several jobs per request. If some jobs are refused, the others proceed.

    Raises:
        Failure: The service refused a job, or cannot be reached.
    """
    results: list[Json] = []
    left, at_once = list(job_ids), _AT_ONCE
    try:
        while left:
            chosen = left[:at_once]
            try:
                answered = client.post("/api/jobs/actions", {**action, "ids": chosen})["results"]
            except Refusal as refusal:
                at_once = _allowed(refusal, len(chosen))
                continue
            results += answered
            for result in answered:
                _report(action["action"], result, as_json=as_json)
            left = left[at_once:]
    finally:
        if as_json:
            print_json(results)
    if not all(result["done"] for result in results):
        raise Failure("", ExitCode.FAILED)


def _allowed(refusal: Refusal, asked: int) -> int:
    """Return the smaller number of jobs that the service accepts in a request.

    Raises:
        Refusal: The service refused for another reason.
    """
    allowed = refusal.values.get("maximum")
    if refusal.code != _TOO_MANY or not isinstance(allowed, int) or not 0 < allowed < asked:
        raise refusal
    return allowed


def _report(action: str, result: Json, *, as_json: bool) -> None:
    job_id = result["job_id"]
    if not result["done"]:
        note(text("cli.of_job", id=job_id, detail=problem_sentence(result["problem"])))
    elif not as_json:
        done = {
            "cancel": text("cli.cancelled", id=job_id),
            "rerun": text("cli.reruns", id=job_id, new=result.get("rerun")),
            "delete": text("cli.deleted", id=job_id),
            "tag": text("cli.tagged", id=job_id),
        }
        say(done[action])
