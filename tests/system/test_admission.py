"""The admission policies on a real API server: every rule with an accepted and a refused case, in the words of the operator."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from local_cluster import LocalCluster
from local_cluster.waiting import wait_until
from sagemaker_gitops.cli.sandbox import ROOT
from sagemaker_gitops.core.resource import ANNOTATIONS, FINALIZER
from tests.system.api_server import ApiServer, made
from tests.system.fence_cases import BASES, KEY, TENANT, FenceCase, fence_cases

ADMISSION = str(ROOT / "manifests/base/admission")
NETWORK = {"subnetIds": ["subnet-0a1b2c3d"], "securityGroupIds": ["sg-0a1b2c3d"]}
RUN = BASES["TrainingRun"]


def _tenant(name: str, **spec: Any) -> dict[str, Any]:
    merged = {key: value for key, value in {**TENANT, "namespaces": [name], **spec}.items() if value is not None}
    return made("Tenant", merged, name)


def _denied(server: ApiServer, item: dict[str, Any], **how: Any) -> str:
    """The message of the refusal; "" where there is none."""
    code, answer = server.create(item, **how)
    return "" if code == 201 else str(answer["message"])


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """A control plane with CRDs, roles and policies."""
    with LocalCluster.start(tmp_path_factory.mktemp("admission") / "cluster") as running:
        running.apply_crds(ROOT / "crds")
        running.kubectl("apply", "-f", str(ROOT / "manifests/base/rbac.yaml"), check=False)
        running.kubectl("create", "clusterrolebinding", "operator", "--clusterrole=sagemaker-gitops-operator", "--user=operator")
        yield running


@pytest.fixture(scope="module")
def server(cluster: LocalCluster) -> ApiServer:
    """With Tenant team-a, and one each that requires a key and a network; in effect."""
    found = ApiServer(cluster.kubeconfig.parent)
    for name in ("team-a", "strict", "labelled", "nobody"):
        cluster.kubectl("create", "namespace", name)
    cluster.kubectl("create", "rolebinding", "edit", "-n", "team-a", "--clusterrole=sagemaker-gitops-edit", "--user=data-scientist")
    cluster.kubectl("apply", "-k", ADMISSION)
    wait_until(lambda: "no params found" in _denied(found, made("TrainingRun", RUN)), timeout=30, waiting_for="the policies")
    wait_until(lambda: "no params found" in _denied(found, made("ModelEndpoint", BASES["ModelEndpoint"])), timeout=30, waiting_for="all")
    tenants = [
        _tenant("team-a"),
        _tenant("strict", require=["kms", "vpc"]),
        _tenant("labelled", namespaces=None, namespaceSelector={"matchExpressions": [{"key": "team", "operator": "In", "values": ["l"]}]}),
    ]
    for tenant in tenants:
        code, answer = found.create(tenant, dry_run=False)
        assert code == 201, answer["message"]
    wait_until(lambda: not _denied(found, made("TrainingRun", RUN)), timeout=30, waiting_for="the Tenants")
    wait_until(lambda: "kms" in _denied(found, made("TrainingRun", RUN, namespace="strict")), timeout=30, waiting_for="the strict one")
    return found


@pytest.mark.parametrize("case", [*fence_cases()], ids=lambda case: case.id)
def test_the_fence(server: ApiServer, case: FenceCase) -> None:
    """Outside is refused by field, value and what is allowed; inside is taken. The operator has the same cases in tests/unit/core."""
    message = _denied(server, made(case.kind, case.spec))
    assert bool(message) == case.refused, message
    if case.refused:
        assert "ValidatingAdmissionPolicy" in message
        assert f"{case.path}:" in message
        assert "Tenant team-a allows" in message or "Tenant can allow" in message or "cannot be overridden" in message


def test_it_says_field_value_and_what_is_allowed(server: ApiServer) -> None:
    """One refusal, whole."""
    spec = copy.deepcopy(RUN) | {"executionRoleArn": "arn:aws:iam::123456789012:role/team-b/training"}
    assert _denied(server, made("TrainingRun", spec)).endswith(
        'spec.executionRoleArn: "arn:aws:iam::123456789012:role/team-b/training" is not allowed:'
        " Tenant team-a allows executionRoleArns [arn:aws:iam::123456789012:role/team-a/*]"
    )


@pytest.mark.parametrize(
    ("uri", "parameters", "refused"),
    [
        ("s3://team-a-ml/${parameters.p}/", {"p": "x"}, False),
        ("s3://team-a-ml/${parameters.p}/x/", {"p": ".."}, True),
        ("s3://team-a-ml/${parameters.p}${parameters.p}/x/", {"p": "."}, True),
    ],
)
def test_templates_are_replaced_first(server: ApiServer, uri: str, parameters: dict[str, str], refused: bool) -> None:
    """What a URI becomes is judged, not what it looks like."""
    spec = RUN | {"inputs": [{"name": "raw", "s3Uri": uri}], "parameters": parameters}
    code, answer = server.create(made("TrainingRun", spec))
    assert (code != 201) == refused, answer


def test_required_blocks(server: ApiServer) -> None:
    """require: [kms, vpc], each by its field."""
    kind, place = "TrainingRun", {"namespace": "strict"}
    assert "spec.kmsKeyArn: is required by Tenant strict (require: [kms])" in _denied(server, made(kind, RUN, **place))
    with_key = RUN | {"kmsKeyArn": KEY}
    assert "spec.network.subnetIds: is required by Tenant strict" in _denied(server, made(kind, with_key, **place))
    isolated = with_key | {"network": {"isolation": True}}
    assert "spec.network.subnetIds: is required by Tenant strict" in _denied(server, made(kind, isolated, **place))
    assert _denied(server, made(kind, with_key | {"network": NETWORK}, **place)) == ""


def test_secrets_in_hyperparameters(server: ApiServer) -> None:
    """The CRD's rules cannot see untyped values; a policy can."""
    secret, harmless = ({"train": RUN["train"] | {"hyperparameters": {key: "x", "n": 1}}} for key in ("db_password", "pad_token"))
    assert "spec.train.hyperparameters.db_password: looks like a secret" in _denied(server, made("TrainingRun", RUN | secret))
    assert _denied(server, made("TrainingRun", RUN | harmless)) == ""


