"""What is kept up of an endpoint that serves, on the real API server and the local AWS: tags, changes by hand, adoption, parking."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.system.endpoints import Endpoints, serves
from tests.system.stack import condition

UPDATES = ("UpdateEndpoint", "UpdateEndpointWeightsAndCapacities")
OURS = "sagemaker-gitops.dev/"


def variant(name: str, version: int = 1) -> dict[str, Any]:
    return {"name": "all", "model": {"package": {"group": name, "version": version}}}


def arns(endpoints: Endpoints, name: str) -> list[str]:
    """Endpoint, live config, models."""
    status, sagemaker = endpoints.status(name), endpoints.stack.client("sagemaker")
    return [
        status["arn"],
        sagemaker.describe_endpoint_config(EndpointConfigName=status["liveConfig"])["EndpointConfigArn"],
        *(sagemaker.describe_model(ModelName=item["awsName"])["ModelArn"] for item in status["variants"]),
    ]


def tags_of(endpoints: Endpoints, arn: str) -> dict[str, str]:
    listed = endpoints.stack.client("sagemaker").list_tags(ResourceArn=arn)["Tags"]
    return {tag["Key"]: tag["Value"] for tag in listed}


def given(endpoints: Endpoints, arn: str) -> dict[str, str]:
    """Without ours."""
    return {key: value for key, value in tags_of(endpoints, arn).items() if not key.startswith(OURS)}


def eventually(holds: Callable[[], bool], what: str, seconds: float = 90.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


def events(endpoints: Endpoints, name: str, reason: str) -> list[dict[str, Any]]:
    found = json.loads(endpoints.stack.sandbox.kubectl("get", "events", "-n", endpoints.stack.namespace, "-o", "json"))["items"]
    return [item for item in found if item["involvedObject"]["name"] == name and item["reason"] == reason]


@pytest.mark.capability("F1")
def test_an_edit_of_tags_is_tag_calls_only(endpoints: Endpoints) -> None:
    """aws-controllers-k8s/community#1732 and #1731: nothing is created or updated; somebody's own tag stays."""
    endpoints.register("tagged", serves(1))
    endpoints.apply("tagged", variant("tagged"), tags={"project": "digits", "owner": "anna"})
    endpoints.in_service("tagged")
    found = arns(endpoints, "tagged")
    tenant = {key: value for key, value in given(endpoints, found[0]).items() if key not in ("project", "owner")}
    endpoints.stack.client("sagemaker").add_tags(ResourceArn=found[0], Tags=[{"Key": "theirs", "Value": "1"}])

    def edit() -> None:
        endpoints.apply("tagged", variant("tagged"), tags={"project": "numbers"})
        eventually(lambda: given(endpoints, found[-1]) == tenant | {"project": "numbers"}, "the tags of the model were not changed")
        endpoints.in_service("tagged")

    assert endpoints.stack.created_by(edit) == Counter()
    assert [given(endpoints, arn) for arn in found] == [
        tenant | {"project": "numbers", "theirs": "1"},
        tenant | {"project": "numbers"},
        tenant | {"project": "numbers"},
    ]
    assert not {call for call in endpoints.stack.calls_for("tagged") if call in UPDATES}
    assert endpoints.stack.calls_for("tagged").count("AddTags") == len(found)


def test_a_commit_without_a_change_of_content_writes_no_tag(endpoints: Endpoints) -> None:
    """A thousand endpoints times every commit would be a storm."""
    endpoints.register("commits", serves(1))
    endpoints.apply("commits", variant("commits"))
    endpoints.in_service("commits")
    for commit in ("aaaa", "bbbb"):
        words = ("annotate", "--overwrite", "mep", "commits", "-n", endpoints.stack.namespace, f"{OURS}git-revision={commit}")
        endpoints.stack.sandbox.kubectl(*words)
    endpoints.stack.quiet()
    assert not {call for call in endpoints.stack.calls_for("commits") if call in (*UPDATES, "AddTags", "DeleteTags")}


def test_tags_that_somebody_removed_come_back(endpoints: Endpoints) -> None:
    """No event and no LastModifiedTime tells of it: its turn comes with the watch over drift."""
    endpoints.register("stripped", serves(1))
    endpoints.apply("stripped", variant("stripped"), tags={"project": "digits"})
    endpoints.in_service("stripped")
    arn = endpoints.status("stripped")["arn"]
    endpoints.stack.client("sagemaker").delete_tags(ResourceArn=arn, TagKeys=["project"])
    eventually(lambda: given(endpoints, arn).get("project") == "digits", "the tag did not come back")
    assert len(events(endpoints, "stripped", "DriftDetected")) == 1


