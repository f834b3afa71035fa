"""The initial contents of the editor: a starter program, or the program of an edited job."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from application.commands import UploadCodeCommand
from application.ports.execution_engine import RuntimeSupport
from application.use_cases.run_again import given
from application.views import JobDetails
from domain.caller import Caller
from domain.catalogue.figures import exact_duration, exact_size
from domain.checker import CheckerKind
from domain.limits import Bounds
from domain.project import Project
from entrypoints.http.dashboard.arguments import join_arguments
from entrypoints.http.dashboard.code_languages import CODE_LANGUAGES
from entrypoints.http.dashboard.editor_form import is_kept_as_it_is, join_tags
from entrypoints.http.dashboard.formatting import script_json
from entrypoints.http.dependencies import Api

# The maximum number of case sets that the editor offers.
_MAX_CASE_SETS = 200
# Larger files of a job, and files that are not text, can be kept or removed but not edited.
_EDITABLE_BYTES = 256 << 10
# Limits that are shown next to the input; the others are collapsed.
_FIRST_LIMITS = ("timeout_ms", "memory_mb")


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitField:
    """A form field for a limit: its value and its bounds in readable units."""

    name: str
    value: str
    minimum: str
    maximum: str

    @property
    def field(self) -> str:
        """The name of the form field; `files` is already the name of the files themselves."""
        return "max_files" if self.name == "files" else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class EditorContents:
    """The contents of the editor's fields.

    Attributes:
        job_id: The edited job; None for a new program.
        runtime: The chosen runtime; empty for the first one.
        code: The program; empty for the language's starter program.
        cases: The number of the job's cases.
        stdin_bytes: The size of the job's input if the form cannot contain it; otherwise None.
        has_secrets: Whether the job has secret variables, which are never shown.
    """

    job_id: str | None = None
    runtime: str = ""
    code: str = ""
    stdin: str = ""
    stdin_bytes: int | None = None
    args: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    has_secrets: bool = False
    tags: str = ""
    artifacts: str = ""
    files: Sequence[Mapping[str, object]] = ()
    cases: int = 0
    limits: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, details: JobDetails, code: str) -> "EditorContents":
        """Return the contents to edit a job."""
        spec = details.job.spec
        same = given(details, code)
        return cls(
            job_id=str(details.job.id),
            runtime=spec.runtime or spec.language.name,
            code=code,
            stdin="" if is_kept_as_it_is(same) else same.stdin,
            stdin_bytes=_kept_bytes(same),
            args=join_arguments(spec.args),
            env=spec.env,
            has_secrets=spec.secrets is not None,
            tags=join_tags(spec.tags),
            artifacts=", ".join(spec.artifacts),
            files=[
                {"path": file.path, "size": file.blob.size, "isEditable": file.blob.size <= _EDITABLE_BYTES}
                for file in spec.files
            ],
            cases=0 if spec.cases is None else spec.cases.total,
            limits=same.limits,
        )

    def limit_fields(self, bounds: Mapping[str, Bounds], *, first: bool) -> Sequence[LimitField]:
        """Return the fields of the first limits or of the other ones."""
        return [
            LimitField(
                name=name,
                value=exact_figure(name, self.limits.get(name, each.default)),
                minimum=exact_figure(name, each.minimum),
                maximum=exact_figure(name, each.maximum),
            )
            for name, each in bounds.items()
            if (name in _FIRST_LIMITS) is first
        ]

    def for_script(self, project_id: int) -> object:
        """Return the contents that scripts fill in."""
        return script_json(
            {
                "project": project_id,
                "job": self.job_id,
                "env": [{"name": name, "value": value, "secret": False} for name, value in self.env.items()],
                "files": self.files,
                "starters": {name: row.starter for name, row in CODE_LANGUAGES.items()},
            }
        )


def _kept_bytes(command: UploadCodeCommand) -> int | None:
    if not is_kept_as_it_is(command):
        return None
    if command.stdin_blob is not None:
        return command.stdin_blob.ref.size
    sizes = (file.blob.ref.size for file in command.files if file.path == command.stdin_file)
    return next(sizes, len(command.stdin.encode()))


def exact_figure(name: str, value: int) -> str:
    """Format a limit's value for editing. The limit's name ends with the unit."""
    if name.endswith("_ms"):
        return exact_duration(value)
    return exact_size(value) if name.endswith("_mb") else str(value)


def editor_context(
    api: Api, caller: Caller, project: Project, contents: EditorContents | None = None
) -> dict[str, object]:
    """Return the context of the editor's template."""
    _project, case_sets = api.services.case_set_reader.all(caller, str(project.id), None, _MAX_CASE_SETS)
    shown = contents or EditorContents()
    bounds = api.limit_policy.lowered_to(caller.tenant.quota.limits).bounds
    return {
        "project": project,
        "editor": shown,
        "case_sets": case_sets,
        "checkers": tuple(CheckerKind),
        "takes_secrets": bool(api.settings.sealing_keys),
        "runtimes": _in_order(api.services.cluster_reader.runtimes()),
        "first_limits": shown.limit_fields(bounds, first=True),
        "other_limits": shown.limit_fields(bounds, first=False),
    }


def _in_order(runtimes: Sequence[RuntimeSupport]) -> Sequence[RuntimeSupport]:
    """Return the runtimes grouped by language, available ones first."""
    order = {name: place for place, name in enumerate(CODE_LANGUAGES)}
    return sorted(runtimes, key=lambda each: (not each.is_available, order[each.language.name]))
