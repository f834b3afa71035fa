"""The images are built, and the containers of compose.yaml do their work: `make test-images`."""

import json
import shutil
import subprocess
import tempfile
import time
from contextlib import ExitStack, contextmanager
from functools import cache
from importlib.metadata import version
from pathlib import Path

import httpx
import pytest
from cfnlint.decode import decode

from tests.attack.attacks import corpus
from tests.images.base import DIRECTORY, base, require_space
from tests.images.compose import PROJECT, Compose
from tests.images.podman import Podman, podman, until
from tests.support.certificate import self_signed
from tests.support.keys import bearer
from tests.support.no_tls import NO_TLS

# The first test waits until all images are built.
pytestmark = pytest.mark.timeout(3_600)

_BASE = "localhost/debian:trixie-slim"
_STAND_INS = Path(__file__).parent / "stand_ins"
_S3 = {
    "AWS_ENDPOINT_URL": "http://objects:9090",
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
    "AWS_CODE_BUCKET": "code",
    "AWS_LOG_BUCKET": "logs",
}
_PROGRAMS = {
    "python": "print(6 * 7)",
    "node": "console.log(6 * 7)",
    "java": "public class Main { public static void main(String[] a) { System.out.println(6 * 7); } }",
}
_API_MB = 400
# For longer than an image drains, and for shorter than compose.yaml does.
_LONG = "import time; print('begun', flush=True); time.sleep(12); print('ended')"


@pytest.fixture(scope="session")
def engine():
    """A podman with the images of the project."""
    archive = base()
    require_space(DIRECTORY, 8 << 30)
    with (
        tempfile.TemporaryDirectory(dir=DIRECTORY, prefix="run-", ignore_cleanup_errors=True) as name,
        podman(Path(name)) as lent,
    ):
        lent.run("import", "--quiet", archive, _BASE, timeout_s=600)
        context = _context(Path(name))
        for target in ("api", "worker"):
            lent.build(
                context,
                tag=f"localhost/service-server:{target}",
                target=target,
                file=context / "Dockerfile",
                BASE=_BASE,
                RDS_CERTIFICATES="global-bundle.pem",
            )
        yield lent


@pytest.fixture(scope="session")
def stand_ins(engine):
    """Images by the names in compose.yaml."""
    for name, service in Compose(engine, {}, ["s3"]).services.items():
        if "image" in service:
            _build_stand_in(engine, name, service["image"])


def _build_stand_in(engine, target, tag):
    file = _STAND_INS / "Dockerfile"
    engine.build(_STAND_INS, tag=tag, target=target, file=file, BASE=_BASE, MOTO=version("moto"))