def test_an_endpoint_without_owner_tags_is_not_managed_any_more(endpoints: Endpoints) -> None:
    """Stalled with the way out; given back, it goes on. Nothing is updated or deleted meanwhile."""
    endpoints.register("disowned", serves(1))
    endpoints.apply("disowned", variant("disowned"), deletionPolicy="Delete")
    endpoints.in_service("disowned")
    arn = endpoints.status("disowned")["arn"]
    endpoints.stack.client("sagemaker").delete_tags(ResourceArn=arn, TagKeys=[f"{OURS}name"])
    endpoints.until("disowned", lambda status: condition(status, "Stalled").get("reason") == "NameConflict", 90)
    endpoints.stack.client("sagemaker").add_tags(ResourceArn=arn, Tags=[{"Key": f"{OURS}name", "Value": "disowned"}])
    words = ("annotate", "mep", "disowned", "-n", endpoints.stack.namespace, f"{OURS}reconcile-requested-at=now")
    endpoints.stack.sandbox.kubectl(*words)
    endpoints.in_service("disowned")
    assert not {call for call in endpoints.stack.calls_for("disowned") if call in (*UPDATES, "DeleteEndpoint")}


def test_reported_drift_is_degraded_and_left_alone(endpoints: Endpoints) -> None:
    """driftPolicy Report: one Event that says what differs, no update; Repair puts it right."""
    endpoints.register("reported", serves(1))
    endpoints.apply("reported", variant("reported"), driftPolicy="Report")
    name = endpoints.in_service("reported")["endpointName"]
    changed = [{"VariantName": "all", "DesiredWeight": 0.25, "DesiredInstanceCount": 2}]
    endpoints.stack.client("sagemaker").update_endpoint_weights_and_capacities(EndpointName=name, DesiredWeightsAndCapacities=changed)
    status = endpoints.until("reported", lambda status: status.get("phase") == "Drifted", 90)
    assert condition(status, "Stalled")["reason"] == condition(status, "Drifted")["reason"] == "DriftDetected"
    assert "0.25 x 2 -> 1 x 1" in condition(status, "Drifted")["message"]
    endpoints.stack.quiet()
    assert len(events(endpoints, "reported", "DriftDetected")) == 1
    assert not {call for call in endpoints.stack.calls_for("reported") if call in UPDATES}
    endpoints.apply("reported", variant("reported"), driftPolicy="Repair")
    endpoints.until("reported", lambda status: status["phase"] == "InService" and status["variants"][0].get("liveInstances") == 1)


def test_a_deleted_endpoint_is_reported_and_made_again_on_demand(endpoints: Endpoints) -> None:
    """failure-modes.md E1: its config and model are found, so only the endpoint is made."""
    endpoints.register("lost", serves(4))
    endpoints.apply("lost", variant("lost"), driftPolicy="Report")
    name = endpoints.in_service("lost")["endpointName"]
    endpoints.stack.client("sagemaker").delete_endpoint(EndpointName=name)
    status = endpoints.until("lost", lambda status: status.get("phase") == "Drifted", 90)
    assert f"endpoint {name} was deleted" in condition(status, "Drifted")["message"]

    def repair() -> None:
        endpoints.apply("lost", variant("lost"))
        endpoints.in_service("lost")

    assert endpoints.stack.created_by(repair) == Counter({"sagemaker:CreateEndpoint": 1})
    assert endpoints.ask("lost") == "4"


def foreign_endpoint(endpoints: Endpoints, name: str, group: str, tags: Mapping[str, str] | None = None) -> None:
    """An endpoint as somebody makes it who knows nothing of the operator, with the content that package version 1 of `group` has."""
    sagemaker = endpoints.stack.client("sagemaker")
    arn = sagemaker.list_model_packages(ModelPackageGroupName=group)["ModelPackageSummaryList"][0]["ModelPackageArn"]
    container = sagemaker.describe_model_package(ModelPackageName=arn)["InferenceSpecification"]["Containers"][0]
    primary = {"Image": container["Image"], "ModelDataUrl": container["ModelDataUrl"], "Environment": container["Environment"]}
    role = "arn:aws:iam::123456789012:role/team-a/training"
    sagemaker.create_model(ModelName=f"{name}-model", PrimaryContainer=primary, ExecutionRoleArn=role)
    served = {
        "VariantName": "all",
        "ModelName": f"{name}-model",
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
        "InitialVariantWeight": 1.0,
    }
    sagemaker.create_endpoint_config(EndpointConfigName=f"{name}-config", ProductionVariants=[served])
    listed = [{"Key": f"{OURS}{key}", "Value": value} for key, value in (tags or {}).items()]
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=f"{name}-config", Tags=listed)
    eventually(lambda: sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] == "InService", "it does not serve")


