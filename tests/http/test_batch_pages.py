"""The pages of batches, and what other pages show of them."""

import re

from application.ports.execution_engine import EngineReport
from domain.execution import ExecutionResult
from domain.job_lifecycle import JobStatus, Reason
from tests.http.support import UNKNOWN_ID, Service, poll

_TOKEN = re.compile(r'name="csrf" value="([^"]+)"')


def submit(service: Service, number: int = 2, **fields: object) -> dict:
    job = {"project": "batches", "code": "1", "language": "python", "execute": False, **fields}
    answer = service.http.post("/api/batches", json={"jobs": [job] * number})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_batches_are_listed_with_their_numbers(service: Service):
    batch = submit(service, 3)

    page = service.http.get("/dashboard/batches").text

    assert f'href="/dashboard/batches/{batch["batch_id"]}"' in page
    row = page.partition(batch["batch_id"])[2].partition("</tr>")[0]
    assert re.search(r"Pending</span> 3", row)


def test_a_page_that_is_not_the_last_leads_to_older_batches(service: Service):
    first = submit(service, 1)
    for _ in range(20):
        submit(service, 1)

    page = service.http.get("/dashboard/batches").text
    (older,) = re.findall(r'id="older" href="([^"]+)"', page)

    assert first["batch_id"] not in page
    assert first["batch_id"] in service.http.get(older).text


def test_a_batch_is_shown_and_cancelled(service: Service):
    batch = submit(service)
    url = f"/dashboard/batches/{batch['batch_id']}"
    page = service.http.get(url).text
    assert all(f'href="/dashboard/jobs/{job_id}"' in page for job_id in batch["jobs"])
    token = _TOKEN.search(page)
    assert token is not None

    answer = service.http.post(f"{url}/cancel", data={"csrf": token[1]}, follow_redirects=True)

    assert re.search(r'Cancelled</span> <span class="number">2<', answer.text)
    assert 'id="cancel"' not in answer.text
    assert service.http.get(f"{url}/state").text.lstrip().startswith("<div")


def test_an_unknown_batch_is_not_found(service: Service):
    assert service.http.get(f"/dashboard/batches/{UNKNOWN_ID}").status_code == 404


def test_a_job_leads_to_its_batch_and_its_reruns(service: Service):
    batch = submit(service, 1)
    (job_id,) = batch["jobs"]
    again = service.http.post(f"/api/jobs/{job_id}/rerun", params={"wait": 20}).json()["job_id"]

    first, second = (service.http.get(f"/dashboard/jobs/{each}").text for each in (job_id, again))

    assert f'href="/dashboard/batches/{batch["batch_id"]}"' in first
    assert f'href="/dashboard/jobs/{again}"' in first
    assert f'href="/dashboard/jobs/{job_id}"' in second
    service.http.post(f"/api/cancel/{job_id}")


def test_the_page_of_a_job_that_waits_for_its_next_attempt_says_so(service: Service):
    def fail(_request, observer):
        observer.started()
        return EngineReport(ExecutionResult(status=JobStatus.FAILED, reason=Reason.SIGNAL, signal=9))

    service.engine.program = fail
    job_id = service.upload(execute=True, max_attempts=2, retry_on=["signal"])["job_id"]
    poll(lambda: len(service.http.get(f"/api/jobs/{job_id}").json()["executions"]) == 2)

    assert "the next attempt starts at" in service.http.get(f"/dashboard/jobs/{job_id}").text
    waiting = service.http.get(f"/api/jobs/{job_id}/timeline").json()["waiting"]
    assert waiting["awaited"] == "retry"
    assert service.http.post(f"/api/cancel/{job_id}").json()["status"] == "CANCELLED"


def test_the_page_of_the_cluster_lists_runtimes(service: Service):
    page = service.http.get("/dashboard/cluster").text

    assert re.search(r'<td class="mono">python</td><td>python <span class="tag">default</span>', page)
