"""Endpoints go through AWS's states, and are refused in AWS's words."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from hosting_kit import HostingKit, only_variant
from service_kit import ACCOUNT, IMAGE, REGION, ROLE, until

from local_aws.identity import Role

RAISES = "def model_fn(folder):\n    raise ValueError('cannot load')\n"
DEAF = "import time\ndef model_fn(folder):\n    while True: time.sleep(0.05)\n"


def arn(name: str) -> str:
    return f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:endpoint/{name}"


def test_an_endpoint_goes_from_creating_to_in_service(kit: HostingKit) -> None:
    """While it is Creating only the pending deployment shows variants; afterwards they have weights, counts and images."""
    kit.world.settings["endpoints.creatingSeconds"] = 3600
    config = kit.config(kit.variant(InitialInstanceCount=2))
    name = kit.endpoint(config)
    creating = kit.described(name)
    assert (creating["EndpointStatus"], creating["EndpointConfigName"]) == ("Creating", config)
    assert "ProductionVariants" not in creating
    (pending,) = creating["PendingDeploymentSummary"]["ProductionVariants"]
    assert pending["VariantStatus"][0]["StatusMessage"] == "Launching 2 instance(s)."
    kit.world.clock.advance(3600)
    described = kit.settled(name)
    assert (described["EndpointStatus"], described["EndpointArn"]) == ("InService", arn(name))
    assert {"PendingDeploymentSummary", "FailureReason", "DataCaptureConfig"}.isdisjoint(described)
    variant = only_variant(described)
    numbers = [variant[member] for member in ("CurrentWeight", "DesiredWeight", "CurrentInstanceCount", "DesiredInstanceCount")]
    assert numbers == [1.0, 1.0, 2, 2]
    (image,) = variant["DeployedImages"]
    assert image["SpecifiedImage"] == IMAGE
    assert image["ResolvedImage"].startswith(f"{IMAGE.rpartition(':')[0]}@sha256:")


def test_endpoints_are_listed_and_tagged(kit: HostingKit) -> None:
    """ListEndpoints filters by name and status; tags live with the endpoint."""
    sagemaker = kit.client("sagemaker")
    name = kit.serving(Tags=[{"Key": "team", "Value": "a"}])
    listed = sagemaker.list_endpoints(NameContains=name, StatusEquals="InService")["Endpoints"]
    assert [each["EndpointArn"] for each in listed] == [arn(name)]
    assert sagemaker.list_tags(ResourceArn=arn(name))["Tags"] == [{"Key": "team", "Value": "a"}]


def test_an_endpoint_is_deleting_and_then_gone(kit: HostingKit) -> None:
    """Deleting is a busy state; at its end the name is free and not found in AWS's words."""
    sagemaker = kit.client("sagemaker")
    config = kit.config()
    name = kit.serving(config)
    kit.world.settings["endpoints.deletingSeconds"] = 60
    sagemaker.delete_endpoint(EndpointName=name)
    assert kit.described(name)["EndpointStatus"] == "Deleting"
    with pytest.raises(ClientError, match="Cannot update in-progress endpoint"):
        sagemaker.delete_endpoint(EndpointName=name)
    kit.world.clock.advance(60)
    until(lambda: not sagemaker.list_endpoints(NameContains=name)["Endpoints"], "the end of the endpoint")
    with pytest.raises(ClientError, match=f'Could not find endpoint "{arn(name)}"'):
        kit.described(name)
    kit.serving(config, EndpointName=name)


@pytest.mark.parametrize("script", [RAISES, DEAF])
def test_a_model_that_does_not_answer_ping_fails_the_endpoint(kit: HostingKit, script: str) -> None:
    """Whether its process ends or hangs, the endpoint is Failed in AWS's words, gives its instances back and can be deleted."""
    kit.world.settings |= {"endpoints.startupSeconds": 0.2, "endpoints.startupWallSeconds": 0.5}
    kit.world.quotas.configure({"ml.c5.large for endpoint usage": 1})
    name = kit.endpoint(kit.config(kit.variant("blue", kit.model(script=script), InstanceType="ml.c5.large")))
    described = kit.settled(name)
    assert described["EndpointStatus"] == "Failed"
    assert described["FailureReason"] == (
        "The primary container for production variant blue did not pass the ping health check. "
        "Please check CloudWatch logs for this endpoint."
    )
    assert kit.world.quotas.report()["ml.c5.large for endpoint usage"]["used"] == 0
    kit.client("sagemaker").delete_endpoint(EndpointName=name)


def test_the_log_of_a_failed_model_is_in_cloudwatch(kit: HostingKit) -> None:
    """The traceback of model_fn is in the endpoint's log group, in a stream of the variant."""
    name = kit.endpoint(kit.config(kit.variant("blue", kit.model(script=RAISES))))
    kit.settled(name)
    until(lambda: "ValueError: cannot load" in kit.log(f"/aws/sagemaker/Endpoints/{name}", "blue/i-"), "the log of the model")


