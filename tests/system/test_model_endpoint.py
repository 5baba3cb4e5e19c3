"""A ModelEndpoint on the real API server and the local AWS: it serves, changes and goes back without ever losing the last good version."""

from __future__ import annotations

import io
import json
import tarfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.system.stack import Stack, condition

IMAGE = "492215442770.dkr.ecr.eu-central-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
SERVES = """
def model_fn(folder):
    return VALUE
def input_fn(body, content_type):
    return body
def predict_fn(data, model):
    return model
def output_fn(prediction, accept):
    return str(prediction), "text/csv"
"""
BROKEN = "def model_fn(folder):\n    raise ValueError('no such model')\n"
ENVIRONMENT = {"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code"}
CREATES = ("sagemaker:CreateModel", "sagemaker:CreateEndpointConfig", "sagemaker:CreateEndpoint")


class Endpoints:
    """Model packages made by hand, and ModelEndpoints that serve them."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack

    def artifact(self, script: str) -> str:
        """A model archive in S3 whose code answers as `script` says."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            entry = tarfile.TarInfo("code/inference.py")
            entry.size = len(script.encode())
            archive.addfile(entry, io.BytesIO(script.encode()))
        key = f"models/{uuid.uuid4().hex[:8]}/model.tar.gz"
        self.stack.client("s3").put_object(Bucket="team-a-ml", Key=key, Body=packed.getvalue())
        return f"s3://team-a-ml/{key}"

    def register(self, group: str, script: str, approval: str = "Approved") -> str:
        """A new version; its ARN."""
        sagemaker = self.stack.client("sagemaker")
        if not sagemaker.list_model_package_groups(NameContains=group)["ModelPackageGroupSummaryList"]:
            sagemaker.create_model_package_group(ModelPackageGroupName=group)
        container = {"Image": IMAGE, "ModelDataUrl": self.artifact(script), "Environment": ENVIRONMENT}
        arn: str = sagemaker.create_model_package(
            ModelPackageGroupName=group,
            ModelApprovalStatus=approval,
            InferenceSpecification={
                "Containers": [container],
                "SupportedContentTypes": ["text/csv"],
                "SupportedResponseMIMETypes": ["text/csv"],
            },
        )["ModelPackageArn"]
        return arn

    def approve(self, arn: str, status: str) -> None:
        self.stack.client("sagemaker").update_model_package(ModelPackageArn=arn, ModelApprovalStatus=status)

    def apply(self, name: str, *variants: Mapping[str, Any], **spec: Any) -> None:
        self.stack.apply(
            {
                "apiVersion": "sagemaker-gitops.dev/v1alpha1",
                "kind": "ModelEndpoint",
                "metadata": {"name": name, "namespace": self.stack.namespace},
                "spec": {"variants": list(variants), **spec},
            }
        )

    def get(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.stack.sandbox.kubectl("get", "mep", name, "-n", self.stack.namespace, "-o", "json"))
        return found

    def status(self, name: str) -> dict[str, Any]:
        return dict(self.get(name).get("status", {}))

    def until(self, name: str, holds: Callable[[dict[str, Any]], bool], seconds: float = 60.0) -> dict[str, Any]:
        """The status once it is about the present spec and holds what is asked."""
        deadline = time.monotonic() + seconds
        while True:
            found = self.get(name)
            status: dict[str, Any] = found.get("status", {})
            if status.get("observedGeneration") == found["metadata"]["generation"] and holds(status):
                return status
            assert time.monotonic() < deadline, json.dumps(status, indent=1)
            time.sleep(0.1)

    def in_service(self, name: str, live: str | None = None) -> dict[str, Any]:
        def holds(status: dict[str, Any]) -> bool:
            return status.get("phase") == "InService" and (live is None or status.get("live") == live)

        return self.until(name, holds)

    def ask(self, name: str) -> str:
        runtime = self.stack.client("sagemaker-runtime")
        body: bytes = runtime.invoke_endpoint(EndpointName=self.status(name)["endpointName"], ContentType="text/csv", Body=b"1")[
            "Body"
        ].read()
        return body.decode().strip()

    @contextmanager
    def asking(self, name: str) -> Iterator[Counter[str]]:
        """A client that never stops asking: what it was answered, or "failed"."""
        endpoint, runtime, answers, over = (
            self.status(name)["endpointName"],
            self.stack.client("sagemaker-runtime"),
            Counter[str](),
            threading.Event(),
        )

        def ask() -> None:
            while not over.wait(0.02):
                try:
                    answer = runtime.invoke_endpoint(EndpointName=endpoint, ContentType="text/csv", Body=b"1")["Body"].read()
                    answers[answer.decode().strip()] += 1
                except ClientError:
                    answers["failed"] += 1

        thread = threading.Thread(target=ask)
        thread.start()
        try:
            yield answers
        finally:
            over.set()
            thread.join(10)

    def delete(self, name: str) -> None:
        self.stack.sandbox.kubectl("delete", "mep", name, "-n", self.stack.namespace, "--timeout=60s")


