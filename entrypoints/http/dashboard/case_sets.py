"""The pages of a project's case sets: the list with an upload form, and one set with its versions."""

from collections.abc import Mapping, Sequence

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from application.case_archives import read_cases
from application.new_files import NewBlob
from application.submitted_cases import NewCase
from application.use_cases.put_case_set import StoredCaseSet
from domain.caller import Caller, Scope
from domain.case_set import CaseSetName, CaseSetReference
from domain.catalogue.text import text
from domain.errors import InvalidValue
from entrypoints.http.csrf import read_file_form, read_form
from entrypoints.http.dashboard.formatting import project_url
from entrypoints.http.dashboard.pages import Pages, go_to
from entrypoints.http.dependencies import Api
from entrypoints.http.json_request import MULTIPART, AnyRequest, JsonRequest
from entrypoints.http.schemas.case_sets import CaseSetCase
from entrypoints.settings import Settings

# The maximum number of sets or cases on a page.
_ROWS = 100
# The largest version or offset: both are SQL integers.
_MOST = 2**31 - 1


class CaseSetPages(Controller):
    """The case sets of one project."""

    path = "/projects/{project:str}/case-sets"

    @get(sync_to_thread=True, scope=Scope.JOBS_READ)
    def show_all(
        self,
        request: AnyRequest,
        project: FromPath[str],
        pages: NamedDependency[Pages],
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> Response[bytes]:
        """Show the sets of a project, by name."""
        after = request.query_params.get("after")
        found, versions = api.services.case_set_reader.all(caller, project, after, _ROWS)
        context = {
            "project": found,
            "sets": versions,
            "next": versions[-1].name.value if len(versions) == _ROWS else None,
        }
        return pages.page(request, "case_sets.html", context)

    @post(scope=Scope.JOBS_WRITE, opt={MULTIPART: True})
    async def put(
        self,
        request: JsonRequest,
        project: FromPath[str],
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> Response[bytes] | Redirect:
        """Store the cases in an archive as a set."""
        form = await read_file_form(request)

        def put() -> StoredCaseSet:
            with form.spool:
                cases = cases_of(form.file("archive"), api.settings)
            return api.services.put_case_set(caller, project, form.fields.get("name", "").strip(), cases)

        stored = await api.storage_threads.run(put)
        return go_to(request, f"{project_url(project)}/case-sets/{stored.version.name}")

    @get("/{name:str}", scope=Scope.JOBS_READ)
    async def show(
        self,
        request: AnyRequest,
        project: FromPath[str],
        name: FromPath[str],
        pages: NamedDependency[Pages],
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> Response[bytes]:
        """Show a version of a set with its cases."""
        query = request.query_params
        reference = CaseSetReference(CaseSetName(name), _number(query, "version", 1))
        offset = _number(query, "offset", 0) or 0

        def read() -> Response[bytes]:
            page = api.services.case_set_reader.page(caller, project, reference, offset, _ROWS)
            context = {
                "project": page.project,
                "set": page.version,
                "versions": page.versions,
                "cases": [CaseSetCase.of(case) for case in page.cases],
                "offset": offset,
                "rows": _ROWS,
            }
            return pages.page(request, "case_set.html", context)

        return await api.log_limiter.run(read)

    @post("/{name:str}/delete", scope=Scope.JOBS_WRITE)
    async def delete(
        self,
        request: AnyRequest,
        project: FromPath[str],
        name: FromPath[str],
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> Response[bytes] | Redirect:
        """Delete a set with its versions."""
        await read_form(request)
        await api.storage_threads.run(lambda: api.services.delete_case_set(caller, project, name))
        return go_to(request, f"{project_url(project)}/case-sets")


def cases_of(archive: NewBlob | None, settings: Settings) -> Sequence[NewCase]:
    """Return the cases in the archive of a form.

    Raises:
        InvalidValue: No archive was chosen, or it is invalid.
        TooLarge: The archive has too much content.
    """
    if archive is None:
        raise InvalidValue("archive", text("problems.not_chosen"))
    with archive.open() as content:
        return read_cases(content, archive.ref.size, settings.file_limits, settings.submission_limits)


def _number(query: Mapping[str, str], name: str, least: int) -> int | None:
    """Return a number in the URL, or None if it is missing.

    Raises:
        InvalidValue: The value is not a number, or is out of range.
    """
    given = query.get(name)
    if given is None:
        return None
    if not (given.isascii() and given.isdecimal() and len(given) <= len(str(_MOST))):
        raise InvalidValue(name, text("problems.whole_number"))
    if not least <= int(given) <= _MOST:
        raise InvalidValue(name, text("problems.between", minimum=least, maximum=_MOST))
    return int(given)
