"""A database file that others hold locked for longer than a lease, while programs run."""

import sqlite3
import time
from contextlib import closing

from tests.e2e.test_restart import SHORT
from tests.support import service

DATABASE = "service-server.sqlite3"
LONGER_THAN_A_LEASE_S = 3 * SHORT["SERVICE_SERVER_LEASE_S"]
PROGRAM = """
import sys, time
print("begun", flush=True)
time.sleep(float(sys.argv[1]))
print("done")
"""
DONE = "begun\ndone\n"


def test_programs_outlive_a_database_that_takes_no_writes(tmp_path):
    # Given a program of the service, and one of another process that the service would recover
    env = service.environment(tmp_path, **SHORT)
    fields = {"execute": True, "max_attempts": 3, "args": [str(LONGER_THAN_A_LEASE_S + 2)]}
    program = tmp_path / "slow.py"
    program.write_text(PROGRAM)
    run = ("run", "--project", "standalone", str(program), "--", fields["args"][0])
    with service.served(env) as server, service.start(*run, env=env) as runner:
        assert runner.stdout.readline() == b"begun\n"
        job_id = server.upload(PROGRAM, **fields)["job_id"]
        with server.http as http, http.stream("GET", f"/api/jobs/{job_id}/output") as stream:
            assert any("begun" in line for line in stream.iter_lines())
        # When somebody locks the database for longer than their leases
        with closing(sqlite3.connect(tmp_path / DATABASE, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            time.sleep(LONGER_THAN_A_LEASE_S)
            other.execute("ROLLBACK")
        ended = server.job(job_id, wait_s=60)
        said, errors = runner.communicate(timeout=90)
        logged = server.output
    # Then both end as if nothing had been
    assert (ended["status"], ended["data"]["result"]["stdout"]) == ("SUCCESS", DONE)
    assert len(ended["executions"]) == 1
    assert (runner.returncode, said) == (0, b"done\n"), errors
    assert "lost its worker" not in logged