def test_who_may_set_the_label_that_selects(cluster: LocalCluster, server: ApiServer) -> None:
    """A namespace is in the Tenant by its label, and nobody but the platform team sets that label (failure-modes.md I8)."""
    cluster.kubectl("create", "clusterrole", "labeller", "--verb=get,patch,update", "--resource=namespaces")
    cluster.kubectl("create", "clusterrolebinding", "labeller", "--clusterrole=labeller", "--user=data-scientist")
    path, form = "/api/v1/namespaces/labelled", "application/merge-patch+json"
    code, answer = server.call("PATCH", path, {"metadata": {"labels": {"team": "l"}}}, "data-scientist", form)
    assert code == 422, answer
    assert 'metadata.labels: "team" decides about Tenant labelled' in answer["message"]
    assert server.call("PATCH", path, {"metadata": {"labels": {"colour": "red"}}}, "data-scientist", form)[0] == 200
    foreign = RUN | {"executionRoleArn": "arn:aws:iam::123456789012:role/team-b/training"}
    assert _denied(server, made("TrainingRun", foreign, namespace="labelled")) == ""  # no Tenant's: the operator makes no call
    assert server.call("PATCH", path, {"metadata": {"labels": {"team": "l"}}}, "admin", form)[0] == 200
    wait_until(lambda: _denied(server, made("TrainingRun", foreign, namespace="labelled")), timeout=30, waiting_for="the label")


