"""The editor's form: it converts the fields to the command of an upload."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import msgspec

from application.commands import UploadCodeCommand
from application.file_spool import FileSpool
from application.new_files import NewBlob, NewFile
from application.ports.execution_engine import RuntimeSupport
from application.use_cases.run_again import given
from application.views import JobDetails
from domain.cases import StopOn
from domain.catalogue.figures import read_duration, read_size
from domain.catalogue.text import text
from domain.checker import CheckerKind
from domain.errors import InvalidValue
from domain.limits import STANDARD_BOUNDS
from entrypoints.http.dashboard.arguments import split_arguments
from entrypoints.http.dashboard.case_sets import cases_of
from entrypoints.http.file_form import FileForm
from entrypoints.http.schemas.requests import CaseRequest, CheckerRequest, UploadRequest
from entrypoints.http.upload_command import upload_command
from entrypoints.http.upload_form import ARCHIVE, FILES, NO_FIELDS, UploadForm
from entrypoints.settings import Settings

_Choice = TypeVar("_Choice", CheckerKind, StopOn)
_Row = TypeVar("_Row", bound=msgspec.Struct)
_CASES_ARCHIVE = "cases_archive"
# Options that the editor does not show; an edited job keeps them.
_CARRIED = ("function_name", "description", "priority", "max_attempts", "retry_on")
# Options that an edited job keeps unless its language changes.
_CARRIED_IN_LANGUAGE = ("entry", "presets")


class Variable(msgspec.Struct, forbid_unknown_fields=True):
    """A variable of the program's environment, as encoded by the page's script."""

    name: str
    value: str
    secret: bool = False


class KeptFile(msgspec.Struct, forbid_unknown_fields=True):
    """A file of the edited job, with its new path and its original one."""

    path: str
    origin: str = msgspec.field(name="from")


def editor_command(
    project_id: int,
    form: FileForm,
    origin: JobDetails | None,
    runtimes: Sequence[RuntimeSupport],
    settings: Settings,
    spool: FileSpool,
) -> UploadCodeCommand:
    """Return the command of a form.

    Args:
        project_id: The project.
        form: The form.
        origin: The edited job; None for a new program.
        runtimes: The runtimes of the engine.
        settings: The limits on files.
        spool: Takes unpacked files, and lasts as long as the command.

    Raises:
        InvalidValue: A field is not encoded as the page encodes it, or there are cases of two kinds.
        TooLarge: A file is too large.
    """
    parts = [part for part in form.files if part.name in {FILES, ARCHIVE}]
    fields = form.fields
    archive = form.file(_CASES_ARCHIVE)
    written = _rows("cases", fields, CaseRequest)
    sources = (archive, written, fields.get("case_set"))
    if sum(map(bool, sources)) > 1:
        raise InvalidValue("cases", text("problems.cases_of_one_kind"))
    checker, stop_on = _checker(fields), _choice(StopOn, "stop_on", fields)
    upload = _upload(project_id, fields, runtimes, {} if origin is None else origin.job.spec.tags)
    if written or fields.get("case_set"):
        case_set = fields.get("case_set") or None
        upload = msgspec.structs.replace(
            upload, cases=written or None, case_set=case_set, checker=checker, stop_on=stop_on
        )
    files = UploadForm(NO_FIELDS, parts, form.spool)
    command = upload_command(upload, files, settings.file_limits, spool)
    if origin is not None:
        command = _edited(command, origin, fields, has_cases=any(sources))
    if archive is None:
        return command
    return replace(
        command,
        cases=tuple(cases_of(archive, settings)),
        checker=None if checker is None else checker.checker(),
        stop_on=stop_on,
    )


def _edited(
    command: UploadCodeCommand, origin: JobDetails, fields: Mapping[str, str], *, has_cases: bool
) -> UploadCodeCommand:
    """Return the command of an edited job, which keeps everything that the page does not show."""
    same = given(origin, "")
    carried = _CARRIED + (_CARRIED_IN_LANGUAGE if command.language == same.language else ())
    files = (*_kept_files(same.files, fields), *command.files)
    paths = {file.path for file in files}
    keeps_stdin = is_kept_as_it_is(same) and not command.stdin and "keep_stdin" in fields
    return replace(
        command,
        **{name: getattr(same, name) for name in carried},
        files=files,
        env=command.env if "env" in fields else same.env,
        cases_of=same.cases_of if "keep_cases" in fields and not has_cases else None,
        stdin=same.stdin if keeps_stdin else command.stdin,
        stdin_blob=same.stdin_blob if keeps_stdin else None,
        stdin_file=same.stdin_file if keeps_stdin and same.stdin_file in paths else None,
    )


def is_kept_as_it_is(command: UploadCodeCommand) -> bool:
    """Whether the form cannot contain the input of an edited job unchanged."""
    return command.stdin_blob is not None or command.stdin_file is not None or "\r" in command.stdin


def _kept_files(files: Sequence[NewFile], fields: Mapping[str, str]) -> Sequence[NewFile]:
    """Return the files that the edited job keeps: all of them if the page has no script."""
    if "kept_files" not in fields:
        return files
    blobs: Mapping[str, NewBlob] = {file.path: file.blob for file in files}
    kept = _rows("kept_files", fields, KeptFile)
    if not all(file.origin in blobs for file in kept):
        raise InvalidValue("files", text("problems.rows_of_editor"))
    return [NewFile(file.path, blobs[file.origin]) for file in kept]


def _upload(
    project_id: int,
    form: Mapping[str, str],
    runtimes: Sequence[RuntimeSupport],
    earlier_tags: Mapping[str, str],
) -> UploadRequest:
    variables = _rows("env", form, Variable)
    chosen = form.get("language", "")
    runtime = next((each for each in runtimes if each.name == chosen and not each.is_default), None)
    return UploadRequest(
        project=str(project_id),
        code=_text(form, "code"),
        language=chosen if runtime is None else runtime.language.name,
        runtime=None if runtime is None else runtime.name,
        stdin=_text(form, "stdin"),
        args=split_arguments(_text(form, "args")),
        env=_environment("env", [each for each in variables if not each.secret]),
        secret_env=_environment("secret_env", [each for each in variables if each.secret]),
        tags=_tags(form.get("tags", ""), earlier_tags),
        artifacts=tuple(filter(None, (each.strip() for each in form.get("artifacts", "").split(",")))),
        execute=True,
        **_limits(form),
    )


def _limits(form: Mapping[str, str]) -> Mapping[str, Any]:
    """Parse the limits, which have units."""
    limits: dict[str, int] = {}
    for name in STANDARD_BOUNDS:
        field = "max_files" if name == FILES else name  # the form's part `files` has the files themselves
        if not form.get(field, "").strip():
            continue
        if name.endswith("_ms"):
            limits[field] = _quantity(name, form[field], read_duration, "10 s, 250 ms")
        elif name.endswith("_mb"):
            limits[field] = _quantity(name, form[field], read_size, "256 MiB, 1 GiB")
        else:
            limits[field] = _quantity(name, form[field], int, "64")
    return limits


def _environment(field: str, variables: Sequence[Variable]) -> dict[str, str]:
    named = [variable for variable in variables if variable.name or variable.value]
    environment = {variable.name: variable.value for variable in named}
    if len(environment) < len(named):
        raise InvalidValue(field, text("problems.variable_twice"))
    return environment


def _text(form: Mapping[str, str], name: str) -> str:
    """Return a text with LF line endings; browsers send CR LF, which programs do not expect."""
    return form.get(name, "").replace("\r\n", "\n")


def _rows(name: str, form: Mapping[str, str], row: type[_Row]) -> tuple[_Row, ...]:
    """Decode the rows of a list, which the page's script encodes as JSON."""
    try:
        return msgspec.json.decode(form.get(name) or "[]", type=tuple[row, ...])  # type: ignore[valid-type]
    except msgspec.DecodeError:
        raise InvalidValue(name, text("problems.rows_of_editor")) from None


