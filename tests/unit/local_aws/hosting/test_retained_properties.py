"""UpdateEndpoint keeps what was changed in place exactly as far as it is told to."""

from __future__ import annotations

from typing import Any

import pytest
from hosting_kit import HostingKit, only_variant

CAPTURE = {
    "InitialSamplingPercentage": 50,
    "DestinationS3Uri": "s3://kit-bucket/c",
    "CaptureOptions": [{"CaptureMode": "Input"}],
}
OTHER = CAPTURE | {"InitialSamplingPercentage": 20}
KINDS = ("DesiredInstanceCount", "DesiredWeight", "DataCaptureConfig")


def excluding(*kinds: str) -> dict[str, Any]:
    return {"RetainAllVariantProperties": True, "ExcludeRetainedVariantProperties": [{"VariantPropertyType": kind} for kind in kinds]}


def change(kit: HostingKit, name: str, **numbers: Any) -> None:
    kit.client("sagemaker").update_endpoint_weights_and_capacities(
        EndpointName=name, DesiredWeightsAndCapacities=[{"VariantName": "AllTraffic"} | numbers]
    )
    kit.settled(name)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, (2, 1.0, 20)),
        ({"RetainAllVariantProperties": False}, (2, 1.0, 20)),
        ({"RetainAllVariantProperties": True}, (5, 7.0, 50)),
        (excluding("DesiredInstanceCount"), (2, 7.0, 50)),
        (excluding("DesiredWeight"), (5, 1.0, 50)),
        (excluding("DataCaptureConfig"), (5, 7.0, 20)),
        (excluding("DesiredInstanceCount", "DesiredWeight"), (2, 1.0, 50)),
        (excluding(*KINDS), (2, 1.0, 20)),
        (excluding(*KINDS) | {"RetainAllVariantProperties": False}, (2, 1.0, 20)),
    ],
)
def test_each_property_is_retained_or_not(kit: HostingKit, changes: dict[str, Any], expected: tuple[int, float, int]) -> None:
    """Count, weight and capture of the endpoint, or those of the new configuration; the exclusion means nothing by itself."""
    name = kit.serving(kit.config(DataCaptureConfig=CAPTURE))
    change(kit, name, DesiredInstanceCount=5, DesiredWeight=7.0)
    kit.update(name, kit.config(kit.variant(InitialInstanceCount=2), DataCaptureConfig=OTHER), **changes)
    described = kit.settled(name)
    variant = only_variant(described)
    found = (variant["CurrentInstanceCount"], variant["CurrentWeight"], described["DataCaptureConfig"]["CurrentSamplingPercentage"])
    assert found == expected
    assert (variant["DesiredInstanceCount"], variant["DesiredWeight"]) == expected[:2]


def test_an_absence_of_capture_is_retained_too(kit: HostingKit) -> None:
    """The new configuration's capture counts only where it is excluded from what is kept."""
    name = kit.serving()
    kit.update(name, kit.config(DataCaptureConfig=CAPTURE), RetainAllVariantProperties=True)
    assert "DataCaptureConfig" not in kit.settled(name)
    kit.update(name, kit.config(DataCaptureConfig=OTHER), **excluding("DataCaptureConfig"))
    assert kit.settled(name)["DataCaptureConfig"]["CurrentSamplingPercentage"] == 20


def test_variants_are_matched_by_name(kit: HostingKit) -> None:
    """A variant that is new has the configuration's numbers; the quota counts those that were kept."""
    name = kit.serving()
    change(kit, name, DesiredInstanceCount=4, DesiredWeight=3.0)
    kit.update(name, kit.config(kit.variant(), kit.variant("b", InitialInstanceCount=2)), RetainAllVariantProperties=True)
    found = {each["VariantName"]: (each["CurrentInstanceCount"], each["CurrentWeight"]) for each in kit.settled(name)["ProductionVariants"]}
    assert found == {"AllTraffic": (4, 3.0), "b": (2, 1.0)}


def test_what_was_retained_is_retained_again(kit: HostingKit) -> None:
    """Two updates later the autoscaler's count still stands."""
    name = kit.serving()
    change(kit, name, DesiredInstanceCount=4)
    for _ in range(2):
        kit.update(name, kit.config(), RetainAllVariantProperties=True)
        kit.settled(name)
    assert only_variant(kit.described(name))["CurrentInstanceCount"] == 4


def test_an_update_that_fails_changes_no_property(kit: HostingKit) -> None:
    """Rolled back to counts, weights and capture as they were."""
    name = kit.serving(kit.config(DataCaptureConfig=CAPTURE))
    change(kit, name, DesiredInstanceCount=4)
    kit.fail_next("no capacity")
    kit.update(name, kit.config(kit.variant(InitialInstanceCount=2), DataCaptureConfig=OTHER))
    described = kit.settled(name)
    assert (described["FailureReason"], only_variant(described)["DesiredInstanceCount"]) == ("no capacity", 4)
    assert described["DataCaptureConfig"]["CurrentSamplingPercentage"] == 50


def test_a_serverless_variant_that_gets_instances_has_those_of_the_config(kit: HostingKit) -> None:
    """There is no count to keep, and the weight is kept."""
    config = {"MemorySizeInMB": 1024, "MaxConcurrency": 1}
    name = kit.serving(kit.config({"VariantName": "AllTraffic", "ModelName": kit.model(), "ServerlessConfig": config}))
    kit.update(name, kit.config(kit.variant(InitialInstanceCount=2)), RetainAllVariantProperties=True)
    variant = only_variant(kit.settled(name))
    assert (variant["CurrentInstanceCount"], "CurrentServerlessConfig" in variant) == (2, False)
