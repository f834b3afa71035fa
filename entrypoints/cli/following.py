import time

import httpx

from entrypoints.cli.client import Json, ServiceClient
from entrypoints.cli.failure import Failure
from entrypoints.cli.program_output import ProgramOutput

# A server that restarts is back within these pauses, in seconds.
_PAUSES_S = (0.2, 0.5, 1, 2, 4, 8)


def follow(client: ServiceClient, job_id: str, output: ProgramOutput) -> Json:
    """Pass on a job's output until it has ended, and return the job.

    A stream that breaks off is taken up where it broke.

    Raises:
        Failure: It cannot be taken up, or the service refuses.
    """
    last_id: str | None = None
    pauses = iter(_PAUSES_S)
    while True:
        try:
            for event in client.events(f"/api/jobs/{job_id}/output", last_id):
                pauses = iter(_PAUSES_S)
                last_id = event.id or last_id
                if event.name == "end":
                    return _ended(client, job_id, output)
                output.take(event)
        except httpx.TransportError as error:
            lost: Exception | None = error
        else:
            lost = None
        pause = next(pauses, None)
        if pause is None:
            raise Failure(
                f"lost the service; the job goes on: service-server logs --follow {job_id}"
            ) from lost
        time.sleep(pause)


def _ended(client: ServiceClient, job_id: str, output: ProgramOutput) -> Json:
    job = client.get(f"/api/jobs/{job_id}")
    if "result" in job["data"]:
        output.complete(client, job["data"]["result"])
    return job
