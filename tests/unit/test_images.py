"""The Dockerfile and compose.yaml, read: `make test-images` builds and runs them."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

from entrypoints.settings import Settings, variable
from entrypoints.worker.background_services import _REQUEUE_S

_ROOT = Path(__file__).parents[2]
_COMPOSE = yaml.safe_load((_ROOT / "compose.yaml").read_text())
_OWN = ("api", "worker", "migrate")
# That of `docker stop`, `podman stop` and Compose.
_STOP_S = 10.0


def _stages() -> dict[str, list[tuple[str, str]]]:
    """Return the instructions of the Dockerfile by stage; the ones before the first have an empty name."""
    lines = re.sub(r"\\\n", " ", (_ROOT / "Dockerfile").read_text()).splitlines()
    stages, name = {"": []}, ""
    for line in lines:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        instruction, _, words = line.partition(" ")
        if instruction == "FROM":
            base, _as, name = words.split()
            stages[name] = list(stages.get(base, ()))
        stages[name].append((instruction, " ".join(words.split())))
    return stages


_STAGES = _stages()
_IMAGES = ("api", "worker", "runner")


def _last(image, instruction):
    return [words for name, words in _STAGES[image] if name == instruction][-1]


def _variables(image):
    return dict(
        word.split("=", 1) for name, words in _STAGES[image] if name == "ENV" for word in words.split()
    )


def test_each_base_is_pinned_or_a_stage_of_its_own():
    [base] = [words for name, words in _STAGES[""] if name == "ARG"]

    assert re.fullmatch(r"BASE=debian:trixie-\d{8}-slim@sha256:[0-9a-f]{64}", base)
    assert {words.split()[0] for stage in _STAGES.values() for name, words in stage if name == "FROM"} <= {
        "${BASE}",
        *_STAGES,
    }


@pytest.mark.parametrize("image", _IMAGES)
def test_an_image_names_its_version_and_its_licence(image):
    labels = dict(
        label.split("=", 1)
        for name, words in _STAGES[image]
        if name == "LABEL"
        for label in shlex.split(words)
    )

    prefix = "org.opencontainers.image."
    assert labels.keys() >= {f"{prefix}{name}" for name in ("title", "licenses", "version", "revision")}
    assert (labels[f"{prefix}version"], labels[f"{prefix}revision"]) == ("${VERSION}", "${REVISION}")
    given = {words.partition("=")[0] for name, words in _STAGES[image] if name == "ARG"}
    assert given >= {"VERSION", "REVISION"}


def test_python_packages_are_installed_by_their_hashes():
    installs = [
        part
        for _name, words in _STAGES["build"]
        for part in words.split("&&")
        if "pip install" in part and "--no-deps" not in part
    ]

    assert len(installs) == 2
    assert all("--require-hashes" in part for part in installs)


@pytest.mark.parametrize("image", _IMAGES)
def test_an_image_has_an_ordinary_user_and_a_health_check_and_no_tools_of_the_build(image):
    assert _last(image, "USER") == "10001:10001"
    assert '"service-server", "health"' in _last(image, "HEALTHCHECK")
    assert not any("venv" in words for name, words in _STAGES[image] if name == "RUN")


@pytest.mark.parametrize("image", _IMAGES)
def test_an_image_sets_settings_that_there_are(image):
    names = {variable(Settings, name) for name in Settings.model_fields}
    own = {name for name in _variables(image) if name.startswith(("SERVICE_SERVER_", "SERVER_"))}

    assert own <= names


@pytest.mark.parametrize("image", _IMAGES)
def test_an_image_drains_before_a_container_engine_kills(image):
    drain_s = float(_variables(image)["SERVICE_SERVER_DRAIN_S"])

    assert drain_s + _REQUEUE_S < _STOP_S - 2


@pytest.mark.parametrize("name", _OWN)
def test_a_container_drains_before_compose_kills(name):
    service = _COMPOSE["services"][name]
    stop_s = float(service["stop_grace_period"].removesuffix("s"))

    assert float(service["environment"]["SERVICE_SERVER_DRAIN_S"]) + _REQUEUE_S < stop_s - 2


@pytest.mark.parametrize("name", _OWN)
def test_a_container_has_no_capability_and_a_root_that_is_read_only(name):
    service = _COMPOSE["services"][name]

    assert service["cap_drop"] == ["ALL"]
    assert service["read_only"] is True
    assert service["build"]["target"] == ("worker" if name == "worker" else "api")
    assert not service.keys() & {"cap_add", "privileged", "user", "pid", "devices", "network_mode"}


@pytest.mark.parametrize("name", ["api", "migrate"])
def test_containers_that_run_no_programs_have_no_privileges(name):
    assert _COMPOSE["services"][name]["security_opt"] == ["no-new-privileges=true"]


def test_a_worker_has_the_privileges_that_the_page_of_hosts_names():
    worker = _COMPOSE["services"]["worker"]
    page = (_ROOT / "docs" / "hosts.md").read_text()
    [flags] = re.findall(r"^\| Docker \| `(.+)` \|$", page, re.MULTILINE)

    assert set(worker["security_opt"]) == {
        "no-new-privileges=true",
        "apparmor=unconfined",
        *re.findall(r"--security-opt (\S+)", flags),
    }


def test_health_is_checked_of_each_process_that_stays():
    checks = {name: _COMPOSE["services"][name].get("healthcheck", {}) for name in _OWN}

    assert checks == {"api": {}, "worker": {}, "migrate": {"disable": True}}
    assert "--worker" not in _last("api", "HEALTHCHECK")
    assert "--worker" in _last("worker", "HEALTHCHECK")
    assert _variables("worker")["SERVICE_SERVER_METRICS_PORT"].isdecimal()


def test_what_is_copied_is_in_the_context():
    ignored = (_ROOT / ".dockerignore").read_text().splitlines()
    copied = {
        word
        for name, words in _STAGES["build"]
        if name == "COPY"
        for word in words.split()[:-1]
        if word != "."
    }

    assert ignored[0] == "*"
    assert {f"!{word}" for word in copied} <= set(ignored)