@pytest.fixture
def names_allowed(endpoints: Endpoints) -> Iterator[None]:
    """The Tenant lets its namespaces name endpoints that start with adopt-."""
    endpoints.stack.sandbox.kubectl("patch", "tenant", "team-a", "--type=merge", "-p", '{"spec":{"allow":{"endpointNames":["adopt-*"]}}}')
    yield
    endpoints.stack.sandbox.kubectl("patch", "tenant", "team-a", "--type=merge", "-p", '{"spec":{"allow":{"endpointNames":null}}}')


@pytest.mark.usefixtures("names_allowed")
def test_an_endpoint_of_somebody_else_is_adopted_on_demand_and_never_deleted(endpoints: Endpoints) -> None:
    """aws-controllers-k8s/community#1965: equal content is taken over without an update; its endpoint and config outlive the object."""
    endpoints.register("adopted", serves(6))
    foreign_endpoint(endpoints, "adopt-legacy", "adopted")
    sagemaker = endpoints.stack.client("sagemaker")
    endpoints.apply("adopted", variant("adopted"), endpointName="adopt-legacy", deletionPolicy="Delete")
    status = endpoints.until("adopted", lambda status: condition(status, "Stalled").get("reason") == "NameConflict")
    assert "to adopt it, write adopt: Always" in condition(status, "Stalled")["message"]
    assert not {call for call in endpoints.stack.calls_for("adopted") if call.startswith(("Create", "Update", "Add"))}

    def adopt() -> None:
        endpoints.apply("adopted", variant("adopted"), endpointName="adopt-legacy", deletionPolicy="Delete", adopt="Always")
        endpoints.in_service("adopted")

    assert endpoints.stack.created_by(adopt) == Counter()
    assert not {call for call in endpoints.stack.calls_for("adopted") if call in UPDATES}
    assert endpoints.status("adopted")["liveConfig"] == "adopt-legacy-config"
    endpoints.register("adopted", serves(9))
    endpoints.apply("adopted", variant("adopted", 2), endpointName="adopt-legacy", deletionPolicy="Delete", adopt="Always")
    status = endpoints.in_service("adopted", "2")
    past = status["history"][0]
    assert (past["config"], past["models"], past["adopted"]) == ("adopt-legacy-config", [], True)
    assert endpoints.ask("adopted") == "9"
    endpoints.delete("adopted")
    assert sagemaker.describe_endpoint(EndpointName="adopt-legacy")["EndpointStatus"] == "InService"
    assert sagemaker.describe_endpoint_config(EndpointConfigName="adopt-legacy-config")["ProductionVariants"]
    assert sagemaker.describe_model(ModelName="adopt-legacy-model")
    assert not {call for call in endpoints.stack.calls_for("adopted") if call.startswith("Delete")}


@pytest.mark.usefixtures("names_allowed")
@pytest.mark.capability("F1")
def test_our_own_endpoint_of_another_cluster_is_taken_over_without_an_update(endpoints: Endpoints) -> None:
    """Acceptance 20, aws-controllers-k8s/community#1381: namespace, name and kind agree, and the spec names it."""
    endpoints.register("moved", serves(6))
    owner = {"install": "old-cluster", "namespace": endpoints.stack.namespace, "name": "moved", "kind": "ModelEndpoint"}
    foreign_endpoint(endpoints, "adopt-moved", "moved", owner)

    def move() -> None:
        endpoints.apply("moved", variant("moved"), endpointName="adopt-moved")
        endpoints.in_service("moved")

    assert endpoints.stack.created_by(move) == Counter()
    assert not {call for call in endpoints.stack.calls_for("moved") if call in UPDATES}
    taken = endpoints.stack.calls_for("moved").count("AddTags")
    sagemaker = endpoints.stack.client("sagemaker")
    sagemaker.add_tags(ResourceArn=endpoints.status("moved")["arn"], Tags=[{"Key": f"{OURS}install", "Value": "old-cluster"}])
    status = endpoints.until("moved", lambda status: condition(status, "Stalled").get("reason") == "NameConflict", 90)
    assert "this object has managed it" in condition(status, "Stalled")["message"]
    endpoints.stack.quiet()
    assert endpoints.stack.calls_for("moved").count("AddTags") == taken


