import errno
import tomllib
from pathlib import Path

import pytest

from adapters.common import obstacles
from adapters.common.host import Host, Place
from adapters.common.obstacles import Refusal, explain, refusal_of
from domain.catalogue.language import Language

TABLE = tomllib.loads(Path(obstacles.__file__).with_suffix(".toml").read_text())
STEPS = TABLE["steps"]
ENVIRONMENTS = {
    Place.MACHINE: {},
    Place.UNIT: {"INVOCATION_ID": "1"},
    Place.KUBERNETES: {"KUBERNETES_SERVICE_HOST": "10.0.0.1"},
    Place.DOCKER: {"container": "docker"},
    Place.PODMAN: {"container": "podman"},
    Place.CONTAINER: {"container": "lxc"},
    Place.ECS: {"ECS_CONTAINER_METADATA_URI_V4": "x"},
    Place.FARGATE: {"AWS_EXECUTION_ENV": "AWS_ECS_FARGATE"},
}


def host(tmp_path, place=Place.MACHINE, **files):
    files = {"proc/self/cgroup": "0::/system.slice/judge.service\n", **files}
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Host(tmp_path, ENVIRONMENTS[place])


@pytest.mark.parametrize("place", Place)
@pytest.mark.parametrize("step", STEPS)
def test_every_refusal_has_a_cause_and_a_remedy_on_every_host(tmp_path, step, place):
    for error in ("EPERM", "EACCES", "ENOSPC", "ENOSYS", "EINVAL", "EROFS", "EAGAIN", "KILLED"):
        cause, _, remedy = str(explain(Refusal(step, error), host(tmp_path, place))).partition("; ")

        assert cause
        assert remedy
        assert "{" not in f"{cause}{remedy}".replace("{type: ", "")


def test_the_table_names_known_steps_and_remedies():
    for obstacle in TABLE["obstacles"]:
        assert set(obstacle.get("steps", ())) <= set(STEPS)
        assert obstacle["remedy"] in TABLE["remedies"]
        assert all(hasattr(Host, fact) for fact in obstacle.get("when", ()))
    for remedies in TABLE["remedies"].values():
        assert remedies.keys() <= {*Place, "any"}


KERNEL = "proc/sys/kernel"
FILTERED = {"proc/self/status": "Seccomp:\t2\n"}


@pytest.mark.parametrize(
    ("files", "refusal", "cause"),
    [
        (
            {f"{KERNEL}/unprivileged_userns_clone": "0\n"},
            Refusal("user", "EPERM"),
            "kernel.unprivileged_userns_clone",
        ),
        (
            {f"{KERNEL}/apparmor_restrict_unprivileged_userns": "1\n"},
            Refusal("ids", "EACCES"),
            "kernel.apparmor_restrict_unprivileged_userns",
        ),
        (
            {"proc/self/attr/current": "docker-default (enforce)"},
            Refusal("tmpfs", "EACCES"),
            "docker-default",
        ),
        ({"proc/sys/user/max_user_namespaces": "9\n"}, Refusal("user", "ENOSPC"), "which is 9"),
        ({"proc/self/mountinfo": "1 2 0:3 / /proc rw - proc proc rw"}, Refusal("user", "EPERM"), "chroot"),
        ({}, Refusal("user", "EINVAL"), "CONFIG_USER_NS"),
        ({}, Refusal("pidfd", "ENOSYS"), "Linux has from version 5.3 on"),
        ({}, Refusal("tmpfs", "ENOENT"), "no directory /tmp"),
        ({}, Refusal("loopback", "EAFNOSUPPORT"), "AF_NETLINK"),
        (FILTERED, Refusal("mnt", "ENOSYS"), "seccomp"),
    ],
)  # fmt: skip
def test_causes_that_not_every_machine_can_have_are_named(tmp_path, files, refusal, cause):
    assert cause in str(explain(refusal, host(tmp_path, **files)))


@pytest.mark.parametrize(
    ("place", "remedy"),
    [
        (Place.UNIT, "'systemctl edit judge.service': RestrictNamespaces=no"),
        (Place.DOCKER, "--security-opt seccomp=deploy/containers/seccomp.json"),
        (Place.FARGATE, "AWS Fargate has no setting"),
        (Place.CONTAINER, "deploy/containers/seccomp.json"),
        (Place.MACHINE, "Seccomp: 0"),
    ],
)
def test_a_remedy_is_that_of_the_kind_of_host(tmp_path, place, remedy):
    assert remedy in str(explain(Refusal("user", "EPERM"), host(tmp_path, place, **FILTERED)))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("can't start new thread"), "no further process or thread may be started"),
        (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), "no further process or thread"),
        (FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']"), "TMPDIR"),
        (OSError(errno.EROFS, "Read-only file system", "/srv/x"), "the file system of /srv/x is read-only"),
        (OSError(errno.ENOSPC, "No space left on device", "/srv/x"), "there is no room for /srv/x"),
    ],
)
def test_errors_of_the_host_become_sentences(tmp_path, error, words):
    assert words in str(explain(refusal_of(error), host(tmp_path)))


@pytest.mark.parametrize(
    "error", [RuntimeError("of another kind"), FileNotFoundError(2, "No such file", "/x")]
)
def test_other_errors_are_none_of_the_host(error):
    assert refusal_of(error) is None


def test_cause_and_remedy_are_in_the_language_of_a_reader(tmp_path):
    told = explain(Refusal("mnt", "KILLED"), host(tmp_path, Place.DOCKER, **FILTERED))

    assert told.into(Language.JAPANESE) == (
        "サービスの起動時に設定されたシステムコールのフィルター (seccomp) が禁止しています "
        "(マウント名前空間: プロセスが強制終了されます)。"
        "'--security-opt seccomp=deploy/containers/seccomp.json' を付けてコンテナを起動してください"
    )
