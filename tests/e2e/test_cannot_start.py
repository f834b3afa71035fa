"""A machine that does not let the service start is reported in a sentence."""

import resource
import subprocess

from tests.support import service


def test_too_few_open_files_are_told_with_the_remedy(tmp_path):
    started = subprocess.run(
        [service.PROGRAM, "serve", "--port", "0"],
        env=service.environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)),
    )

    assert started.returncode == 3
    assert started.stderr.startswith("service-server: this process may have 64 files open, and needs 256")
    assert "ulimit -n 4096" in started.stderr
    assert started.stderr.count("\n") == 1


def test_a_data_directory_that_is_a_file_is_told(tmp_path):
    file = tmp_path / "data"
    file.write_text("")

    ended = service.run("serve", "--port", "0", env=service.environment(file))

    assert ended.returncode == 3
    assert ended.stderr.decode() == (
        f"service-server: the data directory is unavailable: {file}: it is not a directory; "
        "SERVICE_SERVER_DATA_DIR selects another directory\n"
    )