def test_missing_things_are_refused_at_once(kit: HostingKit) -> None:
    """A missing config, a model deleted since, a role that SageMaker can't assume any more."""
    with pytest.raises(ClientError, match='Could not find endpoint configuration "arn:aws:sagemaker'):
        kit.endpoint("no-such-config")
    model = kit.model()
    config = kit.config(kit.variant(model=model))
    kit.client("sagemaker").delete_model(ModelName=model)
    with pytest.raises(ClientError, match='Could not find model "arn:aws:sagemaker'):
        kit.endpoint(config)
    role = f"arn:aws:iam::{ACCOUNT}:role/passing"
    kit.world.identity.register(Role(arn=role, principals=frozenset({"sagemaker.amazonaws.com"})))
    config = kit.config(kit.variant(model=kit.model(ExecutionRoleArn=role)))
    kit.world.identity.remove(role)
    with pytest.raises(ClientError, match=f"Could not assume role {role}"):
        kit.endpoint(config)


def test_an_artifact_that_the_role_may_not_read_fails_the_endpoint(kit: HostingKit) -> None:
    """It is fetched with the model's execution role."""
    config = kit.config()
    kit.world.identity.deny(ROLE, "s3:GetObject")
    described = kit.settled(kit.endpoint(config))
    assert described["EndpointStatus"] == "Failed"
    assert 'Failed to download model data for container "primary" from URL: "s3://' in described["FailureReason"]


def test_a_name_is_taken_whatever_its_case(kit: HostingKit) -> None:
    """As for configurations."""
    name = kit.endpoint()
    with pytest.raises(ClientError, match=f'Cannot create already existing endpoint "{arn(name)}"'):
        kit.endpoint(EndpointName=name.upper())


def test_an_update_in_a_busy_state_is_refused(kit: HostingKit) -> None:
    """UpdateEndpoint, weights and DeleteEndpoint all say "Cannot update in-progress endpoint"."""
    sagemaker = kit.client("sagemaker")
    kit.world.settings["endpoints.creatingSeconds"] = 60
    name = kit.endpoint()
    weights = [{"VariantName": "AllTraffic", "DesiredWeight": 2.0}]
    calls: list[tuple[Any, dict[str, Any]]] = [
        (sagemaker.update_endpoint, {"EndpointConfigName": kit.config()}),
        (sagemaker.update_endpoint_weights_and_capacities, {"DesiredWeightsAndCapacities": weights}),
        (sagemaker.delete_endpoint, {}),
    ]
    for call, arguments in calls:
        with pytest.raises(ClientError, match=f'Cannot update in-progress endpoint "{arn(name)}"'):
            call(EndpointName=name, **arguments)
    kit.world.clock.advance(60)


def test_a_quota_is_refused_in_awss_words(kit: HostingKit) -> None:
    """The instances of an endpoint count from its creation to its deletion."""
    kit.world.quotas.configure({"ml.c5.large for endpoint usage": 2})
    config = kit.config(kit.variant(InstanceType="ml.c5.large", InitialInstanceCount=2))
    name = kit.serving(config)
    expected = r"The account-level service limit 'ml.c5.large for endpoint usage' is 2 Instances, with current utilization of 2"
    with pytest.raises(ClientError, match=rf"\(ResourceLimitExceeded\).*{expected}"):
        kit.endpoint(config)
    kit.client("sagemaker").delete_endpoint(EndpointName=name)
    until(lambda: kit.world.quotas.report()["ml.c5.large for endpoint usage"]["used"] == 0, "the end of the endpoint")


def test_a_running_endpoint_costs_money(kit: HostingKit) -> None:
    """Instances times AWS time since InService, also while it runs; the end settles it."""
    name = kit.serving(kit.config(kit.variant(InstanceType="ml.m5.xlarge", InitialInstanceCount=2)))
    kit.world.clock.advance(3600)

    def charges() -> list[dict[str, Any]]:
        return [charge for charge in kit.world.cost.report()["charges"] if charge["name"] == f"{name}/AllTraffic"]

    (running,) = charges()
    assert running["unit_seconds"] >= 7200
    assert running["usd"] == pytest.approx(2 * 0.23, rel=0.05)
    kit.client("sagemaker").delete_endpoint(EndpointName=name)
    until(lambda: not kit.client("sagemaker").list_endpoints(NameContains=name)["Endpoints"], "the end of the endpoint")
    (ended,) = charges()
    kit.world.clock.advance(3600)
    assert charges() == [ended]


def test_maintenance_by_aws_is_system_updating(kit: HostingKit) -> None:
    """When a test orders it, the endpoint is busy for a while although nobody updated it."""
    name = kit.serving()
    kit.world.settings["endpoints.systemUpdatingSeconds"] = 60
    kit.fail_next("maintenance", "EndpointSystemUpdate")
    assert kit.described(name)["EndpointStatus"] == "SystemUpdating"
    with pytest.raises(ClientError, match="Cannot update in-progress endpoint"):
        kit.client("sagemaker").delete_endpoint(EndpointName=name)
    kit.world.clock.advance(60)
    assert kit.settled(name)["EndpointStatus"] == "InService"
