"""A ModelEndpoint on the real API server and the local AWS: it serves, changes and goes back without ever losing the last good version."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import pytest

from tests.system.endpoints import BROKEN, CREATES, IMAGE, Endpoints, latest, serves
from tests.system.stack import condition


@pytest.mark.capability("F1")
def test_an_endpoint_serves_and_is_ready(endpoints: Endpoints) -> None:
    """One model, config and endpoint; Ready; the package, its artifact and who approved it are in status."""
    arn = endpoints.register("serves", serves(7))

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
    endpoints.register("shares", serves(1))
    endpoints.register("shares", serves(2))

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
    endpoints.register("registry", serves(1))
    endpoints.apply("registry", {"name": "all", "model": latest("registry")})
    endpoints.in_service("registry", "1")
    second = endpoints.register("registry", serves(2), "PendingManualApproval")
    with endpoints.asking("registry") as answers:
        assert endpoints.ask("registry") == "1"
        endpoints.approve(second, "Approved")
        endpoints.in_service("registry", "2")
        assert endpoints.ask("registry") == "2"

        def reject() -> None:
            endpoints.approve(second, "Rejected")
            endpoints.in_service("registry", "1")

        assert endpoints.stack.created_by(reject) == Counter()
        assert endpoints.ask("registry") == "1"
    assert set(answers) <= {"1", "2"}
    assert answers["failed"] == 0


@pytest.mark.capability("F10")
def test_an_unapproved_model_is_never_served(endpoints: Endpoints) -> None:
    """A pin to a version that nobody approved waits, neither moving nor broken, and goes on when it is approved."""
    arn = endpoints.register("unapproved", serves(3), "PendingManualApproval")
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
    endpoints.register("rolls", serves(1))
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
    endpoints.register("foreign", serves(1))
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
    endpoints.register("retained", serves(5))
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
    endpoints.register("removed", serves(5))
    endpoints.apply("removed", {"name": "all", "model": {"package": {"group": "removed", "version": 1}}}, deletionPolicy="Delete")
    status = endpoints.in_service("removed")
    endpoints.delete("removed")
    sagemaker = endpoints.stack.client("sagemaker")
    assert sagemaker.list_endpoints(NameContains=status["endpointName"])["Endpoints"] == []
    assert sagemaker.list_endpoint_configs(NameContains="team-a-removed-config")["EndpointConfigs"] == []
    assert sagemaker.list_models(NameContains="team-a-removed-model")["Models"] == []


def test_a_wiped_status_is_made_again_and_a_deleted_endpoint_comes_back(endpoints: Endpoints) -> None:
    """Status is a view of AWS; an endpoint that somebody deleted by hand is drift."""
    endpoints.register("drifts", serves(4))
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
    endpoints.register("touched", serves(4))
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
