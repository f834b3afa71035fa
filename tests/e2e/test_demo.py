import subprocess
import sys

from tests.support import service

# Each would break it, if it were obeyed.
OF_A_DEPLOYMENT = {
    "AWS_RDS_HOST": "database.invalid",
    "SERVICE_SERVER_REDIS_URL": "redis://queue.invalid",
    "EXECUTION_ENGINE_BASE_URL": "http://engine.invalid",
    "EXECUTION_ENGINE_TIMEOUT": "1",
    "SERVICE_SERVER_MAX_CODE_BYTES": "1",
}


def demo(directory, **settings):
    env = service.environment(directory / "data", PYTHONPATH=service.ROOT, COLUMNS=120, **settings)
    return subprocess.run(
        [sys.executable, "-m", "examples.demo"],
        env=env,
        cwd=directory,
        capture_output=True,
        check=False,
        text=True,
        timeout=100,
    )


def test_it_shows_three_programs_whatever_is_set_in_the_environment_and_in_a_file(tmp_path):
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in OF_A_DEPLOYMENT.items()))
    shown = demo(tmp_path, **OF_A_DEPLOYMENT)
    assert (shown.returncode, shown.stdout.count("SUCCESS")) == (0, 3), shown.stdout + shown.stderr
    assert not (tmp_path / "data").exists()


def test_it_isolates_as_its_user_has_chosen(tmp_path):
    shown = demo(tmp_path, SERVICE_SERVER_SANDBOX="nonsense")
    assert shown.returncode == 1
    assert shown.stderr.startswith("SERVICE_SERVER_SANDBOX: ")