def _context(directory: Path) -> Path:
    """Copy the files of the tree that git knows of, and make the authority of a database."""
    context = directory / "context"
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, names.split("\0")):
        (context / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(PROJECT / name, context / name)
    self_signed(context / "global-bundle.pem")
    return context


@pytest.fixture(scope="session")
def cluster(engine, stand_ins):  # noqa: ARG001 - they have to be there
    """All containers of compose.yaml, with objects in S3."""
    compose = Compose(engine, _S3, ["s3"])
    compose.up()
    yield compose
    engine.run("rm", "--all", "--force", "--time=0")
    engine.run("network", "rm", "--force", "compose")


@pytest.fixture(scope="session")
def client(engine, cluster):  # noqa: ARG001 - it has to be up
    """A client of the API with an administrator's key, once the API is healthy."""
    until(lambda: engine.is_healthy("api"), "the API did not become healthy")
    key = json.loads(engine.run("exec", "api", "service-server", "setup", "--json"))["key"]
    with httpx.Client(
        base_url=f"http://{engine.address('api')}:8000", headers=bearer(key), verify=NO_TLS, timeout=120
    ) as http:
        yield http


def _submit(client, language, code):
    body = {"project": "images", "language": language, "code": code, "execute": True}
    answer = client.post("/api/upload", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["job_id"]


def _job(client, job_id):
    return client.get(f"/api/jobs/{job_id}").raise_for_status().json()


def _ended(client, job_id):
    deadline = time.monotonic() + 180
    while True:
        status = client.get(f"/api/jobs/{job_id}/status", params={"wait": 30}).raise_for_status().json()
        if status["status"] not in {"PENDING", "RUNNING"} or time.monotonic() > deadline:
            return status


def test_the_image_of_the_api_is_small_and_has_no_tools(engine):
    size_mb = engine.inspect("localhost/service-server:api")["Size"] / 1_000_000
    worker_mb = engine.inspect("localhost/service-server:worker")["Size"] / 1_000_000
    print(f"\napi {size_mb:.0f} MB, worker {worker_mb:.0f} MB")  # noqa: T201 - the figures of docs/images.md

    assert size_mb < _API_MB
    tools = "command -v pip pip3 uv gcc bwrap node java; find / -xdev -name pip -o -xdev -name ensurepip"
    found = engine.run(
        "run",
        "--rm",
        *Podman.limits(),
        "--user=0",
        "localhost/service-server:api",
        "sh",
        "-c",
        f"{tools}; true",
    )
    assert found == ""


@pytest.mark.parametrize("language", _PROGRAMS)
def test_a_job_runs_through_the_containers_of_compose(client, language):
    status = _ended(client, _submit(client, language, _PROGRAMS[language]))

    assert status["status"] == "SUCCESS", status
    assert client.get(f"/api/jobs/{status['job_id']}/output/stdout").text == "42\n"


@pytest.mark.parametrize("name", ["api", "worker"])
@pytest.mark.usefixtures("client")
def test_a_container_is_healthy_by_the_check_of_its_image(engine, name):
    until(lambda: engine.is_healthy(name), f"{name} did not become healthy")


@pytest.mark.usefixtures("client")
def test_the_check_follows_the_port_and_fails_where_there_is_none(engine):
    ended = subprocess.run(
        engine.arguments("exec", "--env=SERVER_PORT=8001", "api", "service-server", "health"),
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ended.returncode, ended.stderr) == (
        1,
        "service-server: no healthy process on 127.0.0.1, port 8001: connection refused\n",
    )


@pytest.mark.usefixtures("client")
def test_the_api_has_no_capability_and_writes_nowhere_but_in_its_volume(engine):
    status = engine.run("exec", "api", "cat", "/proc/self/status").splitlines()
    fields = dict(line.split(":\t", 1) for line in status)

    assert {fields[name] for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert (fields["NoNewPrivs"], fields["Seccomp"]) == ("1", "2")
    assert fields["Uid"].split() == ["10001"] * 4
    refused = engine.run("exec", "api", "sh", "-c", "touch /x /app/x /usr/x 2>&1; true")
    assert refused.count("Read-only file system") == 3


def _started_alone(engine, cluster, client, **environment):
    """Start a worker in place of the others, and a long program on it; return both names."""
    engine.run("rm", "--force", "--time=30", "worker")
    worker = cluster.start("worker", **environment)
    job_id = _submit(client, "python", _LONG)
    until(lambda: _job(client, job_id)["phase"] == "running", "the program did not begin")
    return worker, job_id


def test_a_worker_that_docker_stops_by_default_loses_nothing_and_burns_no_attempt(engine, cluster, client):
    # Given a worker with the time to drain of its image, and a program that runs for longer
    worker, job_id = _started_alone(engine, cluster, client, SERVICE_SERVER_DRAIN_S=None)
    # When it is stopped as `docker stop` does
    engine.run("stop", "--time=10", worker)
    # Then it has ended by itself, and the job waits, and runs again in the next one
    assert engine.inspect(worker)["State"]["ExitCode"] == 0, engine.run("logs", worker)
    assert _job(client, job_id)["status"] in {"PENDING", "RUNNING"}
    engine.run("rm", worker)
    cluster.start("worker")
    assert _ended(client, job_id)["status"] == "SUCCESS"
    assert [execution["number"] for execution in _job(client, job_id)["executions"]] == [1, 1]


def test_a_worker_of_compose_lets_a_program_end(engine, cluster, client):
    worker, job_id = _started_alone(engine, cluster, client)

    engine.run("stop", worker)

    assert engine.inspect(worker)["State"]["ExitCode"] == 0, engine.run("logs", worker)
    assert _job(client, job_id)["status"] == "SUCCESS"
    assert [execution["number"] for execution in _job(client, job_id)["executions"]] == [1]
    engine.run("rm", worker)
    cluster.start("worker")


def test_a_task_of_ecs_runs_programs_each_as_a_user_of_its_own(engine):
    template, _faults = decode(str(PROJECT / "deploy" / "cloudformation" / "service-server.yaml"))
    (worker,) = template["Resources"]["WorkerTask"]["Properties"]["ContainerDefinitions"]
    capabilities = worker["LinuxParameters"]["Capabilities"]
    ran = engine.run(
        *("run", "--rm", "--network=none", *Podman.limits(), f"--user={worker['User']}", "--read-only"),
        *(f"--cap-drop={name}" for name in capabilities["Drop"]),
        *(f"--cap-add={name}" for name in capabilities["Add"]),
        *(f"--security-opt={option}" for option in worker["DockerSecurityOptions"]),
        *(f"--security-opt=seccomp={PROJECT}/deploy/containers/seccomp.json", "--read-only-tmpfs=false"),
        *("--tmpfs=/tmp", f"--volume={PROJECT}:/project:ro", "--workdir=/project"),
        *("localhost/service-server:worker", "/app/bin/python", "-B", "-m", "tests.support.engine_process"),
    )

    result = json.loads(ran)
    assert (result["trouble"], result.get("stdout")) == (None, "42\n"), result
    assert not any("user id" in missing for missing in result["missing"]), result["missing"]


def _attempts():
    for attack in corpus().values():
        yield pytest.param(attack.name, (), id=attack.name)
        if attack.language == "python":
            yield pytest.param(attack.name, ("--warm",), id=f"warm-{attack.name}")


@contextmanager
def _target(engine, flags, options):
    """Start the engine that is attacked in a container of a worker, and lend its process."""
    arguments = (
        *("run", "--rm", "--interactive", "--network=none", *flags),
        *(f"--volume={PROJECT}:/project:ro", "--workdir=/project", "localhost/service-server:attacked"),
        *("/app/bin/python", "-B", "-m", "tests.attack.target", *options),
    )
    with subprocess.Popen(
        engine.arguments(*arguments), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.stdin.close()
    assert process.returncode == 0


@pytest.fixture(scope="module")
def targets(engine):
    """Start a target for each way of starting programs when it is first asked for."""
    _build_stand_in(engine, "attacked", "localhost/service-server:attacked")
    compose = Compose(engine, {})
    flags = [option for option in compose.options("worker") if not option.startswith(("--env", "--volume"))]
    with ExitStack() as stack:
        yield cache(lambda options: stack.enter_context(_target(engine, flags, options)))


@pytest.mark.parametrize(("name", "options"), list(_attempts()))
def test_a_worker_withstands(targets, name, options):
    target = targets(options)
    target.stdin.write(f"{name}\n")
    target.stdin.flush()
    problems = json.loads(target.stdout.readline())

    if problems and problems[0].startswith("skip: "):
        pytest.skip(problems[0].removeprefix("skip: "))
    assert problems == []