def test_the_finalizer(server: ApiServer) -> None:
    """A data scientist cannot take it away, alive or being deleted; the operator can; the rest of the object stays theirs."""
    item = made("TrainingRun", RUN, "guarded", finalizers=[FINALIZER])
    assert server.create(item, user="data-scientist", dry_run=False)[0] == 201
    bare = {"metadata": {"finalizers": None}}
    for _ in range(2):
        code, answer = server.patch(item, bare, user="data-scientist")
        assert code == 422, answer
        assert "set the annotation sagemaker-gitops.dev/release" in answer["message"]
        path = f"/apis/sagemaker-gitops.dev/v1alpha1/namespaces/team-a/trainingruns/{item['metadata']['name']}"
        assert server.call("DELETE", path, user="data-scientist")[0] == 200
    assert server.patch(item, {"metadata": {"annotations": {ANNOTATIONS[4]: "true"}}}, user="data-scientist")[0] == 200
    assert server.patch(item, bare, user="operator")[0] == 200


def test_annotations_of_ours(server: ApiServer) -> None:
    """Only those that mean something, and no long or odd values."""
    for name in ANNOTATIONS:
        assert _denied(server, made("TrainingRun", RUN, annotations={name: "2026-11-21T10:00:00Z"})) == ""
    unknown = _denied(server, made("TrainingRun", RUN, annotations={"sagemaker-gitops.dev/approved-by": "me"}))
    assert '"sagemaker-gitops.dev/approved-by" means nothing; there are sagemaker-gitops.dev/reconcile-requested-at' in unknown
    for odd in ("x" * 254, "a\nb", "\u202eevil", "{{ secret }}"):
        assert "must have at most 253 letters" in _denied(server, made("TrainingRun", RUN, annotations={ANNOTATIONS[1]: odd}))


def test_tenants_are_the_platform_teams(server: ApiServer, cluster: LocalCluster) -> None:
    """No role for people of a namespace says tenants; the platform's does."""
    item = _tenant("mine")
    assert server.create(item, user="data-scientist")[0] == 403
    cluster.kubectl("create", "clusterrolebinding", "platform", "--clusterrole=sagemaker-gitops-platform", "--user=argocd")
    assert server.create(item, user="argocd")[0] == 201


def test_a_narrower_tenant_leaves_what_exists_editable(server: ApiServer, cluster: LocalCluster) -> None:
    """Metadata, status and deletion go on; a changed spec is judged. And without any Tenant nothing new comes, what exists can go."""
    item = made("TrainingRun", RUN, "earlier", finalizers=[FINALIZER])
    assert server.create(item, dry_run=False)[0] == 201
    narrow = TENANT["allow"] | {"images": ["123456789012.dkr.ecr.eu-central-1.amazonaws.com/other/*"]}
    cluster.kubectl("patch", "tenant", "team-a", "--type=merge", "-p", f'{{"spec": {{"allow": {{"images": ["{narrow["images"][0]}"]}}}}}}')
    wait_until(lambda: _denied(server, made("TrainingRun", RUN)), timeout=30, waiting_for="the narrower Tenant")
    assert server.patch(item, {"metadata": {"annotations": {ANNOTATIONS[1]: "again"}}})[0] == 200
    assert server.patch(item, {"status": {"phase": "Invalid"}}, user="operator", subresource="/status")[0] == 200
    assert server.patch(item, {"spec": {"suspend": True}})[0] == 422
    cluster.kubectl("delete", "tenants", "--all")
    wait_until(lambda: "no params found" in _denied(server, made("TrainingRun", RUN, "x")), timeout=30, waiting_for="no Tenant")
    assert server.patch(item, {"metadata": {"annotations": {ANNOTATIONS[1]: "later"}}})[0] == 200
    cluster.kubectl("delete", "tr", "earlier", "-n", "team-a", "--wait=false")
    assert server.patch(item, {"metadata": {"finalizers": None}}, user="operator")[0] == 200
