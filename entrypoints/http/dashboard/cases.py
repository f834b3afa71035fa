"""The results of a job's cases on its page."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from application.views import JobDetails
from domain.cases import CaseResult, Verdict, summarize
from domain.catalogue.figures import duration, size
from domain.catalogue.text import Text, text
from entrypoints.http.presenter import case_result
from entrypoints.http.schemas.jobs import CaseResult as ShownCase

# The maximum number of rows on a page; the API returns all.
MAX_ROWS = 1_000
_MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRow:
    """A row of the table of cases.

    Attributes:
        kind: accepted, skipped or failed.
        time_note: The time of a first run on a busy host.
        charts: The processor use during the first and the second run, in percent, each with its text.
    """

    number: int
    name: str
    kind: str
    verdict: Text
    time: str
    time_note: Text | None
    charts: Sequence[tuple[Text, Sequence[int]]]
    memory: str
    weight: str
    is_hidden: bool
    diff: str | None
    message: str | None
    stdout: str | None
    stderr: str | None


def cases_context(details: JobDetails) -> dict[str, object]:
    """Return the context of the template for a job's cases; `total` is 0 for a job without cases."""
    cases = details.job.spec.cases
    summary = summarize(details.cases)
    return {
        "job": details.job,
        "job_id": str(details.job.id),
        "total": 0 if cases is None else cases.total,
        "done": len(details.cases),
        "passed": summary.passed,
        "score": f"{summary.score:g}",
        "max_score": f"{summary.max_score:g}",
        "rows": _rows(details.cases[:MAX_ROWS]),
        "left_out": max(len(details.cases) - MAX_ROWS, 0),
    }


def _rows(results: Sequence[CaseResult]) -> Sequence[CaseRow]:
    return [_row(result, case_result(result)) for result in results]


def _row(result: CaseResult, shown: ShownCase) -> CaseRow:
    kinds = {Verdict.ACCEPTED: "accepted", Verdict.SKIPPED: "skipped"}
    first = shown.first_time_ms
    return CaseRow(
        number=result.index + 1,
        name=shown.name,
        kind=kinds.get(shown.verdict, "failed"),
        verdict=text(f"cases.{shown.verdict}"),
        time="" if shown.time_ms is None else duration(shown.time_ms),
        time_note=None if first is None else text("cases.measured_alone", time=duration(first)),
        charts=_charts(result.first_processors, result.processors),
        memory="" if shown.memory_mb is None else size(shown.memory_mb * _MIB),
        weight=f"{shown.weight:g}" if result.points is None else f"{shown.score:g} of {shown.weight:g}",
        is_hidden=shown.hidden,
        diff=shown.diff,
        message=shown.checker_message,
        stdout=shown.stdout,
        stderr=shown.stderr,
    )


def _charts(first: Sequence[int], alone: Sequence[int]) -> Sequence[tuple[Text, Sequence[int]]]:
    """Return the known series, each with a text of its average and its values."""
    labels = (
        text("cases.processors_first", average=_average(first), series=_listed(first)),
        text("cases.processors_alone", average=_average(alone), series=_listed(alone)),
    )
    return [(label, series) for label, series in zip(labels, (first, alone), strict=True) if series]


def _average(series: Sequence[int]) -> int:
    return round(fmean(series)) if series else 0


def _listed(series: Sequence[int]) -> str:
    return ", ".join(f"{percent} %" for percent in series)