def test_an_endpoint_name_that_the_tenant_does_not_allow_is_refused(endpoints: Endpoints) -> None:
    """failure-modes.md I11: another team's endpoint in the same account."""
    endpoints.apply("covets", variant("covets"), endpointName="team-b-prod", adopt="Always")
    status = endpoints.until("covets", lambda status: condition(status, "Stalled").get("reason") == "TenantPolicy")
    assert "spec.endpointName" in condition(status, "Stalled")["message"]
    assert endpoints.stack.calls_for("covets") == []


@pytest.mark.capability("F10")
def test_an_artifact_that_changed_under_its_approval_is_not_served(endpoints: Endpoints) -> None:
    """sagemaker-custom-project-templates#15: the approval was of another object; what serves goes on, and the old object back is served."""
    endpoints.register("swapped", serves(1))
    endpoints.register("swapped", serves(2))
    endpoints.apply("swapped", variant("swapped"))
    status = endpoints.in_service("swapped", "1")
    bucket, _, key = status["variants"][0]["artifact"].removeprefix("s3://").partition("/")
    s3 = endpoints.stack.client("s3")
    approved = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    endpoints.apply("swapped", variant("swapped", 2))
    endpoints.in_service("swapped", "2")
    s3.put_object(Bucket=bucket, Key=key, Body=b"something that nobody approved")
    endpoints.apply("swapped", variant("swapped"))
    status = endpoints.until("swapped", lambda status: condition(status, "Stalled").get("reason") == "ArtifactChanged")
    assert "swapped/1 was approved as" in condition(status, "Stalled")["message"]
    assert endpoints.ask("swapped") == "2"
    updates = endpoints.stack.calls_for("swapped").count("UpdateEndpoint")
    s3.put_object(Bucket=bucket, Key=key, Body=approved)
    words = ("annotate", "mep", "swapped", "-n", endpoints.stack.namespace, f"{OURS}reconcile-requested-at=now")
    endpoints.stack.sandbox.kubectl(*words)
    endpoints.in_service("swapped", "1")
    assert endpoints.stack.calls_for("swapped").count("UpdateEndpoint") == updates + 1


@pytest.mark.capability("F10")
def test_rejecting_the_last_approved_version_keeps_production_up(endpoints: Endpoints) -> None:
    """sagemaker-custom-project-templates#16: rejecting falls back; with nothing to fall back to, it is said and what serves goes on."""
    first, second = endpoints.register("rejected", serves(1)), endpoints.register("rejected", serves(2))
    endpoints.apply("rejected", {"name": "all", "model": {"package": {"group": "rejected", "approved": "Latest"}}})
    endpoints.in_service("rejected", "2")
    endpoints.approve(second, "Rejected")
    endpoints.in_service("rejected", "1")
    endpoints.approve(first, "Rejected")
    status = endpoints.until("rejected", lambda status: condition(status, "Ready").get("reason") == "AwaitingApproval")
    assert status["phase"] == "InService"
    assert endpoints.ask("rejected") == "1"


def window_around(open_: bool) -> dict[str, Any]:
    """A window that is open, or closed, for hours to come."""
    now = datetime.now(UTC)
    begin = now - timedelta(hours=2) if open_ else now + timedelta(hours=2)
    end = begin + timedelta(hours=5)
    return {"days": ["Mon-Sun"], "from": f"{begin:%H:%M}", "to": f"{end:%H:%M}", "timeZone": "UTC"}