def _checker(form: Mapping[str, str]) -> CheckerRequest | None:
    kind = _choice(CheckerKind, "checker", form)
    if kind is None:
        return None
    is_program = kind is CheckerKind.PROGRAM
    return CheckerRequest(
        kind=kind,
        tolerance=_number("tolerance", form.get("tolerance", "")) if kind is CheckerKind.FLOAT else None,
        language=form.get("checker_language", "") if is_program else None,
        code=_text(form, "checker_code") if is_program else None,
    )


def _choice(choices: type[_Choice], name: str, form: Mapping[str, str]) -> _Choice | None:
    given = form.get(name, "")
    try:
        return choices(given) if given else None
    except ValueError:
        raise InvalidValue(name, text("problems.one_of", choices=", ".join(choices))) from None


def join_tags(tags: Mapping[str, str]) -> str:
    """Format tags for the form."""
    return ", ".join(f"{name}:{value}" for name, value in tags.items())


def _tags(given: str, earlier: Mapping[str, str]) -> dict[str, str]:
    if given == join_tags(earlier):  # unchanged; the values may contain commas
        return dict(earlier)
    return parse_tags(given)


def parse_tags(given: str) -> dict[str, str]:
    """Parse tags in the form `name:value`, separated by commas.

    Raises:
        InvalidValue: A tag has another form.
    """
    pairs = [pair.partition(":") for pair in given.split(",") if pair.strip()]
    if not all(colon for _name, colon, _value in pairs):
        raise InvalidValue("tags", text("problems.tags_form"))
    return {name.strip(): value.strip() for name, _colon, value in pairs}


def _quantity(name: str, given: str, read: Callable[[str], int], example: str) -> int:
    try:
        return read(given)
    except ValueError:
        raise InvalidValue(name, text("problems.quantity", example=example)) from None


def _number(name: str, given: str) -> float | None:
    try:
        return float(given) if given else None
    except ValueError:
        raise InvalidValue(name, text("problems.number")) from None
