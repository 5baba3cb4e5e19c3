"""Endpoint configurations are kept, listed and refused as AWS does."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from hosting_kit import HostingKit
from service_kit import ACCOUNT, REGION

CAPTURE = {
    "InitialSamplingPercentage": 100,
    "DestinationS3Uri": "s3://kit-bucket/capture",
    "CaptureOptions": [{"CaptureMode": "InputAndOutput"}],
}
ASYNC = {"OutputConfig": {"S3OutputPath": "s3://kit-bucket/async"}}
SERVERLESS = {"MemorySizeInMB": 2048, "MaxConcurrency": 5}


def serverless(kit: HostingKit, **config: Any) -> dict[str, Any]:
    return {"VariantName": "AllTraffic", "ModelName": kit.model(), "ServerlessConfig": SERVERLESS | config}


def test_a_config_is_described_with_its_defaults(kit: HostingKit) -> None:
    """Describe repeats the request with the default weight; ARN and echo are AWS's."""
    variant = kit.variant()
    del variant["InitialVariantWeight"]
    name = kit.config(variant, DataCaptureConfig=CAPTURE, AsyncInferenceConfig=ASYNC)
    config = kit.client("sagemaker").describe_endpoint_config(EndpointConfigName=name)
    assert config["EndpointConfigArn"] == f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:endpoint-config/{name}"
    assert config["ProductionVariants"] == [{**variant, "InitialVariantWeight": 1.0}]
    assert (config["DataCaptureConfig"], config["AsyncInferenceConfig"]) == (CAPTURE, ASYNC)


def test_a_serverless_variant_needs_no_instances(kit: HostingKit) -> None:
    """MemorySizeInMB and MaxConcurrency are kept."""
    name = kit.config(serverless(kit))
    (variant,) = kit.client("sagemaker").describe_endpoint_config(EndpointConfigName=name)["ProductionVariants"]
    assert variant["ServerlessConfig"] == SERVERLESS


def test_configs_are_listed_tagged_and_deleted(kit: HostingKit) -> None:
    """The newest first; tags by ARN; a deleted config is not found in AWS's words."""
    sagemaker = kit.client("sagemaker")
    mark = kit.name("x")
    names = [f"{mark}-{number}" for number in range(2)]
    for name in names:
        kit.config(EndpointConfigName=name, Tags=[{"Key": "a", "Value": name}])
    listed = sagemaker.list_endpoint_configs(NameContains=mark)["EndpointConfigs"]
    assert [each["EndpointConfigName"] for each in listed] == names[::-1]
    assert sagemaker.list_tags(ResourceArn=listed[0]["EndpointConfigArn"])["Tags"] == [{"Key": "a", "Value": names[1]}]
    sagemaker.delete_endpoint_config(EndpointConfigName=names[0])
    for call in (sagemaker.describe_endpoint_config, sagemaker.delete_endpoint_config):
        with pytest.raises(ClientError, match=r'\(ValidationException\).*: Could not find endpoint configuration "arn:aws:sagemaker'):
            call(EndpointConfigName=names[0])


def test_a_name_is_taken_whatever_its_case(kit: HostingKit) -> None:
    """Names are unique without regard to case, and the ARN is in lower case."""
    name = kit.name("Config")
    kit.config(EndpointConfigName=name)
    expected = (
        f'Cannot create already existing endpoint configuration "arn:aws:sagemaker:{REGION}:{ACCOUNT}:endpoint-config/{name.lower()}"'
    )
    with pytest.raises(ClientError, match=expected):
        kit.config(EndpointConfigName=name.upper())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ModelName": "no-such-model"}, 'Could not find model "arn:aws:sagemaker'),
        ({"InstanceType": None}, "needs InstanceType and InitialInstanceCount, or ServerlessConfig"),
        ({"ServerlessConfig": SERVERLESS}, "has both ServerlessConfig and InstanceType"),
        ({"ManagedInstanceScaling": {"Status": "ENABLED"}}, "only supported for inference component endpoints"),
        ({"ModelName": None}, "ModelName of production variant AllTraffic is required"),
        ({"InstanceType": "ml.huge"}, "Member must satisfy enum value set"),
    ],
)
def test_bad_variants_are_refused(kit: HostingKit, changes: dict[str, Any], message: str) -> None:
    """Each with its own reason."""
    variant = {name: value for name, value in (kit.variant() | changes).items() if value is not None}
    with pytest.raises(ClientError, match=message):
        kit.config(variant)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"DataCaptureConfig": CAPTURE}, "DataCaptureConfig is not supported for serverless"),
        ({"AsyncInferenceConfig": ASYNC}, "AsyncInferenceConfig is not supported for serverless"),
    ],
)
def test_serverless_excludes_other_features(kit: HostingKit, changes: dict[str, Any], message: str) -> None:
    """As the developer guide's list of exclusions says."""
    with pytest.raises(ClientError, match=message):
        kit.config(serverless(kit), **changes)


def test_contradicting_configs_are_refused(kit: HostingKit) -> None:
    """Two variants of one name, a serverless one beside another, an odd memory size, a destination that is not S3."""
    with pytest.raises(ClientError, match="names must be unique"):
        kit.config(kit.variant("a"), kit.variant("a"))
    with pytest.raises(ClientError, match="only one production variant"):
        kit.config(serverless(kit), kit.variant("b"))
    with pytest.raises(ClientError, match="must be a multiple of 1024"):
        kit.config(serverless(kit, MemorySizeInMB=1500))
    with pytest.raises(ClientError, match=r"Invalid DataCaptureConfig\.DestinationS3Uri"):
        kit.config(DataCaptureConfig=CAPTURE | {"DestinationS3Uri": "https://x/y"})
