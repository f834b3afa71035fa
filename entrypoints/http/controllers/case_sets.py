"""Case sets of projects: stored in versions, listed, read, deleted."""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Annotated, TypeAlias

from litestar import Controller, delete, get, put
from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import BodyKwarg, PathParameter, QueryParameter

from application.case_archives import read_cases
from application.submitted_cases import NewCase
from domain.caller import Caller, Scope
from domain.case_set import CASE_SET_NAME_MAX_CHARS, CaseSetName, CaseSetReference
from domain.catalogue.text import text
from domain.errors import InvalidValue
from entrypoints.http.dependencies import Api
from entrypoints.http.json_request import ARCHIVES, MAX_VALUES, MULTIPART, JsonRequest
from entrypoints.http.openapi_docs import openapi_docs
from entrypoints.http.parameters import ProjectInPath
from entrypoints.http.schemas.case_sets import (
    CaseSetRequest,
    CaseSetResponse,
    CaseSetVersionResponse,
    StoredCaseSetResponse,
    fields_of,
)
from entrypoints.http.upload_form import UploadForm
from entrypoints.settings import Settings

_MOST = 1_000
# Enough for ten thousand cases with all of their fields.
_MAX_VALUES = 400_000
_NameInPath: TypeAlias = Annotated[
    str,
    PathParameter(
        description="A case set's name.",
        schema_extra={"minLength": 1, "maxLength": CASE_SET_NAME_MAX_CHARS},
    ),
]
_Body = Annotated[
    CaseSetRequest,
    BodyKwarg(
        examples=[
            Example(
                summary="Two cases, of which one is hidden",
                value={
                    "cases": [
                        {"name": "small", "stdin": "2 3\n", "expected_stdout": "5\n"},
                        {"name": "secret", "stdin": "20 30\n", "expected_stdout": "50\n", "hidden": True},
                    ]
                },
            )
        ]
    ),
]
_Version: TypeAlias = Annotated[
    int | None, QueryParameter(description="A version; the latest by default.", ge=1, le=2**31 - 1)
]
_Offset: TypeAlias = Annotated[
    int, QueryParameter(description="The index of the first case.", ge=0, le=2**31 - 1)
]
_Limit: TypeAlias = Annotated[
    int,
    QueryParameter(
        description="Maximum number of items.", ge=0, le=_MOST, schema_extra={"minimum": 0, "maximum": _MOST}
    ),
]
_After: TypeAlias = Annotated[
    str | None, QueryParameter(description="The name of the last set of the previous page.")
]


_NAMES = {"names": {"case_set": "name"}}


class CaseSetsController(Controller):
    """Case sets."""

    path = "/projects/{project:str}/case-sets"
    tags = ("Case sets",)

    @get(
        sync_to_thread=True,
        opt={"names": {"case_set": "after"}},
        **openapi_docs(
            "listCaseSets",
            "List the case sets of a project",
            "The latest version of each, ordered by name.",
            problems=(404,),
            scope=Scope.JOBS_READ,
        ),
    )
    def list_all(
        self,
        project: ProjectInPath,
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
        after: _After = None,
        limit: _Limit = 100,
    ) -> list[CaseSetVersionResponse]:
        """List case sets."""
        _project, versions = api.services.case_set_reader.all(caller, project, after, limit)
        return [CaseSetVersionResponse.of(version) for version in versions]

    @put(
        "/{name:str}",
        status_code=200,
        opt={
            MULTIPART: True,
            ARCHIVES: True,
            MAX_VALUES: _MAX_VALUES,
            "names": {"case_set": "name", "archive": "", "files": "", "stdin": ""},
        },
        **openapi_docs(
            "putCaseSet",
            "Store a case set",
            "Stores the cases as the next version of the set, unless they equal the latest version. Jobs "
            "refer to the set in `case_set`, and keep the version that was the latest when they were "
            "uploaded.",
            problems=(404, 409),
            scope=Scope.JOBS_WRITE,
        ),
    )
    async def put(
        self,
        request: JsonRequest,
        project: ProjectInPath,
        name: _NameInPath,
        data: _Body,
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> StoredCaseSetResponse:
        """Store a case set."""

        def put() -> StoredCaseSetResponse:
            form = request.form_of_upload
            with nullcontext() if form is None else form.spool:
                cases = _cases(data, form, api.settings)
            stored = api.services.put_case_set(caller, project, name, cases)
            return StoredCaseSetResponse(
                **fields_of(stored.version), project=stored.project.name.value, is_new=stored.is_new
            )

        return await api.storage_threads.run(put)

    @get(
        "/{name:str}",
        opt=_NAMES,
        **openapi_docs(
            "getCaseSet",
            "Get a case set",
            "A version with some of its cases, and the list of versions. Contents that are text are shown "
            "from their beginning; the contents of hidden cases are not shown.",
            problems=(404,),
            scope=Scope.JOBS_READ,
        ),
    )
    async def read(
        self,
        project: ProjectInPath,
        name: _NameInPath,
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
        version: _Version = None,
        offset: _Offset = 0,
        limit: _Limit = 100,
    ) -> CaseSetResponse:
        """Get a case set."""

        def read() -> CaseSetResponse:
            reference = CaseSetReference(CaseSetName(name), version)
            page = api.services.case_set_reader.page(caller, project, reference, offset, limit)
            return CaseSetResponse.of_page(page)

        return await api.log_limiter.run(read)

    @delete(
        "/{name:str}",
        status_code=204,
        sync_to_thread=True,
        opt=_NAMES,
        **openapi_docs(
            "deleteCaseSet",
            "Delete a case set",
            "Deletes all versions. Jobs that were uploaded with one keep its cases.",
            problems=(404, 409),
            scope=Scope.JOBS_WRITE,
        ),
    )
    def delete(
        self,
        project: ProjectInPath,
        name: _NameInPath,
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> None:
        """Delete a case set."""
        api.services.delete_case_set(caller, project, name)


def _cases(data: CaseSetRequest, form: UploadForm | None, settings: Settings) -> Sequence[NewCase]:
    """Return the cases in a body or in its archive.

    Raises:
        InvalidValue: There are none, they are given in two ways, or the body has other files.
        TooLarge: The archive is too large.
    """
    archive = None if form is None else form.archive
    if form is not None and (form.files or form.stdin):
        raise InvalidValue("files" if form.files else "stdin", text("problems.not_of_case_set"))
    if archive is None:
        return data.given()
    if data.cases is not None:
        raise InvalidValue("cases", text("problems.cases_in_archive"))
    with archive.open() as content:
        return read_cases(content, archive.ref.size, settings.file_limits, settings.submission_limits)
