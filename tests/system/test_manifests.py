"""What is shipped builds, and a real API server takes all of it: every overlay, every component, the pod under `restricted`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from local_cluster import LocalCluster
from sagemaker_gitops.api.kinds import GROUP, KINDS, VERSION
from sagemaker_gitops.cli.sandbox import ROOT
from sagemaker_gitops.config import Settings
from sagemaker_gitops.runtime.metrics import Metrics

OVERLAYS = sorted(path.name for path in (ROOT / "manifests/overlays").iterdir())
DEPLOYED = [name for name in OVERLAYS if name != "sandbox"]
PROMETHEUS = {"servicemonitors": "ServiceMonitor", "prometheusrules": "PrometheusRule"}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """CRDs of ours, and stand-ins for those of the Prometheus operator, which take anything."""
    folder = tmp_path_factory.mktemp("manifests")
    (folder / "crds").mkdir()
    for names in PROMETHEUS.items():
        (folder / "crds" / f"{names[0]}.json").write_text(json.dumps(_stand_in(*names)))
    with LocalCluster.start(folder / "cluster") as running:
        running.apply_crds(ROOT / "crds")
        running.apply_crds(folder / "crds")
        running.kubectl("apply", "-f", str(ROOT / "manifests/base/namespace.yaml"))
        yield running


def _stand_in(plural: str, kind: str) -> dict[str, Any]:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"}
    spec = {"group": "monitoring.coreos.com", "scope": "Namespaced", "names": names, "versions": [version]}
    metadata = {"name": f"{plural}.monitoring.coreos.com"}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": metadata, "spec": spec}


def _built(cluster: LocalCluster, folder: Path) -> list[dict[str, Any]]:
    return [item for item in yaml.safe_load_all(cluster.kubectl("kustomize", str(folder)).stdout) if item]


def _one(objects: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    (found,) = (item for item in objects if item["kind"] == kind)
    return found


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_api_server_takes_every_overlay(cluster: LocalCluster, overlay: str) -> None:
    """Server-side dry run with strict validation of every object."""
    folder = ROOT / "manifests/overlays" / overlay
    told = cluster.kubectl("apply", "--server-side", "--dry-run=server", "--validate=strict", "-k", str(folder)).stdout
    assert len(told.splitlines()) == len(_built(cluster, folder))


@pytest.mark.parametrize("sample", sorted(path.parent.name for path in (ROOT / "manifests/samples").glob("*/kustomization.yaml")))
def test_the_api_server_takes_every_sample(cluster: LocalCluster, sample: str) -> None:
    """Each in its namespace."""
    folder = ROOT / "manifests/samples" / sample
    for namespace in {item["metadata"].get("namespace") for item in _built(cluster, folder)} - {None}:
        cluster.kubectl("create", "namespace", namespace, check=False)
    cluster.kubectl("apply", "--server-side", "--dry-run=server", "--validate=strict", "-k", str(folder))


@pytest.mark.parametrize("component", [None, "openshift", "monitoring"])
def test_the_pod_is_admitted_under_restricted(cluster: LocalCluster, tmp_path: Path, component: str | None) -> None:
    """The namespace enforces it, so the API server judges the pod that the Deployment would make."""
    objects = _built(cluster, _overlay(tmp_path, component))
    deployment = _one(objects, "Deployment")
    cluster.kubectl(
        "apply", "-f", "-", stdin="\n---\n".join(json.dumps(_one(objects, kind)) for kind in ("ServiceAccount", "PriorityClass"))
    )
    template = deployment["spec"]["template"]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "namespace": "sagemaker-gitops"}, "spec": template["spec"]}
    cluster.kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(pod))
    unsafe = json.loads(json.dumps(pod))
    unsafe["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    refused = cluster.kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(unsafe), check=False)
    assert 'violates PodSecurity "restricted' in refused.stderr
    assert template["spec"]["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True


def _overlay(folder: Path, component: str | None) -> Path:
    """prod, or an overlay of a user's that adds one component to the base."""
    if component is None:
        return ROOT / "manifests/overlays/prod"
    up = "/".join([".."] * (len(folder.resolve().parts) - 1))
    lines = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [f"{up}{ROOT}/manifests/base"],
        "components": [f"{up}{ROOT}/manifests/components/{component}"],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(lines))
    return folder


