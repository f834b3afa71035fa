"""The comparison of two jobs: their states, figures, code and output."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from application.errors import NotFound
from application.queries.timeline import Timeline
from domain.catalogue.figures import NOTHING
from domain.catalogue.text import Text, text
from domain.execution import Execution, ExecutionResult, Output, ResourceUsage
from domain.job import Job
from domain.job_lifecycle import Reason
from entrypoints.http.dashboard import formatting
from entrypoints.http.dashboard.job_state import measured_of
from entrypoints.http.presenter import explain

# The page compares at most this much of an output that is not shown whole.
MAX_COMPARED_BYTES = 1 << 20
_MEBI = 1 << 20
_STREAMS = ("stdout", "stderr")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A job with its code, if the code is still stored."""

    timeline: Timeline
    code: str | None

    @property
    def job(self) -> Job:
        """The job."""
        return self.timeline.details.job

    @property
    def execution(self) -> Execution | None:
        """The job's latest execution."""
        return self.timeline.details.latest

    @property
    def result(self) -> ExecutionResult | None:
        """The result of the latest execution."""
        return None if self.execution is None else self.execution.result

    @property
    def usage(self) -> ResourceUsage:
        """The resources that the latest execution used."""
        return (self.result and self.result.resource) or ResourceUsage()

    @property
    def stdin(self) -> str:
        """The input of the latest execution, if it was sent as text."""
        own = None if self.execution is None else self.execution.stdin
        return self.job.spec.stdin if own is None else own


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A fact about two runs, and whether they differ in it."""

    name: Text
    before: Text | str
    after: Text | str
    differs: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """A text that both runs have.

    Attributes:
        stream: The stream that a script must read to compare the whole output; None if the texts are whole.
    """

    name: Text | str
    before: str
    after: str
    stream: str | None = None

    @property
    def differs(self) -> bool:
        """Whether the texts differ, or may differ in parts that are missing here."""
        return self.before != self.after or self.stream is not None


def read_run(timeline: Timeline, read_code: Callable[[Job], str]) -> Run:
    """Read the code of a job, unless it was deleted."""
    try:
        return Run(timeline=timeline, code=read_code(timeline.details.job))
    except NotFound:
        return Run(timeline=timeline, code=None)


def comparison_context(before: Run, after: Run) -> Mapping[str, object]:
    """Return the context of the template for a comparison."""
    texts = [each for each in _texts(before, after) if each.before or each.after or each.stream]
    return {
        "runs": [
            (str(run.job.id), run.timeline.details.view.state, run.job.created_at) for run in (before, after)
        ],
        "rows": [row for row in _rows(before, after) if (row.before, row.after) != (NOTHING, NOTHING)],
        "different": [each for each in texts if each.differs],
        "same": [each.name for each in texts if not each.differs],
        "max_compared_bytes": MAX_COMPARED_BYTES,
    }


def _rows(before: Run, after: Run) -> Iterator[Row]:
    facts: Sequence[tuple[Text, Callable[[Run], Text | str]]] = (
        (text("compare.outcome"), _outcome),
        (
            text("compare.exit_code"),
            lambda run: NOTHING if run.result is None else _figure(run.result.exit_code),
        ),
        (text("compare.signal"), lambda run: NOTHING if run.result is None else _figure(run.result.signal)),
        (text("compare.cases"), _cases),
        (text("compare.queued"), _queued),
        (text("compare.built"), _built),
        (text("compare.ran"), _ran),
        (text("compare.total"), lambda run: _total(run.job)),
        (text("limits.cpu_time_ms"), lambda run: _used(run, "cpu_time_ms", run.usage.cpu_time_ms)),
        (text("limits.memory_mb"), lambda run: _used(run, "memory_mb", run.usage.memory_mb)),
        (text("limits.output_mb"), lambda run: _used(run, "output_mb", _written(run.result))),
        (text("common.language_column"), lambda run: run.job.spec.runtime or run.job.spec.language.name),
        (text("job.arguments"), lambda run: " ".join(map(repr, run.job.spec.args)) or NOTHING),
    )
    for name, fact in facts:
        values = fact(before), fact(after)
        yield Row(name=name, before=values[0], after=values[1], differs=values[0] != values[1])
    old, new = (run.job.spec for run in (before, after))
    yield from _own_and_changed(
        old.env, new.env, text("compare.own_variables"), text("compare.changed_variables")
    )
    old_files, new_files = ({file.path: file.blob for file in spec.files} for spec in (old, new))
    yield from _own_and_changed(
        old_files, new_files, text("compare.own_files"), text("compare.changed_files")
    )


def _outcome(run: Run) -> Text | str:
    """Explain an outcome without an exit code or a signal."""
    if run.job.reason in {None, Reason.NONZERO_EXIT, Reason.SIGNAL, Reason.CANCELLED}:
        return NOTHING
    return explain(run.timeline.details.view.state, run.job.reason, run.result)


def _figure(number: int | None) -> str:
    return NOTHING if number is None else str(number)


def _cases(run: Run) -> Text | str:
    cases = None if run.result is None else run.result.cases
    if cases is None:
        return NOTHING
    return text("job.measured_of", used=f"{cases.passed:,}", allowed=f"{cases.total:,}")


def _queued(run: Run) -> str:
    last = run.execution
    return (
        NOTHING
        if last is None
        else formatting.between(last.requested_at, last.building_at or last.started_at)
    )


def _built(run: Run) -> str:
    last = run.execution
    return NOTHING if last is None else formatting.between(last.building_at, last.started_at or last.ended_at)


def _ran(run: Run) -> str:
    last = run.execution
    return NOTHING if last is None else formatting.between(last.started_at, last.ended_at)


def _total(job: Job) -> str:
    return formatting.between(job.started_at, job.completed_at)


def _used(run: Run, name: str, used: float | None) -> Text | str:
    if used is None:
        return NOTHING
    limit = None if run.result is None else run.result.limit
    if limit is not None and limit.name == name:
        used = limit.measured
    allowed = getattr(run.job.spec.limits, name)
    return measured_of(name, used, allowed)


def _written(result: ExecutionResult | None) -> float | None:
    return None if result is None else (result.stdout.total_bytes + result.stderr.total_bytes) / _MEBI


def _own_and_changed(
    old: Mapping[str, object], new: Mapping[str, object], own: Text, changed: Text
) -> Iterator[Row]:
    """Compare the names of variables or files. Only the jobs' own pages show the values of variables."""
    names = ", ".join(name for name in old if name in new and old[name] != new[name])
    yield Row(
        name=own,
        before=", ".join(name for name in old if name not in new) or NOTHING,
        after=", ".join(name for name in new if name not in old) or NOTHING,
        differs=old.keys() != new.keys(),
    )
    yield Row(name=changed, before=names or NOTHING, after=names or NOTHING, differs=bool(names))


def _texts(before: Run, after: Run) -> Iterator[Texts]:
    if before.code is not None and after.code is not None:
        yield Texts(name=text("job.code"), before=before.code, after=after.code)
    yield Texts(name=text("job.stdin"), before=before.stdin, after=after.stdin)
    outputs = [(run.result and run.result.compile_output) or Output() for run in (before, after)]
    yield Texts(name=text("compare.compiler_output"), before=outputs[0].text, after=outputs[1].text)
    for stream in _STREAMS:
        outputs = [getattr(run.result, stream) if run.result else Output() for run in (before, after)]
        is_cut = any(output.truncated for output in outputs)
        yield Texts(
            name=stream,
            before=outputs[0].text,
            after=outputs[1].text,
            stream=stream if is_cut else None,
        )
