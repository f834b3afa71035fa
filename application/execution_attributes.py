"""The attributes of spans about an execution."""

from application.ports.tracing import Attributes
from domain.execution import Execution
from domain.job import Job


def attributes_of(job: Job, execution: Execution) -> Attributes:
    """Return the ids and the language of an execution."""
    return {
        "service_server.job_id": str(job.id),
        "service_server.execution_id": str(execution.id),
        "service_server.attempt": execution.number,
        "service_server.tenant": str(job.tenant),
        "service_server.project_id": int(job.project_id),
        "service_server.language": job.spec.language.name,
    }
