"""Tenants: without exactly one, no AWS call; with one, nothing outside its fence, and everything of it in every request."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
import yaml

from sagemaker_gitops.cli.local_account import ACCOUNT
from sagemaker_gitops.cli.sandbox import ROOT
from tests.system.stack import EVALUATE, PREPARE, SKLEARN, TRAIN, Stack, condition

KEY = f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
NETWORK = {"subnetIds": ["subnet-0a1b2c3d"], "securityGroupIds": ["sg-0a1b2c3d"]}
ROLE_NAME = "sagemaker-gitops-fence"


def _tenant(name: str, **spec: Any) -> dict[str, Any]:
    """The sample's Tenant for another namespace, with changes."""
    made: dict[str, Any] = yaml.safe_load((ROOT / "manifests/samples/tenant/tenant.yaml").read_text())
    made["metadata"]["name"] = name
    made["spec"] |= {"roleArn": f"arn:aws:iam::{ACCOUNT}:role/{ROLE_NAME}", "externalId": "fence", "namespaces": [name]} | spec
    return {"kind": made["kind"], "apiVersion": made["apiVersion"]} | {
        "metadata": made["metadata"],
        "spec": {key: value for key, value in made["spec"].items() if value is not None},
    }


@pytest.fixture
def fenced(stack: Stack, request: pytest.FixtureRequest) -> Iterator[Stack]:
    """A namespace of its own without a Tenant, and a role that a Tenant may name; all gone afterwards."""
    namespace = request.node.name.removeprefix("test_").replace("_", "-")[:50].rstrip("-")
    trust = {
        "principals": [f"arn:aws:iam::{ACCOUNT}:role/sagemaker-gitops-operator"],
        "externalId": "fence",
        "sessionTags": ["namespace", "kind", "name"],
    }
    stack.aws.add_role(name=ROLE_NAME, trust=trust, passRoles=[f"arn:aws:iam::{ACCOUNT}:role/team-a/*"])
    stack.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": {"fenced": namespace}}})
    yield replace(stack, namespace=namespace, role=f"arn:aws:iam::{ACCOUNT}:role/{ROLE_NAME}")
    stack.sandbox.kubectl("delete", "tr", "--all", "-n", namespace, "--timeout=60s")
    stack.sandbox.kubectl("delete", "tenant", "-l", f"fenced={namespace}", "--ignore-not-found")


def _bind(fenced: Stack, name: str | None = None, **spec: Any) -> None:
    tenant = _tenant(name or fenced.namespace, **({"namespaces": [fenced.namespace]} | spec))
    tenant["metadata"]["labels"] = {"fenced": fenced.namespace}
    fenced.apply(tenant)


def _reason(fenced: Stack, name: str, type_: str, reason: str) -> dict[str, Any]:
    """The condition once it gives the reason."""
    status = fenced.until(name, lambda status: condition(status, type_).get("reason") == reason)["status"]
    return condition(status, type_)


def test_no_tenant_no_call_until_there_is_one(fenced: Stack) -> None:
    """The condition says whom to ask; the Tenant's arrival wakes the run."""
    fenced.run("early")
    assert "ask the platform team" in _reason(fenced, "early", "Reconciling", "TenantMissing")["message"]
    assert fenced.calls_for("early") == []
    _bind(fenced)
    assert fenced.ended("early", 30)["phase"] == "Succeeded"


def test_two_tenants_no_call(fenced: Stack) -> None:
    """Either could be the wrong account; one of them must go."""
    _bind(fenced, f"{fenced.namespace}-1")
    _bind(fenced, f"{fenced.namespace}-2")
    fenced.run("torn")
    assert f"{fenced.namespace}-1, {fenced.namespace}-2" in _reason(fenced, "torn", "Stalled", "TenantAmbiguous")["message"]
    assert fenced.calls_for("torn") == []
    fenced.sandbox.kubectl("delete", "tenant", f"{fenced.namespace}-2")
    assert fenced.ended("torn", 30)["phase"] == "Succeeded"


def test_a_selector_binds_by_label(fenced: Stack) -> None:
    """namespaceSelector instead of names."""
    _bind(fenced, namespaces=None, namespaceSelector={"matchLabels": {"fenced": fenced.namespace}})
    fenced.run("selected")
    assert fenced.ended("selected")["phase"] == "Succeeded"


def test_a_wrong_external_id_is_told_and_heals(fenced: Stack) -> None:
    """STS refuses; the condition names the role; a corrected Tenant goes on without anybody's help."""
    _bind(fenced, externalId="wrong")
    fenced.run("stranger")
    message = _reason(fenced, "stranger", "Stalled", "AccessDenied")["message"]
    assert "sts:AssumeRole" in message
    assert ROLE_NAME in message
    _bind(fenced)
    assert fenced.ended("stranger", 60)["phase"] == "Succeeded"


