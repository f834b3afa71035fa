"""The form of the editor on a project's page: runs a program, also with files, and for cases."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

import msgspec
from litestar import Controller, Response, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from application.commands import UploadCodeCommand
from application.file_spool import FileSpool
from application.views import JobView
from domain.caller import Caller, Scope
from domain.cases import StopOn
from domain.catalogue.figures import read_duration, read_size
from domain.catalogue.text import text
from domain.checker import CheckerKind
from domain.errors import InvalidValue
from domain.values import JobId
from entrypoints.http.csrf import read_file_form
from entrypoints.http.dashboard.case_sets import cases_of
from entrypoints.http.dashboard.cases import cases_context
from entrypoints.http.dashboard.job_state import state_context
from entrypoints.http.dashboard.pages import Pages, go_to, is_partial
from entrypoints.http.dependencies import Api
from entrypoints.http.file_form import FileForm
from entrypoints.http.json_request import MULTIPART, JsonRequest
from entrypoints.http.schemas.requests import CaseRequest, CheckerRequest, UploadRequest
from entrypoints.http.upload_command import upload_command
from entrypoints.http.upload_form import ARCHIVE, FILES, NO_FIELDS, UploadForm
from entrypoints.settings import Settings

_Choice = TypeVar("_Choice", CheckerKind, StopOn)
_CASES_ARCHIVE = "cases_archive"


class EditorForms(Controller):
    """The form of the editor."""

    path = "/projects/{project:int}/run"

    @post(scope=Scope.JOBS_WRITE, opt={MULTIPART: True})
    async def run(
        self,
        request: JsonRequest,
        project: FromPath[int],
        pages: NamedDependency[Pages],
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> Response[bytes] | Redirect:
        """Run the program in the editor, and show its output, or the results of its cases, live."""
        form = await read_file_form(request)

        def run() -> JobView:
            with form.spool, FileSpool() as spool:
                return api.services.upload_code(caller, _command(project, form, api.settings, spool))

        job = await api.storage_threads.run(run)
        if not is_partial(request):
            return go_to(request, f"/dashboard/jobs/{job.job_id}")
        context = await asyncio.to_thread(_live_context, api, caller, job.job_id)
        return pages.page(request, "_live.html", context)


def _live_context(api: Api, caller: Caller, job_id: JobId) -> dict[str, object]:
    timeline = api.services.job_reader.timeline(caller, job_id)
    details = api.services.job_reader.with_cases(caller, job_id)
    return {"version": "", **state_context(timeline), **cases_context(details)}


def _command(project_id: int, form: FileForm, settings: Settings, spool: FileSpool) -> UploadCodeCommand:
    """Read the form.

    Raises:
        InvalidValue: A field is not written as the page writes it, or there are cases of two kinds.
        TooLarge: A file is too large.
    """
    parts = [part for part in form.files if part.name in {FILES, ARCHIVE}]
    fields = form.fields
    archive = form.file(_CASES_ARCHIVE)
    written = _written_cases(fields.get("cases", ""))
    sources = (archive, written, fields.get("case_set"))
    if sum(map(bool, sources)) > 1:
        raise InvalidValue("cases", text("problems.cases_of_one_kind"))
    upload = _upload(project_id, fields)
    checker, stop_on = _checker(fields), _choice(StopOn, "stop_on", fields)
    upload = _upload(project_id, fields)
    if written or fields.get("case_set"):
        case_set = fields.get("case_set") or None
        upload = msgspec.structs.replace(
            upload, cases=written or None, case_set=case_set, checker=checker, stop_on=stop_on
        )
    files = UploadForm(NO_FIELDS, parts, form.spool)
    command = upload_command(upload, files, settings.file_limits, spool)
    if archive is None:
        return command
    return replace(
        command,
        cases=tuple(cases_of(archive, settings)),
        checker=None if checker is None else checker.checker(),
        stop_on=stop_on,
    )


def _upload(project_id: int, form: Mapping[str, str]) -> UploadRequest:
    return UploadRequest(
        project=str(project_id),
        code=_text(form, "code"),
        language=form.get("language", ""),
        stdin=_text(form, "stdin"),
        tags=_tags(form.get("tags", "")),
        artifacts=tuple(filter(None, (each.strip() for each in form.get("artifacts", "").split(",")))),
        timeout_ms=_quantity("timeout_ms", form.get("timeout_ms", ""), read_duration),
        memory_mb=_quantity("memory_mb", form.get("memory_mb", ""), read_size),
        execute=True,
    )


def _text(form: Mapping[str, str], name: str) -> str:
    """Return a text. A browser ends the lines of a form with CR LF, which no program expects."""
    return form.get(name, "").replace("\r\n", "\n")


def _written_cases(given: str) -> tuple[CaseRequest, ...]:
    """Read the cases that were written on the page, whose script writes them as JSON."""
    try:
        return msgspec.json.decode(given or "[]", type=tuple[CaseRequest, ...])
    except msgspec.DecodeError:
        raise InvalidValue("cases", text("problems.cases_of_editor")) from None


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


def _tags(given: str) -> dict[str, str]:
    pairs = [pair.partition(":") for pair in given.split(",") if pair.strip()]
    if not all(colon for _name, colon, _value in pairs):
        raise InvalidValue("tags", text("problems.tags_form"))
    return {name.strip(): value.strip() for name, _colon, value in pairs}


def _quantity(name: str, given: str, read: Callable[[str], int]) -> int | None:
    try:
        return read(given) if given.strip() else None
    except ValueError:
        example = "10 s or 250 ms" if read is read_duration else "256 MiB or 1 GiB"
        raise InvalidValue(name, text("problems.quantity", example=example)) from None


def _number(name: str, given: str) -> float | None:
    try:
        return float(given) if given else None
    except ValueError:
        raise InvalidValue(name, text("problems.number")) from None