@pytest.fixture
def endpoints(stack: Stack) -> Endpoints:
    return Endpoints(stack)


def _serves(value: int) -> str:
    return SERVES.replace("VALUE", str(value))


def _latest(group: str) -> dict[str, Any]:
    return {"package": {"group": group, "approved": "Latest"}}


@pytest.mark.capability("F1")
def test_an_endpoint_serves_and_is_ready(endpoints: Endpoints) -> None:
    """One model, config and endpoint; Ready; the package, its artifact and who approved it are in status."""
    arn = endpoints.register("serves", _serves(7))

    def serve() -> None:
        endpoints.apply("serves", {"name": "all", "model": {"package": {"group": "serves", "version": 1}}})
        endpoints.in_service("serves")

    assert endpoints.stack.created_by(serve) == Counter(dict.fromkeys(CREATES, 1))
    status = endpoints.status("serves")
    assert condition(status, "Ready")["status"] == "True"
    assert (status["variants"][0]["packageArn"], status["approval"], status["split"]) == (arn, "git", "all=1:100%")
    assert endpoints.ask("serves") == "7"


@pytest.mark.capability("F2", "F4")
def test_a_change_of_weights_or_counts_makes_no_new_config(endpoints: Endpoints) -> None:
    """UpdateEndpointWeightsAndCapacities alone; what AWS reports is what the spec says."""
    endpoints.register("shares", _serves(1))
    endpoints.register("shares", _serves(2))

    def variants(first: float, count: int) -> list[dict[str, Any]]:
        blue = {
            "name": "blue",
            "model": {"package": {"group": "shares", "version": 1}},
            "weight": first,
            "resources": {"instanceCount": count},
        }
        return [blue, {"name": "green", "model": {"package": {"group": "shares", "version": 2}}, "weight": 1 - first}]

    endpoints.apply("shares", *variants(0.9, 1))
    assert endpoints.in_service("shares")["split"] == "blue=1:90% green=2:10%"

    def shift() -> None:
        endpoints.apply("shares", *variants(0.5, 2))
        endpoints.until("shares", lambda status: status["phase"] == "InService" and status["variants"][0].get("liveWeight") == "0.5")

    assert endpoints.stack.created_by(shift) == Counter()
    assert endpoints.stack.calls_for("shares").count("UpdateEndpoint") == 0
    assert endpoints.status("shares")["variants"][0]["liveInstances"] == 2


@pytest.mark.capability("F10", "F15")
def test_an_approval_changes_what_serves_and_a_rejection_goes_back(endpoints: Endpoints) -> None:
    """approved: Latest follows the registry by event; no request fails meanwhile; the old model is not made again."""
    endpoints.register("follows", _serves(1))
    endpoints.apply("follows", {"name": "all", "model": _latest("follows")})
    endpoints.in_service("follows", "1")
    second = endpoints.register("follows", _serves(2), "PendingManualApproval")
    with endpoints.asking("follows") as answers:
        assert endpoints.ask("follows") == "1"
        endpoints.approve(second, "Approved")
        endpoints.in_service("follows", "2")
        assert endpoints.ask("follows") == "2"

        def reject() -> None:
            endpoints.approve(second, "Rejected")
            endpoints.in_service("follows", "1")

        assert endpoints.stack.created_by(reject) == Counter()
        assert endpoints.ask("follows") == "1"
    assert set(answers) <= {"1", "2"}
    assert answers["failed"] == 0


