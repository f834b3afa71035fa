import pytest

from adapters.common.host import Host, Place

MOUNTS = "22 27 0:21 / /proc rw - proc proc rw\n27 1 254:0 / / rw - ext4 /dev/vda rw\n"
ID = 64 * "a"
BROUGHT = "9 2 254:0 {} /etc/hostname ro,relatime - ext4 /dev/vda rw\n"
SESSION = "0::/user.slice/user@1000.service/app.slice/a.scope\n"
UNIT = "0::/system.slice/service-server.service/service_server-main\n"


def host(tmp_path, env=None, **files):
    """Make a host that has these files, and links to nothing of this machine's."""
    for name, text in files.items():
        path = tmp_path / FILES[name]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Host(tmp_path, env or {})


FILES = {
    "dockerenv": ".dockerenv",
    "containerenv": "run/.containerenv",
    "manager": "run/systemd/container",
    "cgroup": "proc/self/cgroup",
    "mountinfo": "proc/self/mountinfo",
    "status": "proc/self/status",
    "label": "proc/self/attr/current",
}


@pytest.mark.parametrize(
    ("env", "files", "place"),
    [
        ({}, {}, Place.MACHINE),
        ({}, {"cgroup": UNIT}, Place.MACHINE),  # such as a shell that a unit has left behind
        ({"INVOCATION_ID": "1"}, {"cgroup": UNIT}, Place.UNIT),
        ({"INVOCATION_ID": "1"}, {"cgroup": f"4:memory:/\n1:name=systemd:{UNIT[3:]}"}, Place.UNIT),
        ({"INVOCATION_ID": "1"}, {"cgroup": SESSION}, Place.MACHINE),
        ({}, {"dockerenv": ""}, Place.DOCKER),
        ({}, {"containerenv": ""}, Place.PODMAN),
        ({"container": "podman"}, {"dockerenv": ""}, Place.PODMAN),
        ({}, {"mountinfo": BROUGHT.format(f"/overlay-containers/{ID}/userdata/hostname")}, Place.PODMAN),
        ({}, {"mountinfo": BROUGHT.format(f"/docker/containers/{ID}/hostname")}, Place.DOCKER),
        ({"container": "systemd-nspawn"}, {}, Place.CONTAINER),
        ({"INVOCATION_ID": "1"}, {"manager": "lxc\n", "cgroup": UNIT}, Place.CONTAINER),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, {"dockerenv": ""}, Place.KUBERNETES),
        ({"ECS_CONTAINER_METADATA_URI_V4": "http://169.254.170.2"}, {"dockerenv": ""}, Place.ECS),
        ({"ECS_CONTAINER_METADATA_URI_V4": "x", "AWS_EXECUTION_ENV": "AWS_ECS_FARGATE"}, {}, Place.FARGATE),
    ],
)  # fmt: skip
def test_a_host_is_known_by_its_traces(tmp_path, env, files, place):
    assert host(tmp_path, env, **files).place is place


def test_a_unit_is_known_by_its_name(tmp_path):
    assert host(tmp_path, {"INVOCATION_ID": "1"}, cgroup=UNIT).unit == "service-server.service"


@pytest.mark.parametrize(
    ("label", "profile"),
    [
        ("docker-default (enforce)\n", "docker-default"),
        ("service-server (unconfined)\n", None),
        ("unconfined\n", None),
        ("", None),
    ],
)
def test_a_profile_confines_if_it_is_enforced(tmp_path, label, profile):
    assert host(tmp_path, label=label).apparmor_profile == profile


def test_covers_of_proc_are_listed(tmp_path):
    covers = "30 22 0:5 / /proc/kcore ro - tmpfs none ro\n31 22 0:21 /sys /proc/sys ro - proc proc rw\n"
    covers_nothing = "32 22 0:22 / /proc/sys/fs/binfmt_misc rw - autofs systemd-1 rw\n"

    assert host(tmp_path, mountinfo=MOUNTS).covered_processes == []
    assert host(tmp_path, mountinfo=MOUNTS + 2 * covers).covered_processes == ["/proc/kcore", "/proc/sys"]
    assert host(tmp_path, mountinfo=MOUNTS + covers_nothing).covered_processes == []
    assert host(tmp_path, mountinfo=MOUNTS.replace("proc rw", "proc rw,subset=pid")).covered_processes == [
        "/proc"
    ]


def test_a_root_directory_that_is_no_mount_is_a_chroot(tmp_path):
    assert not host(tmp_path, mountinfo=MOUNTS).is_chroot
    assert host(tmp_path, mountinfo=MOUNTS.partition("\n")[0]).is_chroot


def test_a_filter_of_system_calls_is_seen(tmp_path):
    assert host(tmp_path, status="Name:\tx\nSeccomp:\t2\n").has_seccomp_filter
    assert not host(tmp_path, status="Name:\tx\nSeccomp:\t0\n").has_seccomp_filter
