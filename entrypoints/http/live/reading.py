import asyncio

from application.errors import DependencyUnavailable
from application.use_cases.get_job import GetJob
from application.views import JobDetails
from entrypoints.http.live.job_signals import Wakeup


async def read_anew(get_job: GetJob, known: JobDetails, wakeup: Wakeup) -> JobDetails:
    """Return a job as it is now, or as it was while the database is out of reach; note what was seen."""
    wakeup.changed = False
    try:
        details = await asyncio.to_thread(get_job, known.job.id)
    except DependencyUnavailable:
        wakeup.seen = None
        return known
    wakeup.seen = details.version
    return details