@pytest.mark.capability("F10")
def test_an_unapproved_model_is_never_served(endpoints: Endpoints) -> None:
    """A pin to a version that nobody approved waits, neither moving nor broken, and goes on when it is approved."""
    arn = endpoints.register("unapproved", _serves(3), "PendingManualApproval")
    endpoints.apply("unapproved", {"name": "all", "model": {"package": {"group": "unapproved", "version": 1}}})
    status = endpoints.until("unapproved", lambda status: condition(status, "Ready").get("reason") == "AwaitingApproval")
    assert "unapproved/1 is PendingManualApproval" in condition(status, "Ready")["message"]
    assert not condition(status, "Stalled")
    assert not {call for call in endpoints.stack.calls_for("unapproved") if call.startswith("Create")}
    endpoints.approve(arn, "Approved")
    endpoints.in_service("unapproved")


@pytest.mark.capability("F15")
def test_a_version_that_does_not_start_is_rolled_back_and_not_tried_again(endpoints: Endpoints) -> None:
    """InService on the old config is no success: RolledBack, Stalled, the version that serves is named, every request is answered."""
    endpoints.register("rolls", _serves(1))
    endpoints.register("rolls", BROKEN)
    endpoints.apply("rolls", {"name": "all", "model": {"package": {"group": "rolls", "version": 1}}})
    good = endpoints.in_service("rolls")
    with endpoints.asking("rolls") as answers:
        endpoints.apply("rolls", {"name": "all", "model": {"package": {"group": "rolls", "version": 2}}})
        status = endpoints.until("rolls", lambda status: status.get("phase") == "RolledBack")
        endpoints.stack.quiet()
    assert condition(status, "Stalled")["reason"] == "RolledBack"
    assert condition(status, "RolledBack")["status"] == "True"
    assert good["liveConfig"] in condition(status, "Stalled")["message"]
    assert endpoints.stack.calls_for("rolls").count("UpdateEndpoint") == 1
    assert set(answers) == {"1"}
    endpoints.apply("rolls", {"name": "all", "model": {"package": {"group": "rolls", "version": 1}}})
    assert condition(endpoints.in_service("rolls"), "RolledBack")["status"] == "False"


def test_an_endpoint_of_somebody_else_is_left_alone(endpoints: Endpoints) -> None:
    """The name is taken: Stalled with the owner, nothing is updated or deleted."""
    endpoints.register("foreign", _serves(1))
    endpoints.apply("foreign", {"name": "all", "model": {"package": {"group": "foreign", "version": 1}}}, deletionPolicy="Delete")
    name = endpoints.in_service("foreign")["endpointName"]
    sagemaker = endpoints.stack.client("sagemaker")
    arn = sagemaker.describe_endpoint(EndpointName=name)["EndpointArn"]
    sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "sagemaker-gitops.dev/install", "Value": "another"}])
    endpoints.delete("foreign")
    assert sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] == "InService"
    assert endpoints.stack.calls_for("foreign").count("DeleteEndpoint") == 0


def test_retain_leaves_the_endpoint_serving_and_is_the_default(endpoints: Endpoints) -> None:
    """A pruned manifest must not take production down; applied again, the object finds its endpoint."""
    endpoints.register("retained", _serves(5))
    variant = {"name": "all", "model": {"package": {"group": "retained", "version": 1}}}
    endpoints.apply("retained", variant)
    name = endpoints.in_service("retained")["endpointName"]
    endpoints.delete("retained")
    runtime = endpoints.stack.client("sagemaker-runtime")
    assert runtime.invoke_endpoint(EndpointName=name, ContentType="text/csv", Body=b"1")["Body"].read().strip() == b"5"

    def again() -> None:
        endpoints.apply("retained", variant)
        endpoints.in_service("retained")

    assert endpoints.stack.created_by(again) == Counter()


