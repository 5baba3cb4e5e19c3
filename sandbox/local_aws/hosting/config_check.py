"""Rules between the members of CreateEndpointConfig that no service model holds.

Sources: API reference of CreateEndpointConfig, ProductionVariant and its parts; developer guide, "Serverless Inference"
(feature exclusions) and "Deployment guardrails" (exclusions). AWS's own wording is known for ManagedInstanceScaling only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local_aws import storage
from local_aws.sagemaker.words import validation

_MEMORY_STEP = 1024
_UNSUPPORTED = ("ShadowProductionVariants", "ExplainerConfig", "CrossRegionTrafficConfig")
_UNSUPPORTED_IN_VARIANT = (
    "InstancePools",
    "VariantInstanceProvisionTimeoutInSeconds",
    "AcceleratorType",
    "AcceleratorPartitionLayouts",
    "CapacityReservationConfig",
)
_OF_INSTANCES = ("VolumeSizeInGB", "CoreDumpConfig", "EnableSSMAccess", "RoutingConfig", "InferenceAmiVersion")


def check(request: Mapping[str, Any]) -> None:
    """Raises AwsError in the words of a ValidationException."""
    variants = request["ProductionVariants"]
    for member in _UNSUPPORTED:
        if member in request:
            raise validation(f"{member} is not supported in this local AWS.")
    _check_names(variants)
    for variant in variants:
        _check_variant(variant)
    serverless = [variant["VariantName"] for variant in variants if "ServerlessConfig" in variant]
    if serverless:
        _check_serverless(request, serverless)
    if "AsyncInferenceConfig" in request:
        _check_async(request)
    if "DataCaptureConfig" in request:
        _check_destination("DataCaptureConfig.DestinationS3Uri", request["DataCaptureConfig"]["DestinationS3Uri"])


def check_models(request: Mapping[str, Any], models: Mapping[str, Mapping[str, Any]]) -> None:
    """What a serverless variant can't run; `models` are DescribeModel's answers by name. Raises AwsError."""
    for variant in request["ProductionVariants"]:
        model = models[variant["ModelName"]]
        if "ServerlessConfig" not in variant:
            continue
        excluded = [member for member in ("VpcConfig", "EnableNetworkIsolation") if model.get(member)]
        if len(model.get("Containers", ())) > 1:
            excluded.append("Containers (an inference pipeline)")
        if excluded:
            name = variant["ModelName"]
            raise validation(f"{excluded[0]} of model {name} is not supported for serverless production variant {variant['VariantName']}.")


def check_update(old: Mapping[str, Any], new: Mapping[str, Any], deployment: Mapping[str, Any] | None) -> None:
    """What no update of an endpoint can do; `old` and `new` are DescribeEndpointConfig's answers. Raises AwsError."""
    before, after = ({variant["VariantName"]: variant for variant in config["ProductionVariants"]} for config in (old, new))
    for name in sorted(before.keys() & after.keys()):
        if "ServerlessConfig" in after[name] and "ServerlessConfig" not in before[name]:
            raise validation(f"Production variant {name} runs on instances and can't be updated to ServerlessConfig.")
    if "RollingUpdatePolicy" in (deployment or {}):
        if any("ServerlessConfig" in variant for variant in (*before.values(), *after.values())):
            raise validation("RollingUpdatePolicy is not supported for serverless production variants.")
        if max(len(before), len(after)) > 1:
            raise validation("RollingUpdatePolicy is not supported for endpoints with several production variants.")


def _check_names(variants: list[Mapping[str, Any]]) -> None:
    names = [variant["VariantName"] for variant in variants]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise validation(f"Production variant names must be unique within an endpoint configuration, but {', '.join(twice)} is not.")


def _check_variant(variant: Mapping[str, Any]) -> None:
    name = variant["VariantName"]
    for member in _UNSUPPORTED_IN_VARIANT:
        if member in variant:
            raise validation(f"{member} of production variant {name} is not supported in this local AWS.")
    if "ModelName" not in variant:
        raise validation(f"ModelName of production variant {name} is required; inference components are not supported in this local AWS.")
    if "ManagedInstanceScaling" in variant:
        raise validation("ManagedInstanceScaling is only supported for inference component endpoints.")
    instances = [member for member in ("InstanceType", "InitialInstanceCount") if member in variant]
    if "ServerlessConfig" in variant and instances:
        raise validation(f"Production variant {name} has both ServerlessConfig and {instances[0]}; give one of them.")
    if "ServerlessConfig" not in variant and len(instances) < 2:
        raise validation(f"Production variant {name} needs InstanceType and InitialInstanceCount, or ServerlessConfig.")


def _check_serverless(request: Mapping[str, Any], names: list[str]) -> None:
    if len(request["ProductionVariants"]) > 1:
        raise validation("An endpoint configuration with ServerlessConfig can have only one production variant.")
    variant = request["ProductionVariants"][0]
    for member in ("DataCaptureConfig", "AsyncInferenceConfig", "VpcConfig", "EnableNetworkIsolation", *_OF_INSTANCES):
        if request.get(member) or variant.get(member):
            raise validation(f"{member} is not supported for serverless production variant {names[0]}.")
    config = variant["ServerlessConfig"]
    if config["MemorySizeInMB"] % _MEMORY_STEP:
        raise validation(f"MemorySizeInMB of {names[0]} must be a multiple of {_MEMORY_STEP}, but is {config['MemorySizeInMB']}.")
    if config.get("ProvisionedConcurrency", 0) > config["MaxConcurrency"]:
        raise validation(f"ProvisionedConcurrency of {names[0]} must not exceed its MaxConcurrency of {config['MaxConcurrency']}.")


def _check_async(request: Mapping[str, Any]) -> None:
    if len(request["ProductionVariants"]) > 1:
        raise validation("An endpoint configuration with AsyncInferenceConfig can have only one production variant.")
    output = request["AsyncInferenceConfig"]["OutputConfig"]
    if "S3OutputPath" not in output:
        raise validation("AsyncInferenceConfig.OutputConfig.S3OutputPath is required in this local AWS.")
    for member in ("S3OutputPath", "S3FailurePath"):
        if member in output:
            _check_destination(f"AsyncInferenceConfig.OutputConfig.{member}", output[member])


def _check_destination(member: str, uri: str) -> None:
    try:
        storage.parse(uri)
    except ValueError as error:
        raise validation(f"Invalid {member}: {error}") from error
