"""The page of the engine and the queue."""

from pathlib import Path

from tests.http.support import Service, poll, serving


def history(service: Service, minutes: int) -> dict:
    answer = service.http.get("/dashboard/cluster/history", params={"minutes": minutes})
    return answer.raise_for_status().json()


def test_the_history_survives_a_restart(tmp_path: Path):
    with serving(tmp_path) as service:
        first = poll(lambda: history(service, 60)["samples"])[0]
    with serving(tmp_path) as service:
        hour, month = history(service, 60), history(service, 43_200)
        refused = service.http.get("/dashboard/cluster/history", params={"minutes": 0})

    assert (first["waiting"], first["running"], first["age"], first["cpu"]) == (0, 0, 0, 12.5)
    assert (hour["step_s"], hour["samples"][0]) == (60, first)
    assert (month["step_s"], len(month["samples"])) == (3_600, 1)
    assert refused.status_code == 422
