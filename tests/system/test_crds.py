"""The CRDs on a real API server: installed, explained, accepting and refusing what code does, in the same words."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from local_cluster import LocalCluster
from local_cluster.waiting import wait_until
from sagemaker_gitops.api.crd import definition
from sagemaker_gitops.api.kinds import GROUP, KINDS, VERSION
from sagemaker_gitops.api.status import SIZE_LIMIT
from tests.system.spec_cases import cases

pytestmark = pytest.mark.system

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Server:
    """The API server over HTTPS as admin: one request a case, which is quicker than a kubectl process each."""

    url: str
    context: ssl.SSLContext
    token: str

    def call(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> tuple[int, Any]:
        """Status code and JSON body of the answer."""
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": content_type},
        )
        try:
            with urllib.request.urlopen(request, context=self.context, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def create(self, kind: str, spec: Any, name: str = "case", *, dry_run: bool = True) -> tuple[int, Any]:
        """POST one object with kubectl's strict field validation."""
        found = KINDS[kind]
        folder = f"/apis/{GROUP}/{VERSION}" + ("/namespaces/default" if found.scope == "Namespaced" else "")
        body = {"apiVersion": f"{GROUP}/{VERSION}", "kind": kind, "metadata": {"name": name}, "spec": spec}
        query = "?fieldValidation=Strict" + ("&dryRun=All" if dry_run else "")
        return self.call("POST", f"{folder}/{found.plural}{query}", body)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """A control plane with crds/ installed and served."""
    with LocalCluster.start(tmp_path_factory.mktemp("crds") / "cluster") as running:
        running.kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
        wait_until(lambda: running.kubectl("get", "tr,tenants", check=False).returncode == 0, timeout=30, waiting_for="the new kinds")
        yield running


@pytest.fixture(scope="module")
def server(cluster: LocalCluster) -> Server:
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    context = ssl.create_default_context(cafile=str(cluster.instance.folder / "pki" / "ca.crt"))
    return Server(config["clusters"][0]["cluster"]["server"], context, cluster.token("admin"))


@pytest.mark.capability("A3")
@pytest.mark.parametrize("case", cases.accepted(), ids=lambda case: case.id)
def test_accepted(server: Server, case: Any) -> None:
    """What code accepts, the API server accepts."""
    code, answer = server.create(case.kind, case.spec)
    assert code == 201, answer


@pytest.mark.parametrize("case", [case for case in cases.refused() if case.server], ids=lambda case: case.id)
def test_refused(server: Server, case: Any) -> None:
    """What schema or CEL can see is refused at admission, at the same path and in the same words."""
    code, answer = server.create(case.kind, case.spec)
    assert code in (400, 422), answer
    assert case.server in answer["message"]
    if code == 422:
        assert case.server_path in [cause["field"] for cause in answer["details"]["causes"]]


@pytest.mark.parametrize("case", [case for case in cases.refused() if not case.server], ids=lambda case: case.id)
def test_left_to_code(server: Server, case: Any) -> None:
    """What is marked as invisible to the API server really is: nobody relies on a rule that does not exist."""
    code, answer = server.create(case.kind, case.spec)
    assert code == 201, answer


def test_spec_is_stored_as_written(server: Server) -> None:
    """No defaults, nothing pruned, numbers and booleans of hyperparameters kept: Argo CD sees no difference."""
    (case,) = (case for case in cases.accepted() if case.id == "everything-else")
    code, answer = server.create(case.kind, case.spec, "as-written", dry_run=False)
    assert code == 201, answer
    assert answer["spec"] == case.spec


def _fields(schema: dict[str, Any], path: str = "") -> Iterator[str]:
    for name, part in schema.get("properties", {}).items():
        yield f"{path}.{name}"
        yield from _fields(part.get("items", part), f"{path}.{name}")


