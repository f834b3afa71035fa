"""The version before and this one serve at once: under load, before, during and after the migration."""

import os
import subprocess
import sys
import threading
from pathlib import Path
from uuid import uuid4

import pytest

from tests.chaos.conftest import QUICK
from tests.chaos.jobs import ask, outcomes
from tests.support.cluster import Cluster
from tests.support.ports import free_port
from tests.support.processes import eventually
from tests.support.service import ServiceProcess, answers_at, says

ROOT = Path(__file__).parents[2]
# The commit of the last version, and the revision of its tables.
PREVIOUS, ITS_TABLES = "cab3ebb0ca00", "0028"
_RUN = "import sys; sys.path.insert(0, sys.argv.pop(1)); from entrypoints.cli.main import main; main()"
# Of each phase, at least.
JOBS = 10


class PreviousProcess(ServiceProcess):
    """A process of the version before, from its own sources."""

    def __init__(self, sources: Path, arguments, environment, log, is_ready):
        super().__init__(arguments, environment, log, is_ready)
        self._sources = sources

    def launch(self) -> None:
        with self._log.open("ab") as log, Path(os.devnull).open("rb") as nothing:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _RUN, str(self._sources), *self._arguments],
                env=dict(self._environment),
                cwd=self._log.parent,
                stdin=nothing,
                stdout=log,
                stderr=log,
            )


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """The sources of the version before."""
    archive = subprocess.run(["git", "archive", PREVIOUS], cwd=ROOT, capture_output=True, check=False)
    if archive.returncode != 0:
        pytest.skip(f"commit {PREVIOUS} is not in this copy of the repository: git fetch --unshallow")
    directory = tmp_path_factory.mktemp("previous")
    subprocess.run(["tar", "-x", "-C", directory], input=archive.stdout, check=True)
    return directory


@pytest.fixture
def cluster(servers, tmp_path):
    """A cluster with the tables of the version before, and no process."""
    with Cluster(tmp_path / "versions", servers, redis_database=5, **QUICK) as cluster:
        cluster.run("migrate", "down", ITS_TABLES)
        yield cluster


@pytest.fixture
def previous(cluster, sources, tmp_path):
    """An API and a worker of the version before, and the API's address."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    api = (["serve", "--port", str(port)], cluster.environment, tmp_path / "api.log", answers_at(url))
    worker = (["worker"], cluster.environment, tmp_path / "worker.log", says("Working on"))
    processes = [PreviousProcess(sources, *api), PreviousProcess(sources, *worker)]
    try:
        for process in processes:
            process.start()
        yield processes, url
    finally:
        for process in processes:
            process.kill()


def submit(url):
    """Upload a program and have it executed, again while a busy database refuses; return the job."""
    headers = {"Idempotency-Key": str(uuid4())}
    body = {"project": "versions", "language": "python", "code": "print(1)", "execute": True}
    answers = []

    def is_answered():
        answers.append(ask("POST", f"{url}/api/upload", json=body, headers=headers))
        return answers[-1].status_code != 503

    eventually(is_answered)
    assert answers[-1].status_code == 200, answers[-1].text
    return answers[-1].json()["job_id"]


class Load:
    """A caller that uploads to addresses by turns as long as the context lasts."""

    def __init__(self, *urls):
        self.urls = urls
        self.jobs = []
        self.errors = []
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._is_over.set()
        self._thread.join()

    def go_on(self):
        """Wait until so many more jobs are taken."""
        wanted = len(self.jobs) + JOBS
        assert eventually(lambda: self.errors or len(self.jobs) >= wanted)

    def _run(self):
        while not self._is_over.is_set():
            try:
                self.jobs.append(submit(self.urls[len(self.jobs) % len(self.urls)]))
            except Exception as error:  # noqa: BLE001 - the test's thread looks at it
                self.errors.append(error)
                return


def test_both_versions_serve_while_the_tables_are_migrated_and_each_job_ends_once(cluster, previous):
    # Given processes of the version before, under load
    processes, url = previous
    with Load(url) as load:
        load.go_on()
        # When the tables are migrated, processes of this version start, and the others stop one by one
        cluster.run("migrate", "up")
        load.go_on()
        cluster.start(apis=1, workers=1)
        load.urls = (url, *cluster.urls)
        load.go_on()
        _api, worker = processes
        worker.terminate()
        assert worker.wait() == 0
        load.go_on()
        load.urls = tuple(cluster.urls)
        load.go_on()

    # Then every job that was taken has ended well, once, and none was refused
    assert load.errors == []
    assert set(outcomes(cluster, load.jobs).values()) == {("SUCCESS", None)}
    ends = "SELECT job_id FROM executions WHERE status = 'SUCCESS'"
    assert sorted(str(row[0]) for row in cluster.rows(ends)) == sorted(load.jobs)
    assert cluster.rows("SELECT version_num FROM service_server_version") > [(ITS_TABLES,)]
