"""Seccomp profile for containers that isolate programs: `python -m tests.support.seccomp_profile` writes it.

It is the default profile of the container tools (Debian: golang-github-containers-common) for a container
without capabilities, plus the calls that isolate programs. Conditions on capabilities, which only Docker's
format has, are resolved, so that Kubernetes runtimes can also read the profile.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

SOURCE = Path("/usr/share/containers/seccomp.json")
PROFILE = Path(__file__).parents[2] / "deploy/containers/seccomp.json"
# The calls that isolate a program. Docker's default profile allows few of them.
ISOLATION = (
    *("clone", "clone3", "unshare", "setns"),
    *("mount", "umount2", "pivot_root", "sethostname"),
)
_ALLOW = "SCMP_ACT_ALLOW"


def profile(source: Mapping[str, Any]) -> dict[str, Any]:
    """Return the profile derived from a default one."""
    kept = {name: value for name, value in source.items() if name not in {"syscalls", "defaultErrno"}}
    rules = list(_rules(source["syscalls"]))
    return {**kept, "syscalls": [*rules, {"names": sorted(ISOLATION), "action": _ALLOW}]}


def _rules(rules: list[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the rules that apply without capabilities, without the calls that isolate programs."""
    for rule in rules:
        names = [name for name in rule["names"] if name not in ISOLATION]
        if names and not (rule.get("includes") or {}).get("caps"):
            kept = {"names": names, "action": rule["action"]}
            if rule.get("args"):
                kept["args"] = rule["args"]
            if "errnoRet" in rule:
                kept["errnoRet"] = rule["errnoRet"]
            yield kept


def text(content: Mapping[str, Any]) -> str:
    """Return a profile as the text of a file."""
    return json.dumps(content, indent=1) + "\n"


if __name__ == "__main__":
    PROFILE.write_text(text(profile(json.loads(SOURCE.read_text()))))
