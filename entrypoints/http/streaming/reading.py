import asyncio

from application.errors import DependencyUnavailable
from application.use_cases.get_job import GetJob
from application.views import JobDetails
from entrypoints.http.streaming.job_notifier import Subscription


async def read_anew(get_job: GetJob, known: JobDetails, subscription: Subscription) -> JobDetails:
    """Return a job as it is now, or as it was while the database is out of reach; note what was seen."""
    subscription.changed = False
    try:
        details = await asyncio.to_thread(get_job, known.job.id)
    except DependencyUnavailable:
        subscription.seen = None
        return known
    subscription.seen = details.version
    return details
