"""Many readers at once: they hold no thread, and a server that stops sends them home."""

from pathlib import Path

from tests.http.support import serving
from tests.support.processes import eventually
from tests.support.streams import open_streams

STREAMS = 200


def test_many_open_streams_hold_nobody_up_and_end_with_the_server(tmp_path: Path):
    with serving(tmp_path) as service:
        job_ids = [service.upload()["job_id"] for _ in range(STREAMS // 2)]
        paths = [f"/api/jobs/{job_id}/{kind}" for job_id in job_ids for kind in ("output", "events")]
        with open_streams(str(service.http.base_url), paths) as streams:
            assert service.run(stdin="in between")["status"] == "SUCCESS"
            assert streams.open_number == STREAMS

            service.server.should_exit = True

            assert eventually(lambda: streams.open_number == 0)


def test_readers_that_leave_are_forgotten(tmp_path: Path):
    with serving(tmp_path) as service:
        job_id = service.upload()["job_id"]
        with open_streams(str(service.http.base_url), [f"/api/jobs/{job_id}/output"] * 20):
            assert eventually(lambda: service.notifier.capacity.used == 20)
            assert service.is_waited_for(job_id)

        assert eventually(lambda: not service.is_waited_for(job_id))
