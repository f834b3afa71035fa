"""The Helm chart: it is rendered, valid for Kubernetes, and its settings are there."""

import subprocess
import sys
from ipaddress import ip_address, ip_network
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from entrypoints.cli.settings_report import variables
from entrypoints.settings import LimitSettings, Settings

CHART = Path(__file__).parents[3] / "deploy" / "helm" / "service-server"
HELM = Path(sys.executable).with_name("helm")
# Of a chart that asks for 1.30 at least: the oldest that is still supported, and the newest.
VERSIONS = ("1.34", "1.37")


def helm(*arguments):
    ran = subprocess.run([HELM, *arguments], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def rendered(*values):
    """Return the objects of the chart, by kind and the end of the name."""
    set_values = [argument for value in values for argument in ("--set", value)]
    objects = yaml.safe_load_all(helm("template", "test", CHART, *set_values))
    return {
        (one["kind"], one["metadata"]["name"].removeprefix("test-service-server")): one for one in objects
    }


@pytest.fixture(scope="module")
def objects():
    return rendered()


def container(objects, kind, name):
    (found,) = objects[kind, name]["spec"]["template"]["spec"]["containers"]
    return found


def test_the_chart_has_no_faults():
    helm("lint", "--strict", CHART)


@pytest.mark.parametrize(
    "values",
    [
        (),
        (
            "worker.runtimeClassName=gvisor",
            "worker.appArmorProfile=service-server",
            "ingress.className=nginx",
        ),
        ("worker.autoscaling.enabled=false", "ingress.enabled=false", "networkPolicy.enabled=false"),
    ],
)
def test_its_objects_are_valid(values):
    for found in rendered(*values).values():
        for version in VERSIONS:
            kubernetes_validate.validate(found, version, strict=True)


def test_it_has_what_production_takes(objects):
    assert set(objects) == {
        ("ConfigMap", ""),
        ("Deployment", "-api"),
        ("Deployment", "-worker"),
        ("HorizontalPodAutoscaler", "-worker"),
        ("Ingress", ""),
        ("Job", "-migration"),
        ("NetworkPolicy", "-api"),
        ("NetworkPolicy", "-worker"),
        ("PodDisruptionBudget", "-api"),
        ("PodDisruptionBudget", "-worker"),
        ("Service", ""),
        ("ServiceAccount", ""),
    }


def test_its_settings_are_settings(objects):
    known = {*variables(Settings), *variables(LimitSettings)}
    assert not set(objects["ConfigMap", ""]["data"]) - known


def test_the_address_of_a_caller_is_taken_from_the_ingress_controller(objects):
    named = objects["ConfigMap", ""]["data"]["SERVICE_SERVER_TRUSTED_PROXIES"]
    settings = Settings(trusted_proxies=named)
    assert any(ip_address("10.1.2.3") in ip_network(network) for network in settings.trusted_proxies)
    assert not any(ip_address("203.0.113.7") in ip_network(network) for network in settings.trusted_proxies)


def test_a_rollback_restores_the_settings(objects):
    for kind in ("ConfigMap", "ServiceAccount"):
        assert "pre-rollback" in objects[kind, ""]["metadata"]["annotations"]["helm.sh/hook"].split(",")


def test_pods_are_replaced_when_any_of_their_settings_changes(objects):
    changed = rendered("worker.threads=16")
    for name in ("-api", "-worker"):
        before, after = (
            one["Deployment", name]["spec"]["template"]["metadata"] for one in (objects, changed)
        )
        assert before["annotations"] != after["annotations"]


@pytest.mark.parametrize(
    ("kind", "name"), [("Deployment", "-api"), ("Deployment", "-worker"), ("Job", "-migration")]
)
def test_pods_get_no_variables_of_services_whose_names_begin_like_settings(objects, kind, name):
    assert objects[kind, name]["spec"]["template"]["spec"]["enableServiceLinks"] is False


@pytest.mark.parametrize(("kind", "name"), [("Deployment", "-api"), ("Job", "-migration")])
def test_containers_that_run_no_programs_have_no_privileges(objects, kind, name):
    assert container(objects, kind, name)["securityContext"] == {
        "runAsNonRoot": True,
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def test_workers_have_the_privileges_of_the_sandbox_and_no_others(objects):
    pod = objects["Deployment", "-worker"]["spec"]["template"]["spec"]
    assert pod["hostUsers"] is False
    assert pod["automountServiceAccountToken"] is False
    assert container(objects, "Deployment", "-worker")["securityContext"] == {
        "runAsNonRoot": True,
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "procMount": "Unmasked",
        "seccompProfile": {"type": "Localhost", "localhostProfile": "service-server/seccomp.json"},
    }


def test_a_runtime_class_is_a_value_and_workers_are_scaled_by_the_backlog(objects):
    worker = rendered("worker.runtimeClassName=gvisor")["Deployment", "-worker"]
    assert worker["spec"]["template"]["spec"]["runtimeClassName"] == "gvisor"
    assert "replicas" not in worker["spec"]
    (metric,) = objects["HorizontalPodAutoscaler", "-worker"]["spec"]["metrics"]
    assert metric["external"]["metric"]["name"] == "service_server_queue_depth"


def test_a_pod_that_ends_has_longer_than_its_process_takes_to_drain(objects):
    drain_s = Settings.model_fields["drain_s"].default
    for name in ("-api", "-worker"):
        pod = objects["Deployment", name]["spec"]["template"]["spec"]
        assert pod["terminationGracePeriodSeconds"] > drain_s + 15
