"""Commands on projects and case sets, and reads of them."""

from dataclasses import dataclass

from application.blobs import Blobs
from application.queries.case_set_reader import CaseSetReader
from application.queries.project_reader import ProjectReader
from application.service_options import ServiceOptions
from application.use_cases.change_project import ChangeProject
from application.use_cases.create_project import CreateProject
from application.use_cases.delete_case_set import DeleteCaseSet
from application.use_cases.put_case_set import PutCaseSet
from application.wiring.ports import Ports
from application.wiring.shared_parts import SharedParts


@dataclass(frozen=True, kw_only=True)
class ProjectServices:
    """Commands on projects and case sets, and reads of them."""

    create_project: CreateProject
    change_project: ChangeProject
    project_reader: ProjectReader
    put_case_set: PutCaseSet
    delete_case_set: DeleteCaseSet
    case_set_reader: CaseSetReader
    blobs: Blobs


def build_project_services(*, ports: Ports, options: ServiceOptions, shared: SharedParts) -> ProjectServices:
    """Build the services of the subsystem."""
    return ProjectServices(
        create_project=CreateProject(
            unit_of_work=shared.caller_unit_of_work,
            clock=ports.clock,
            submission_limits=options.submission_limits,
        ),
        change_project=ChangeProject(
            unit_of_work=shared.caller_unit_of_work, clock=ports.clock, ids=ports.ids
        ),
        project_reader=ProjectReader(
            unit_of_work=ports.unit_of_work, dashboard_queries=ports.dashboard_queries, clock=ports.clock
        ),
        put_case_set=PutCaseSet(
            unit_of_work=shared.caller_unit_of_work,
            blobs=shared.blobs,
            quota_guard=shared.quota_guard,
            clock=ports.clock,
            ids=ports.ids,
            limit_policy=options.limit_policy,
            submission_limits=options.submission_limits,
        ),
        delete_case_set=DeleteCaseSet(unit_of_work=shared.caller_unit_of_work),
        case_set_reader=CaseSetReader(unit_of_work=ports.unit_of_work, blobs=shared.blobs),
        blobs=shared.blobs,
    )
