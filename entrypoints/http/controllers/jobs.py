"""Lists and details of jobs."""

from litestar import Controller, Response, delete, get
from litestar.di import NamedDependency, Provide

from application.lists import JobFilter
from application.queries.job_reader import JobPage
from domain.caller import Caller, Scope
from entrypoints.http.dependencies import Api
from entrypoints.http.json_request import JsonRequest
from entrypoints.http.openapi_docs import openapi_docs
from entrypoints.http.parameters import JobIdInPath, ProjectInPath, job_filter, next_page
from entrypoints.http.presenter import Presenter, case_result, tagged
from entrypoints.http.schemas.jobs import CasesResponse, JobDetailsResponse, JobResponse

_Jobs = Response[list[JobResponse]]
_PAGES = (
    "Newest first, in pages: the `Link` header has the next page, with the same filters. A page may have "
    "fewer jobs than `limit`, or none, if finding more would take long: the next page continues the search."
)


class JobsController(Controller):
    """Reading jobs."""

    tags = ("Jobs",)
    dependencies = {"job_filter": Provide(job_filter, sync_to_thread=False)}  # noqa: RUF012 - as in the framework

    @get(
        "/jobs",
        sync_to_thread=True,
        **openapi_docs("listJobs", "List jobs", _PAGES, headers=("Link",), scope=Scope.JOBS_READ),
    )
    def list_all(
        self,
        request: JsonRequest,
        job_filter: NamedDependency[JobFilter],
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> _Jobs:
        """List jobs."""
        return _page(request, api.services.job_reader.page(caller, job_filter), api.presenter.to(caller))

    @get(
        "/projects/{project:str}/jobs",
        sync_to_thread=True,
        **openapi_docs(
            "listProjectJobs",
            "List a project's jobs",
            f"The list of a project that does not exist is empty. {_PAGES}",
            headers=("Link",),
            scope=Scope.JOBS_READ,
        ),
    )
    def list_of_project(
        self,
        request: JsonRequest,
        project: ProjectInPath,
        job_filter: NamedDependency[JobFilter],
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> _Jobs:
        """List a project's jobs."""
        page = api.services.job_reader.page(caller, job_filter, project)
        return _page(request, page, api.presenter.to(caller))

    @get(
        "/jobs/{jobId:str}/cases",
        sync_to_thread=True,
        **openapi_docs(
            "getCases",
            "Get the results of a job's cases",
            "While the job runs, the results so far. Empty for a job without cases.",
            problems=(404, 409),
            headers=("ETag",),
            scope=Scope.JOBS_READ,
        ),
    )
    def cases(
        self,
        job_id: JobIdInPath,
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> Response[CasesResponse]:
        """Get the results of a job's cases."""
        details = api.services.job_reader.with_cases(caller, api.job_id(caller, job_id))
        total = 0 if details.job.spec.cases is None else details.job.spec.cases.total
        return tagged(
            CasesResponse(
                job_id=str(details.job.id),
                total=total,
                passed=sum(case.is_accepted for case in details.cases),
                done=len(details.cases),
                cases=[case_result(case) for case in details.cases],
            )
        )

    @get(
        "/jobs/{jobId:str}",
        sync_to_thread=True,
        **openapi_docs(
            "getJob",
            "Get a job",
            "The job with its options and all attempts.",
            problems=(404, 409),
            headers=("ETag",),
            scope=Scope.JOBS_READ,
        ),
    )
    def get(
        self,
        job_id: JobIdInPath,
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> Response[JobDetailsResponse]:
        """Get a job."""
        details = api.services.job_reader.with_cases(caller, api.job_id(caller, job_id))
        return tagged(api.presenter.to(caller).details(details, api.services.job_reader.reruns(details)))

    @delete(
        "/jobs/{jobId:str}",
        status_code=204,
        sync_to_thread=True,
        **openapi_docs(
            "deleteJob",
            "Delete a job",
            "Deletes a job that has ended, with its executions, code and logs. Cancel a job that has not "
            "ended first.",
            problems=(404, 409),
            scope=Scope.JOBS_WRITE,
        ),
    )
    def delete(self, job_id: JobIdInPath, caller: NamedDependency[Caller], api: NamedDependency[Api]) -> None:
        """Delete a job."""
        api.services.delete_job(caller, api.job_id(caller, job_id))


def _page(request: JsonRequest, page: JobPage, presenter: Presenter) -> _Jobs:
    return Response([presenter.job(job) for job in page.jobs], headers=next_page(request, page.next))