@pytest.mark.parametrize("overlay", DEPLOYED)
def test_the_settings_are_the_operators(cluster: LocalCluster, overlay: str) -> None:
    """Every variable is one that config.py reads, and the installation has its id."""
    objects = _built(cluster, ROOT / "manifests/overlays" / overlay)
    data = _one(objects, "ConfigMap")["data"]
    settings = Settings.from_env(data)
    assert settings.install_id == f"{overlay}-eu"
    fields = {f"SAGEMAKER_GITOPS_{name.upper()}" for name in Settings.__dataclass_fields__}
    assert data.keys() <= fields
    deployment = _one(objects, "Deployment")["spec"]
    assert (deployment["replicas"], deployment["strategy"]) == (1, {"type": "Recreate"})
    assert deployment["template"]["spec"]["terminationGracePeriodSeconds"] > settings.stop_grace
    container = deployment["template"]["spec"]["containers"][0]
    assert container["envFrom"] == [{"configMapRef": {"name": _one(objects, "ConfigMap")["metadata"]["name"]}}]
    assert container["ports"][0]["containerPort"] == settings.health_address[1]


def test_alerts_name_metrics_that_exist(cluster: LocalCluster) -> None:
    """A rule about a metric that nobody exports never fires."""
    metrics = Metrics()
    metrics.passed("x", "OK", 1.0)
    exported = set(re.findall(r"sagemaker_gitops_\w+", metrics.scrape().decode()))
    source = "".join((ROOT / "operator/sagemaker_gitops" / name).read_text() for name in ("runtime/assembly.py", "wiring.py"))
    exported |= {f"sagemaker_gitops_{name}" for name in re.findall(r'metrics\.gauge\(\s*"(\w+)"', source)}
    exported |= {f"sagemaker_gitops_{name}_total" for name in ("aws_calls", "aws_throttles", "kubernetes_requests")}
    rules = _one(_built(cluster, ROOT / "manifests/overlays/prod"), "PrometheusRule")["spec"]["groups"][0]["rules"]
    named = {name for rule in rules for name in re.findall(r"sagemaker_gitops_\w+", rule["expr"])}
    assert named
    assert named <= exported


def test_every_kind_has_its_policy_and_no_webhook(cluster: LocalCluster) -> None:
    """A kind that the fence forgot would be open at admission; a webhook could be down."""
    objects = _built(cluster, ROOT / "manifests/overlays/prod")
    judged = {
        resource
        for item in objects
        if item["kind"] == "ValidatingAdmissionPolicy" and item["metadata"]["name"].split(".")[1] == "tenants"
        for rule in item["spec"]["matchConstraints"]["resourceRules"]
        for resource in rule["resources"]
        if rule["apiGroups"] == [GROUP]
    }
    assert judged == {kind.plural for kind in KINDS.values() if kind.scope == "Namespaced"}
    assert not [item for item in objects if "Webhook" in item["kind"]]
    policies = {item["metadata"]["name"] for item in objects if item["kind"] == "ValidatingAdmissionPolicy"}
    bound = {item["spec"]["policyName"] for item in objects if item["kind"] == "ValidatingAdmissionPolicyBinding"}
    assert bound == policies


def test_a_generated_config_map_is_followed(cluster: LocalCluster, tmp_path: Path) -> None:
    """components/source-reference: kustomize's hash reaches the source of a run and the payload of a smoke test."""
    up = "/".join([".."] * (len(tmp_path.resolve().parts) - 1))
    head = {"apiVersion": f"{GROUP}/{VERSION}", "metadata": {"name": "x"}}
    run = head | {"kind": "TrainingRun", "spec": {"source": {"configMapRef": {"name": "files"}}}}
    payload = {"payload": {"configMapRef": {"name": "files", "key": "a.py"}}}
    endpoint = head | {"kind": "ModelEndpoint", "spec": {"smokeTest": payload}}
    (tmp_path / "objects.yaml").write_text(yaml.safe_dump_all([run, endpoint]))
    (tmp_path / "a.py").write_text("print()")
    lines = {
        "resources": ["objects.yaml"],
        "configMapGenerator": [{"name": "files", "files": ["a.py"]}],
        "components": [f"{up}{ROOT}/manifests/components/source-reference"],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(lines))
    objects = _built(cluster, tmp_path)
    name = _one(objects, "ConfigMap")["metadata"]["name"]
    assert name.startswith("files-")
    assert _one(objects, "TrainingRun")["spec"]["source"]["configMapRef"]["name"] == name
    assert _one(objects, "ModelEndpoint")["spec"]["smokeTest"]["payload"]["configMapRef"]["name"] == name
