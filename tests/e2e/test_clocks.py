"""A machine whose clock is set while programs run: the time of day of all the service's processes."""

import signal
import subprocess
from pathlib import Path

import pytest

from tests.e2e.test_restart import SHORT
from tests.support import service

SOURCE = Path(service.__file__).with_name("settable_clock.c")
PROGRAM = "import sys, time; print('begun', flush=True); time.sleep(float(sys.argv[1])); print('done')"
# Some leases, and the two intervals of renewal that recovery waits after the clock was set.
SOME_LEASES_S = 4 * SHORT["SERVICE_SERVER_LEASE_S"]
ENDLESS_S = 600
SOON_S = 60


class Machine:
    """A service, a standalone runner beside it, and the clock of both."""

    def __init__(self, server, runner, offset):
        self.server = server
        self.runner = runner
        self._offset = offset

    def set_clock(self, seconds):
        self._offset.write_text(str(seconds))

    def runner_job(self):
        """Return the runner's job when it has ended."""
        with self.server.http as http:
            (job,) = http.get("/api/projects/standalone/jobs").json()
        return self.server.job(job["job_id"], wait_s=SOON_S)


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    library = tmp_path_factory.mktemp("library") / "settable_clock.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, SOURCE], check=True)
    return library


@pytest.fixture
def machine(request, library, tmp_path):
    offset = tmp_path / "offset"
    offset.write_text("0")
    clock = {"LD_PRELOAD": str(library), "SETTABLE_CLOCK": str(offset)}
    env = service.environment(tmp_path / "data", **SHORT, **clock)
    program = tmp_path / "slow.py"
    program.write_text(PROGRAM)
    seconds = str(getattr(request, "param", SOME_LEASES_S))
    run = ("run", "--project", "standalone", str(program), "--", seconds)
    with service.served(env) as server, service.start(*run, env=env) as runner:
        assert runner.stdout.readline() == b"begun\n"
        yield Machine(server, runner, offset)
        runner.kill()
        runner.communicate()


@pytest.mark.parametrize("seconds", [-600, 600])
def test_a_program_that_runs_outlives_a_clock_that_is_set(machine, seconds):
    machine.set_clock(seconds)

    # Not by `communicate`, which passes over what was read together with the first line.
    said, errors = machine.runner.stdout.read(), machine.runner.stderr.read()
    assert (machine.runner.wait(90), said) == (0, b"done\n"), errors
    ended = machine.runner_job()
    times = [ended["data"][name] for name in ("created_at", "started_at", "completed_at")]
    assert times == sorted(times)
    assert ended["status"] == "SUCCESS"
    assert "lost its worker" not in machine.server.output


@pytest.mark.parametrize("machine", [ENDLESS_S], indirect=True)
def test_what_is_lost_is_recovered_soon_although_the_clock_was_set_back(machine):
    machine.set_clock(-600)
    machine.runner.send_signal(signal.SIGKILL)

    ended = machine.runner_job()

    assert (ended["status"], ended["data"]["reason"]) == ("FAILED", "worker_lost")