def test_explain_every_field(server: Server, cluster: LocalCluster) -> None:
    """kubectl explain has words for every field of spec and status, with an example for those of spec."""
    code, document = server.call("GET", f"/openapi/v3/apis/{GROUP}/{VERSION}")
    assert code == 200
    for kind in KINDS.values():
        published = document["components"]["schemas"][f"dev.sagemaker-gitops.{VERSION}.{kind.kind}"]
        wanted = definition(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        assert set(_fields(wanted)) <= set(_fields(published))
        assert list(_undescribed(published["properties"]["spec"], "spec")) == []
        assert list(_undescribed(published["properties"]["status"], "status")) == []
    shown = cluster.kubectl("explain", "tr.spec.train.retry").stdout
    assert "onErrors\t<[]string> -required-" in shown
    assert "Example: [CapacityError, SpotInterruption]" in shown


def _undescribed(schema: dict[str, Any], path: str) -> Iterator[str]:
    for name, part in schema.get("properties", {}).items():
        if "Example: " not in part.get("description", ""):
            yield f"{path}.{name}"
        yield from _undescribed(part.get("items", part), f"{path}.{name}")


def _largest(schema: dict[str, Any]) -> Any:
    """A value that fills every bound of `schema` (letters only, so a byte a character)."""
    if "enum" in schema:
        return max(schema["enum"], key=len)
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return {"a": "b"}
    if "properties" in schema:
        return {name: _largest(part) for name, part in schema["properties"].items()}
    if schema["type"] == "object":
        return {f"k{number:03d}": _largest(schema["additionalProperties"]) for number in range(schema["maxProperties"])}
    if schema["type"] == "array":
        return _largest_list(schema)
    return {"string": "x" * schema.get("maxLength", 0), "integer": 2**31, "number": 2**31, "boolean": True}[schema["type"]]


def _largest_list(schema: dict[str, Any]) -> list[Any]:
    """Map lists get different keys, or the server refuses the duplicates; sets likewise."""
    items = [_largest(schema["items"]) for _ in range(schema["maxItems"])]
    keys = schema.get("x-kubernetes-list-map-keys", ())
    for number, item in enumerate(items if keys else ()):
        item.update({key: f"{number:03d}{item[key][3:]}" for key in keys})
    return [f"{number:03d}{item[3:]}" for number, item in enumerate(items)] if schema["x-kubernetes-list-type"] == "set" else items


def _patch_status(server: Server, name: str, status: Any) -> tuple[int, Any]:
    path = f"/apis/{GROUP}/{VERSION}/namespaces/default/trainingruns/{name}/status"
    return server.call("PATCH", path, {"status": status}, "application/merge-patch+json")


def test_full_status_is_not_pruned(server: Server) -> None:
    """Every status field, at its largest, is stored as it was written; the operator's own limit is below what the server takes."""
    (case,) = (case for case in cases.accepted() if case.id == "smallest")
    assert server.create(case.kind, case.spec, "full-status", dry_run=False)[0] == 201
    status = _largest(definition(KINDS["TrainingRun"])["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"])
    code, answer = _patch_status(server, "full-status", status)
    assert code == 200, answer
    assert answer["status"] == status
    assert len(json.dumps(status)) > SIZE_LIMIT


def test_status_patch_leaves_spec_alone(server: Server) -> None:
    """The status subresource changes neither spec nor generation."""
    (case,) = (case for case in cases.accepted() if case.id == "smallest")
    created = server.create(case.kind, case.spec, "status-only", dry_run=False)[1]
    path = f"/apis/{GROUP}/{VERSION}/namespaces/default/trainingruns/status-only/status"
    body = {"spec": {"suspend": True}, "status": {"phase": "Running"}}
    code, answer = server.call("PATCH", path, body, "application/merge-patch+json")
    assert code == 200, answer
    assert answer["spec"] == created["spec"]
    assert answer["metadata"]["generation"] == created["metadata"]["generation"]


def test_largest_spec_is_bounded(server: Server) -> None:
    """The largest spec that the schema describes, overrides aside, is far below the 1.5 MiB that etcd takes."""
    schema = definition(KINDS["TrainingRun"])["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    hyperparameters = schema["properties"]["train"]["properties"]["hyperparameters"]
    hyperparameters["additionalProperties"] = {"type": "string", "maxLength": 2500}
    size = len(json.dumps(_largest(schema)))
    assert size < 1024 * 1024


def test_columns(server: Server, cluster: LocalCluster) -> None:
    """`kubectl get tr` prints the columns of the API page."""
    (case,) = (case for case in cases.accepted() if case.id == "smallest")
    server.create(case.kind, case.spec, "digits", dry_run=False)
    status = {
        "phase": "Succeeded",
        "step": "register",
        "metric": "accuracy=0.972",
        "champion": "0.965",
        "gate": "Passed",
        "model": "digits/8",
        "revision": "4f2c9e1",
    }
    assert _patch_status(server, "digits", status)[0] == 200
    header, row = cluster.kubectl("get", "tr", "digits").stdout.splitlines()
    assert header.split() == ["NAME", "PHASE", "STEP", "METRIC", "CHAMPION", "GATE", "MODEL", "REVISION", "AGE"]
    assert row.split()[:8] == ["digits", "Succeeded", "register", "accuracy=0.972", "0.965", "Passed", "digits/8", "4f2c9e1"]


def test_no_namespace_field() -> None:
    """No reference can name another namespace: the field does not exist (failure-modes.md I9)."""
    schema = definition(KINDS["TrainingRun"])["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    assert not [path for path in _fields(schema["properties"]["spec"]) if path.rsplit(".", 1)[-1].lower().endswith("namespace")]


def test_samples_are_accepted(cluster: LocalCluster) -> None:
    """Every custom resource in manifests/samples passes strict validation on the server."""
    found = 0
    for path in sorted((ROOT / "manifests").rglob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            if isinstance(document, dict) and str(document.get("apiVersion", "")).startswith(f"{GROUP}/") and document.get("spec"):
                document["metadata"].pop("namespace", None)
                cluster.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", stdin=json.dumps(document))
                found += 1
    assert found > 0
