"""A backup that is made while the service works, and a service that begins with it."""

import gzip
import tarfile
import threading

import pytest

from tests.support import service

# A program that ran while the backup was made has lost its worker in what is restored, soon.
QUICK = {
    "SERVICE_SERVER_LEASE_S": 2,
    "SERVICE_SERVER_RENEW_EVERY_S": 0.5,
    "SERVICE_SERVER_RESCUE_EVERY_S": 0.5,
}


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """A backup of a service that ran programs before, while, and after it was made; and the jobs before."""
    directory = tmp_path_factory.mktemp("backup")
    env = service.environment(directory / "data", **QUICK)
    file = directory / "backups" / "latest.tar.gz"
    file.parent.mkdir()
    file.write_bytes(b"an older one")
    with service.served(env) as server:
        jobs = [
            server.execute(server.upload(f"print({number}, 'é')")["job_id"], wait_s=60)["job_id"]
            for number in range(3)
        ]
        is_over = threading.Event()

        def work_on():
            while not is_over.is_set():
                server.execute(server.upload("print('meanwhile')")["job_id"], wait_s=60)

        busy = threading.Thread(target=work_on)
        busy.start()
        try:
            made = service.run("backup", str(file), env=env)
        finally:
            is_over.set()
            busy.join()
    assert made.returncode == 0, made.stderr
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    return file, jobs


def test_what_is_restored_has_every_job_its_result_its_code_and_its_log(archive, tmp_path):
    file, jobs = archive
    env = service.environment(tmp_path / "restored", **QUICK)

    restored = service.run("restore", str(file), env=env)

    assert restored.returncode == 0, restored.stderr
    with service.served(env) as server, server.http as http:
        for number, job_id in enumerate(jobs):
            job = server.job(job_id)
            assert (job["status"], job["data"]["result"]["stdout"]) == ("SUCCESS", f"{number} é\n")
            log = http.get("/api/log", params={"log_key": job["log_key"]})
            assert f"{number} é" in log.json()
        listed = http.get("/api/jobs", params={"limit": 1000}).json()
        for job in listed:
            if job["status"] == "RUNNING":
                assert server.job(job["job_id"], wait_s=60)["status"] in {"SUCCESS", "FAILED"}
            if job["log_key"]:
                assert http.get("/api/log", params={"log_key": job["log_key"]}).is_success
        again = server.upload("print('after')", execute=True)
        assert server.job(again["job_id"], wait_s=60)["status"] == "SUCCESS"


def test_nothing_is_restored_over_data(archive, tmp_path):
    file, _jobs = archive
    env = service.environment(tmp_path)
    assert service.run("restore", str(file), env=env).returncode == 0

    again = service.run("restore", str(file), env=env)

    assert again.returncode == 1
    assert b"has data already; SERVICE_SERVER_DATA_DIR" in again.stderr


@pytest.mark.parametrize("damage", ["cut", "changed", "another file", "a path out of it", "no manifest"])
def test_a_damaged_file_restores_nothing(archive, tmp_path, damage):
    file, _jobs = archive
    bad = tmp_path / "bad.tar.gz"
    content = file.read_bytes()
    middle = len(content) // 2
    if damage == "cut":
        bad.write_bytes(content[:middle])
    elif damage == "changed":
        bad.write_bytes(content[:middle] + bytes(200) + content[middle + 200 :])
    elif damage == "another file":
        bad.write_bytes(gzip.compress(b"no archive"))
    else:
        with tarfile.open(bad, "w:gz") as packed:
            if damage == "a path out of it":
                packed.add(file, "log/../../outside")
    env = service.environment(tmp_path / "data")

    restored = service.run("restore", str(bad), env=env)

    assert restored.returncode == 1, restored.stderr
    assert b"is not a backup or is damaged" in restored.stderr
    assert list((tmp_path / "data").iterdir()) == []
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_data_that_is_elsewhere_is_refused_with_its_place(tmp_path, command):
    env = service.environment(tmp_path, AWS_RDS_HOST="127.0.0.1", AWS_LOG_BUCKET="logs", AWS_CODE_BUCKET="c")

    ended = service.run(command, str(tmp_path / "file"), env=env)

    assert ended.returncode == 1
    assert b"the database is in MySQL (AWS_RDS_HOST), the code is in S3" in ended.stderr


def test_a_backup_of_nothing_and_one_to_nowhere_are_told(tmp_path, archive):
    file, _jobs = archive
    nothing = service.run("backup", str(tmp_path / "a"), env=service.environment(tmp_path / "empty"))
    nowhere = service.run(
        "backup", str(tmp_path / "b" / "c"), env=service.environment(file.parents[1] / "data")
    )

    assert (nothing.returncode, nowhere.returncode) == (1, 3)
    assert b"does not exist" in nothing.stderr
    assert b"no such file or directory" in nowhere.stderr
    assert not (tmp_path / "a").exists()
