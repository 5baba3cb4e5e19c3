"""UpdateEndpointWeightsAndCapacities changes numbers without a new configuration."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from hosting_kit import HostingKit, only_variant


def scale(kit: HostingKit, name: str, **changes: Any) -> None:
    change = {"VariantName": "AllTraffic"} | changes
    kit.client("sagemaker").update_endpoint_weights_and_capacities(EndpointName=name, DesiredWeightsAndCapacities=[change])


def test_numbers_are_desired_first_and_current_later(kit: HostingKit) -> None:
    """The endpoint is Updating meanwhile and the config stays; what is not named is kept."""
    config = kit.config()
    name = kit.serving(config)
    kit.world.settings["endpoints.updatingSeconds"] = 60
    scale(kit, name, DesiredInstanceCount=3)
    updating = kit.described(name)
    variant = only_variant(updating)
    assert updating["EndpointStatus"] == "Updating"
    assert (variant["CurrentInstanceCount"], variant["DesiredInstanceCount"]) == (1, 3)
    assert variant["VariantStatus"][0]["StatusMessage"] == "Scaling out desired instance count to 3."
    kit.world.clock.advance(60)
    described = kit.settled(name)
    variant = only_variant(described)
    assert described["EndpointConfigName"] == config
    assert (variant["CurrentInstanceCount"], variant["DesiredInstanceCount"], variant["CurrentWeight"]) == (3, 3, 1.0)
    assert "VariantStatus" not in variant


def test_a_change_that_fails_is_rolled_back(kit: HostingKit) -> None:
    """Scripted: through RollingBack to the old numbers, with the reason."""
    name = kit.serving()
    kit.fail_next("CapacityError")
    scale(kit, name, DesiredInstanceCount=3)
    described = kit.settled(name)
    variant = only_variant(described)
    assert (described["EndpointStatus"], described["FailureReason"]) == ("InService", "CapacityError")
    assert (variant["CurrentInstanceCount"], variant["DesiredInstanceCount"]) == (1, 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"VariantName": "other"}, r'The variant name\(s\) "other" is/are not present within endpoint configuration "config-'),
        ({"DesiredInstanceCount": 0}, "DesiredInstanceCount of production variant AllTraffic must be at least 1"),
        ({"ServerlessUpdateConfig": {"MaxConcurrency": 2}}, "ServerlessUpdateConfig is not allowed"),
        ({"DesiredInstanceCount": 30_000}, "ResourceLimitExceeded"),
    ],
)
def test_bad_changes_are_refused(kit: HostingKit, changes: dict[str, Any], message: str) -> None:
    """And the endpoint stays InService."""
    name = kit.serving()
    with pytest.raises(ClientError, match=message):
        scale(kit, name, **changes)
    assert kit.described(name)["EndpointStatus"] == "InService"


def test_a_serverless_variant_has_concurrency_instead(kit: HostingKit) -> None:
    """Its summary shows the serverless config, which can be changed in place."""
    config = {"MemorySizeInMB": 2048, "MaxConcurrency": 5}
    name = kit.serving(kit.config({"VariantName": "AllTraffic", "ModelName": kit.model("s"), "ServerlessConfig": config}))
    assert kit.invoke(name)["text"] == "s:x"
    scale(kit, name, ServerlessUpdateConfig={"MaxConcurrency": 8})
    variant = only_variant(kit.settled(name))
    assert variant["CurrentServerlessConfig"] == config | {"MaxConcurrency": 8}
    assert "DesiredInstanceCount" not in variant
    with pytest.raises(ClientError, match="DesiredInstanceCount is not allowed for serverless"):
        scale(kit, name, DesiredInstanceCount=2)


def test_an_async_endpoint_scales_to_zero(kit: HostingKit) -> None:
    """And shows its AsyncInferenceConfig."""
    config = {"OutputConfig": {"S3OutputPath": "s3://kit-bucket/async"}}
    name = kit.serving(kit.config(AsyncInferenceConfig=config))
    scale(kit, name, DesiredInstanceCount=0)
    described = kit.settled(name)
    assert only_variant(described)["CurrentInstanceCount"] == 0
    assert described["AsyncInferenceConfig"] == config