@pytest.mark.capability("C17")
def test_what_the_tenant_requires_must_be_given(fenced: Stack) -> None:
    """require: [kms, vpc] refuses a run without them, by field."""
    allow = _tenant("x")["spec"]["allow"] | {"kmsKeyArns": [KEY], "subnetIds": ["subnet-0a1b2c3d"], "securityGroupIds": ["sg-0a1b2c3d"]}
    _bind(fenced, require=["kms", "vpc"], allow=allow)
    fenced.run("open")
    message = _reason(fenced, "open", "Stalled", "TenantPolicy")["message"]
    assert "spec.kmsKeyArn: is required" in message
    assert "spec.network.subnetIds: is required" in message
    assert not {call for call in fenced.calls_for("open") if call.startswith("Create")}
    fenced.run("closed", kmsKeyArn=KEY, network=NETWORK)
    assert fenced.ended("closed")["phase"] == "Succeeded"


def _tags(described: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in described["Tags"]}


@pytest.mark.capability("C16", "C17")
def test_network_kms_and_tags_reach_every_request(fenced: Stack) -> None:
    """Training, processing, Glue and the registry: the Tenant's tags and the run's, its key and its subnets."""
    allow = _tenant("x")["spec"]["allow"] | {"kmsKeyArns": [KEY], "subnetIds": ["subnet-0a1b2c3d"], "securityGroupIds": ["sg-0a1b2c3d"]}
    _bind(fenced, allow=allow)
    fenced.run(
        "through",
        files={"prepare.py": PREPARE, "train.py": TRAIN, "evaluate.py": EVALUATE},
        prepare={"glue": {"script": "prepare.py", "outputs": ["train"]}},
        train={"framework": SKLEARN, "entryPoint": "train.py", "channels": ["train"]},
        evaluate={"processing": {"framework": SKLEARN, "entryPoint": "evaluate.py", "channels": ["train"]}},
        kmsKeyArn=KEY,
        network=NETWORK | {"isolation": True, "encryptInterContainerTraffic": True},
        tags={"project": "through"},
    )
    assert fenced.ended("through")["phase"] == "Succeeded"
    vpc = {"Subnets": NETWORK["subnetIds"], "SecurityGroupIds": NETWORK["securityGroupIds"]}
    train, evaluate = fenced.describe_job("through"), fenced.describe_job("through", "evaluate")
    assert (train["VpcConfig"], train["EnableNetworkIsolation"], train["EnableInterContainerTrafficEncryption"]) == (vpc, True, True)
    assert (train["OutputDataConfig"]["KmsKeyId"], train["ResourceConfig"]["VolumeKmsKeyId"]) == (KEY, KEY)
    assert evaluate["NetworkConfig"] == {"VpcConfig": vpc, "EnableNetworkIsolation": True, "EnableInterContainerTrafficEncryption": True}
    assert evaluate["ProcessingOutputConfig"]["KmsKeyId"] == KEY
    assert evaluate["ProcessingResources"]["ClusterConfig"]["VolumeKmsKeyId"] == KEY
    sagemaker = fenced.client("sagemaker")
    for arn in (train["TrainingJobArn"], evaluate["ProcessingJobArn"]):
        tags = _tags(sagemaker.list_tags(ResourceArn=arn))
        assert (tags["cost-centre"], tags["project"], tags["sagemaker-gitops.dev/name"]) == ("4711", "through", "through")
    glue = fenced.status("through")["steps"][0]["awsName"]
    tags = fenced.client("glue").get_tags(ResourceArn=f"arn:aws:glue:eu-central-1:{ACCOUNT}:job/{glue}")["Tags"]
    assert (tags["cost-centre"], tags["project"]) == ("4711", "through")


def test_runs_too_many_wait_and_show_their_place(fenced: Stack) -> None:
    """limits.maxConcurrentRuns: the others are Queued with their position, and start as places become free."""
    _bind(fenced, limits={"maxConcurrentRuns": 1, "maxRuntime": "24h"})
    fenced.run("first", files={"train.py": "import time\ntime.sleep(12)\n" + TRAIN})
    fenced.wait_for_call("first", "CreateTrainingJob")
    for number, name in enumerate(("second", "third"), 1):
        fenced.run(name)
        status = fenced.until(name, lambda status: status.get("phase") == "Queued")["status"]
        assert status["queue"]["position"] == number, json.dumps(status)
    assert fenced.accepted("second", "CreateTrainingJob") == 0
    assert [fenced.ended(name)["phase"] for name in ("first", "second", "third")] == ["Succeeded"] * 3
    created = [
        entry["sessionTags"]["name"] for entry in fenced.aws.ledger(operation="CreateTrainingJob", caller=fenced.role, limit=100_000)
    ]
    assert [name for name in created if name in ("first", "second", "third")][-3:] == ["first", "second", "third"]


@pytest.mark.capability("C18", "H1")
def test_calls_carry_the_object_as_session_tags(fenced: Stack) -> None:
    """Who asked is in CloudTrail: namespace, kind and name on every call of the assumed role."""
    _bind(fenced)
    fenced.run("session-tags")
    fenced.ended("session-tags")
    entries = [entry for entry in fenced.aws.ledger(limit=1_000_000) if entry["sessionTags"].get("name") == "session-tags"]
    assert entries
    assert {tuple(sorted(entry["sessionTags"].items())) for entry in entries} == {
        (("kind", "TrainingRun"), ("name", "session-tags"), ("namespace", fenced.namespace))
    }
