import subprocess
import sys

import pytest

ABOUT_JOBS = ["run", "logs", "client_commands"]
OF_THE_SERVICE = (
    "application.use_cases",
    "adapters",
    "entrypoints.container",
    "entrypoints.http",
    "litestar",
)


@pytest.mark.parametrize("name", ABOUT_JOBS)
def test_a_command_about_jobs_knows_nothing_of_the_service_but_its_api(name):
    program = f"import sys, entrypoints.cli.{name}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert [module for module in loaded.stdout.split() if module.startswith(OF_THE_SERVICE)] == []


def test_help_loads_no_command():
    program = (
        "import sys; from entrypoints.cli.main import service_server;"
        "service_server.main(['--help'], standalone_mode=False); print(*sys.modules, file=sys.stderr)"
    )
    loaded = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert "cancel" in loaded.stdout
    assert not {"httpx", "uvicorn", "litestar", "pydantic"} & set(loaded.stderr.split())