def test_delete_removes_endpoint_configs_and_models(endpoints: Endpoints) -> None:
    """Nothing that costs or clutters stays."""
    endpoints.register("removed", _serves(5))
    endpoints.apply("removed", {"name": "all", "model": {"package": {"group": "removed", "version": 1}}}, deletionPolicy="Delete")
    status = endpoints.in_service("removed")
    endpoints.delete("removed")
    sagemaker = endpoints.stack.client("sagemaker")
    assert sagemaker.list_endpoints(NameContains=status["endpointName"])["Endpoints"] == []
    assert sagemaker.list_endpoint_configs(NameContains="team-a-removed-config")["EndpointConfigs"] == []
    assert sagemaker.list_models(NameContains="team-a-removed-model")["Models"] == []


def test_a_wiped_status_is_made_again_and_a_deleted_endpoint_comes_back(endpoints: Endpoints) -> None:
    """Status is a view of AWS; an endpoint that somebody deleted by hand is drift."""
    endpoints.register("drifts", _serves(4))
    endpoints.apply("drifts", {"name": "all", "model": {"package": {"group": "drifts", "version": 1}}})
    name = endpoints.in_service("drifts")["endpointName"]

    def wipe() -> None:
        patch = ("patch", "mep", "drifts", "-n", endpoints.stack.namespace, "--subresource=status", "--type=merge", "-p", '{"status":null}')
        endpoints.stack.sandbox.kubectl(*patch)
        endpoints.in_service("drifts")

    assert endpoints.stack.created_by(wipe) == Counter()
    endpoints.stack.client("sagemaker").delete_endpoint(EndpointName=name)
    endpoints.until("drifts", lambda status: status.get("phase") != "InService")
    endpoints.in_service("drifts")
    assert endpoints.ask("drifts") == "4"


def test_shares_that_somebody_changed_are_put_right_without_any_event(endpoints: Endpoints) -> None:
    """The drift watch finds it in one list; nothing is described in a loop."""
    endpoints.register("touched", _serves(4))
    endpoints.apply("touched", {"name": "all", "model": {"package": {"group": "touched", "version": 1}}})
    name = endpoints.in_service("touched")["endpointName"]
    sagemaker = endpoints.stack.client("sagemaker")
    endpoints.stack.aws.admin("PUT", "faults/events", {"drop": 1.0})
    try:
        wanted = [{"VariantName": "all", "DesiredWeight": 0.25, "DesiredInstanceCount": 2}]
        sagemaker.update_endpoint_weights_and_capacities(EndpointName=name, DesiredWeightsAndCapacities=wanted)
        deadline = time.monotonic() + 90
        while sagemaker.describe_endpoint(EndpointName=name)["ProductionVariants"][0]["DesiredInstanceCount"] != 1:
            assert time.monotonic() < deadline, "the drift was not repaired"
            time.sleep(0.5)
    finally:
        endpoints.stack.aws.admin("DELETE", "faults")
    assert endpoints.stack.accepted("touched", "CreateEndpointConfig") == 1


def test_what_the_tenant_forbids_is_refused_before_any_call(endpoints: Endpoints) -> None:
    """Instance types, images and archives of endpoints stand under the same fence."""
    variant = {
        "name": "all",
        "model": {"image": IMAGE, "artifact": "s3://elsewhere/model.tar.gz"},
        "resources": {"instanceType": "ml.g5.xlarge"},
    }
    endpoints.apply("fenced", variant)
    status = endpoints.until("fenced", lambda status: condition(status, "Stalled").get("reason") == "TenantPolicy")
    message = condition(status, "Stalled")["message"]
    assert "spec.variants[0].resources.instanceType" in message
    assert "spec.variants[0].model.artifact" in message
    assert endpoints.stack.calls_for("fenced") == []
