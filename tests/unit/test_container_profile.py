"""The seccomp profile that is shipped for containers."""

import json

from tests.support.seccomp_profile import ISOLATION, PROFILE, profile

SHIPPED = json.loads(PROFILE.read_text())
ALLOWED = {
    name for rule in SHIPPED["syscalls"] if rule["action"] == "SCMP_ACT_ALLOW" for name in rule["names"]
}


def test_it_allows_what_isolating_programs_takes_whatever_the_arguments():
    [rule] = [rule for rule in SHIPPED["syscalls"] if set(rule["names"]) == set(ISOLATION)]
    others = [name for each in SHIPPED["syscalls"] if each is not rule for name in each["names"]]

    assert rule == {"names": sorted(ISOLATION), "action": "SCMP_ACT_ALLOW"}
    assert not set(ISOLATION) & set(others)


def test_it_refuses_what_a_container_without_capabilities_is_refused():
    assert SHIPPED["defaultAction"] == "SCMP_ACT_ERRNO"
    assert not ALLOWED & {
        *("bpf", "init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load"),
        *("open_by_handle_at", "perf_event_open", "process_madvise", "userfaultfd", "settimeofday"),
        *("clock_settime", "ioperm", "iopl", "swapon", "acct", "quotactl", "setdomainname"),
    }


def test_it_has_no_conditions_that_only_one_container_tool_reads():
    assert all(rule.keys() <= {"names", "action", "args", "errnoRet"} for rule in SHIPPED["syscalls"])


def test_conditions_by_capability_are_resolved_for_a_container_without_any():
    default = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrno": "ENOSYS",
        "syscalls": [
            {"names": ["read", "mount"], "action": "SCMP_ACT_ALLOW", "includes": {}, "args": []},
            {"names": ["bpf", "setns"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
            {
                "names": ["bpf"],
                "action": "SCMP_ACT_ERRNO",
                "errnoRet": 1,
                "excludes": {"caps": ["CAP_SYS_ADMIN"]},
            },
        ],
    }

    assert profile(default) == {
        "defaultAction": "SCMP_ACT_ERRNO",
        "syscalls": [
            {"names": ["read"], "action": "SCMP_ACT_ALLOW"},
            {"names": ["bpf"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1},
            {"names": sorted(ISOLATION), "action": "SCMP_ACT_ALLOW"},
        ],
    }
