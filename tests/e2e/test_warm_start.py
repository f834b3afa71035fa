"""The operator's view of interpreters that are started ahead, and of control groups."""

import pytest

from tests.support import service
from tests.support.processes import eventually
from tests.support.sandbox import require_bubblewrap


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "Python: 4 ready, each for one job"),
        ({"SERVICE_SERVER_WARM_STARTS": 0}, "none: SERVICE_SERVER_WARM_STARTS is 0"),
        ({"SERVICE_SERVER_SANDBOX": "off"}, "none: programs are not isolated"),
    ],
)
def test_the_api_the_doctor_and_the_log_say_whether_there_is_a_warm_start(tmp_path, settings, said):
    require_bubblewrap()
    env = service.environment(tmp_path, **settings)

    examined = service.run("doctor", env=env)
    with service.served(env) as server, server.http as http:
        described = http.get("/api/engine").json()["warm_start"]

        assert said in examined.stdout.decode()
        assert described.split("; ")[0] == said
        assert eventually(lambda: f"warm start: {said}" in server.output)


def test_the_api_the_doctor_and_the_log_say_whether_there_are_control_groups(tmp_path):
    require_bubblewrap()
    env = service.environment(tmp_path)

    examined = service.run("doctor", env=env).stdout.decode()
    with service.served(env) as server, server.http as http:
        described = http.get("/api/engine").json()["control_groups"]
        used = described.startswith("version ")
        logged = f"control groups{':' if used else ' are'} {described}"

        assert used or "; " in described  # cause and remedy
        assert described.partition(",")[0] in examined
        assert eventually(lambda: logged in server.output)


def test_a_program_runs_warm_with_the_standard_settings(tmp_path):
    require_bubblewrap()
    code = "print('PYTHONPATH=' in open('/proc/self/environ').read())"
    with service.served(service.environment(tmp_path)) as server:

        def is_warm():
            job = server.upload(code, execute=True)
            return server.job(job["job_id"], wait_s=10)["data"]["result"]["stdout"] == "True\n"

        assert eventually(is_warm)
