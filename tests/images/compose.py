"""The containers of compose.yaml, started by podman: the file is the data, and each of its keys counts.

Ports are not published, since they may be taken on the machine: a container is reached at its own address.
"""

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.images.podman import Podman, until

PROJECT = Path(__file__).parents[2]
# What podman calls an option of Docker's.
_SECURITY = {"systempaths=unconfined": "unmask=ALL", "no-new-privileges=true": "no-new-privileges"}
_KNOWN = frozenset(
    {
        *("build", "image", "environment", "volumes", "depends_on", "security_opt", "cap_drop", "read_only"),
        *("tmpfs", "stop_grace_period", "restart", "command", "ports", "healthcheck", "profiles"),
    }
)
_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")


class Compose:
    """The services of compose.yaml with some variables and profiles.

    Args:
        podman: Runs them.
        variables: The variables of the shell.
        profiles: The profiles that are chosen.
    """

    def __init__(self, podman: Podman, variables: Mapping[str, str], profiles: Iterable[str] = ()) -> None:
        self._podman = podman
        text = _VARIABLE.sub(
            lambda found: variables.get(found[1]) or found[2] or "", (PROJECT / "compose.yaml").read_text()
        )
        document = yaml.safe_load(text)
        chosen = set(profiles)
        self.services: Mapping[str, Mapping[str, Any]] = {
            name: service
            for name, service in document["services"].items()
            if chosen & set(service.get("profiles", ())) or "profiles" not in service
        }
        self._volumes = set(document["volumes"])
        self._addresses: dict[str, str] = {}

    def up(self) -> None:
        """Start each service once its conditions hold, in a network of their own."""
        self._podman.run("network", "create", "compose")
        waiting = list(self.services)
        # Those with a profile have no dependent that names them.
        waiting.sort(key=lambda name: "profiles" not in self.services[name])
        while waiting:
            name = next(
                name for name in waiting if not set(self.services[name].get("depends_on", ())) & set(waiting)
            )
            for needed, how in self.services[name].get("depends_on", {}).items():
                self._await(needed, how["condition"])
            self.start(name)
            waiting.remove(name)

    def start(self, name: str, *, container: str | None = None, **environment: str | None) -> str:
        """Start a container of a service; return its name.

        Args:
            name: The service.
            container: The container's name, if it is not the service's.
            environment: Variables that differ; None for one that is left to the image.
        """
        container = container or name
        self._podman.run(
            *("run", "--detach", f"--name={container}", "--network=compose"),
            *(f"--add-host={host}:{address}" for host, address in self._addresses.items()),
            *self.options(name, **environment),
            self.image(name),
            *self.services[name].get("command", ()),
        )
        if not self._has_ended(container):
            self._addresses[container] = self._podman.address(container)
        return container

    def image(self, name: str) -> str:
        """Return the image of a service."""
        service = self.services[name]
        return (
            service["image"]
            if "image" in service
            else f"localhost/service-server:{service['build']['target']}"
        )

    def options(self, name: str, **environment: str | None) -> Sequence[str]:
        """Return the options of podman for a service.

        Raises:
            AssertionError: It has a key that is not known here.
        """
        service = self.services[name]
        assert service.keys() <= _KNOWN, service.keys() - _KNOWN
        variables = {**service.get("environment", {}), **environment}
        options = [
            *self._podman.limits(),
            *(f"--env={key}={value}" for key, value in variables.items() if value is not None),
            *(f"--cap-drop={capability}" for capability in service.get("cap_drop", ())),
            *(f"--security-opt={_security(option)}" for option in service.get("security_opt", ())),
            *(f"--tmpfs={place}" for place in service.get("tmpfs", ())),
        ]
        for volume in service.get("volumes", ()):
            source, _colon, place = volume.partition(":")
            assert source in self._volumes, volume
            options.append(f"--volume={source}:{place}")
        if service.get("read_only"):
            options += ["--read-only", "--read-only-tmpfs=false"]
        if "stop_grace_period" in service:
            options.append(f"--stop-timeout={service['stop_grace_period'].removesuffix('s')}")
        return [*options, *_health(service.get("healthcheck", {}))]

    def _await(self, name: str, condition: str) -> None:
        if condition == "service_completed_successfully":
            code = self._podman.await_exit(name)
            assert code == 0, self._podman.run("logs", name)
        else:
            assert condition == "service_healthy", condition
            until(lambda: self._podman.is_healthy(name), f"{name} did not become healthy")

    def _has_ended(self, container: str) -> bool:
        return self._podman.inspect(container)["State"]["Status"] == "exited"


def _security(option: str) -> str:
    if option.startswith("seccomp="):
        return f"seccomp={PROJECT / option.removeprefix('seccomp=')}"
    return _SECURITY.get(option, option)


def _health(check: Mapping[str, Any]) -> Sequence[str]:
    if check.get("disable"):
        return ["--no-healthcheck"]
    if "test" not in check:
        return []
    assert check["test"][0] == "CMD", check
    command = shlex.join(check["test"][1:])
    return [f"--health-cmd={command}", f"--health-retries={check['retries']}"]