@pytest.mark.capability("A7", "F14")
@pytest.mark.long
def test_outside_its_window_an_endpoint_is_parked_and_unpark_brings_it_back(endpoints: Endpoints) -> None:
    """aws-controllers-k8s/community#1635: the endpoint goes, config and models stay, and nothing but the endpoint is made again."""
    endpoints.register("windowed", serves(5))
    endpoints.apply("windowed", variant("windowed"), activeWindow=window_around(True))
    served = endpoints.in_service("windowed")
    endpoints.apply("windowed", variant("windowed"), activeWindow=window_around(False))
    status = endpoints.until("windowed", lambda status: status.get("phase") == "Parked")
    assert condition(status, "Suspended")["reason"] == condition(status, "Ready")["reason"] == "Parked"
    assert (status["url"], status.get("liveConfig")) == (served["url"], None)
    sagemaker = endpoints.stack.client("sagemaker")
    assert sagemaker.list_endpoints(NameContains=served["endpointName"])["Endpoints"] == []
    assert sagemaker.describe_endpoint_config(EndpointConfigName=served["liveConfig"])["ProductionVariants"]
    assert len(events(endpoints, "windowed", "Parked")) == 1
    assert not events(endpoints, "windowed", "DriftDetected")
    before = endpoints.stack.calls_for("windowed")
    endpoints.stack.quiet()
    later = endpoints.stack.calls_for("windowed")[len(before) :]
    assert set(later) <= {"ListModelPackages"}  # the watch of approvals: one call a group and interval, whoever serves of it

    def wake() -> None:
        assert endpoints.stack.command("unpark", "windowed", "-n", endpoints.stack.namespace).returncode == 0
        endpoints.in_service("windowed")

    assert endpoints.stack.created_by(wake) == Counter({"sagemaker:CreateEndpoint": 1})
    status = endpoints.status("windowed")
    assert (status["liveConfig"], endpoints.ask("windowed")) == (served["liveConfig"], "5")
    assert status["parking"]["awakeUntil"]
    assert endpoints.stack.command("unpark", "windowed", "-n", endpoints.stack.namespace).returncode == 1
    endpoints.apply("windowed", variant("windowed"), deletionPolicy="Delete", activeWindow=window_around(False))
    endpoints.delete("windowed")


@pytest.mark.capability("A7", "F14")
@pytest.mark.timeout(300)
@pytest.mark.long
def test_an_endpoint_that_nobody_asks_is_parked_and_one_that_is_asked_is_not(endpoints: Endpoints) -> None:
    """amazon-sagemaker-feedback#155: by its invocations in CloudWatch; a new model does not wake it."""
    for name in ("idle", "asked"):
        endpoints.register(name, serves(1))
        endpoints.apply(name, {"name": "all", "model": {"package": {"group": name, "approved": "Latest"}}}, idle={"parkAfter": "1m"})
    endpoints.in_service("idle"), endpoints.in_service("asked")

    def parked() -> bool:
        assert endpoints.ask("asked") == "1"
        return endpoints.status("idle").get("phase") == "Parked"

    eventually(parked, "it was not parked", 200)
    assert endpoints.status("asked")["phase"] == "InService"
    assert "DeleteEndpoint" not in endpoints.stack.calls_for("asked")
    endpoints.register("idle", serves(2))
    endpoints.stack.quiet()
    assert endpoints.status("idle")["phase"] == "Parked"
    assert endpoints.stack.command("unpark", "idle", "-n", endpoints.stack.namespace).returncode == 0
    endpoints.in_service("idle", "2")


@pytest.mark.capability("A7", "F6")
def test_a_scaled_endpoint_is_deregistered_before_it_is_parked_and_again_scaled_when_it_is_back(endpoints: Endpoints) -> None:
    """hashicorp/terraform-provider-aws#14337: a scalable target must not outlive its endpoint, nor block its deletion."""
    endpoints.register("rests", serves(5))
    scaled = variant("rests") | {"autoscaling": {"minCapacity": 1, "maxCapacity": 2, "targetInvocationsPerInstance": 1000}}
    endpoints.apply("rests", scaled, activeWindow=window_around(True))
    name = endpoints.in_service("rests")["endpointName"]
    scaling = endpoints.stack.client("application-autoscaling")

    def targets() -> int:
        listed = scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
        return sum(f"endpoint/{name}/" in target["ResourceId"] for target in listed)

    eventually(lambda: targets() == 1, "it was not registered")
    endpoints.apply("rests", scaled, activeWindow=window_around(False))
    endpoints.until("rests", lambda status: status.get("phase") == "Parked")
    calls = endpoints.stack.calls_for("rests")
    assert calls.index("DeregisterScalableTarget") < calls.index("DeleteEndpoint")
    assert targets() == 0
    assert endpoints.stack.command("unpark", "rests", "-n", endpoints.stack.namespace).returncode == 0
    endpoints.in_service("rests")
    eventually(lambda: targets() == 1, "it was not registered again")
