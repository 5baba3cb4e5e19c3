"""The README says of every member of many requests whether it takes effect: nothing is ignored in silence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

import local_aws
from local_aws.model import operation_model

_README: Final = Path(local_aws.__file__).with_name("README.md")
# What lies below these is decided with them.
_WHOLE: Final = frozenset(
    {
        *("VpcConfig", "ImageConfig", "ModelAccessConfig", "HubAccessConfig", "MultiModelConfig", "ContainerMetricsConfig"),
        *("ServerlessConfig", "CoreDumpConfig", "RoutingConfig", "ManagedInstanceScaling", "CapacityReservationConfig", "InstancePools"),
        *("ShadowProductionVariants", "ExplainerConfig", "CrossRegionTrafficConfig", "MetricsConfig", "AcceleratorPartitionLayouts"),
        *("ClientConfig", "NotificationConfig", "CaptureOptions", "CaptureContentTypeHeader", "InferenceExecutionConfig"),
        *("TrafficRoutingConfiguration", "MaximumBatchSize", "RollbackMaximumBatchSize", "AutoRollbackConfiguration"),
        *("ExcludeRetainedVariantProperties", "Tags", "ModelClientConfig", "DataProcessing", "ExperimentConfig"),
        *("BatchTransformInput", "NetworkConfig", "EvaluationWindow", "WarmUpConfiguration", "EvaluationCriteria", "ActionConfiguration"),
        *("LabelOptions", "AccountId"),
    }
)


def rows() -> dict[str, set[str]]:
    """Operation -> the members that the README's table names for it."""
    tables: list[str] = re.findall(r"<!-- members -->\n(.*?)<!-- /members -->", _README.read_text(), re.DOTALL)
    found = {}
    for line in (line for table in tables for line in table.splitlines()[2:]):
        operations, rest = line.strip("|").split("|", 1)
        found |= {operation.strip(): set(re.findall(r"`(\w+)`", rest)) for operation in operations.split(",")}
    return found


def members(shape: Any) -> Iterator[str]:
    while shape.type_name == "list":
        shape = shape.member
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            yield name
            if name not in _WHOLE:
                yield from members(member)


OPERATIONS: Final = {
    "sagemaker": [
        *("CreateModel", "CreateEndpointConfig", "CreateEndpoint", "UpdateEndpoint", "CreateTransformJob"),
        *("CreateMonitoringSchedule", "UpdateMonitoringSchedule", "CreateDataQualityJobDefinition", "CreateModelQualityJobDefinition"),
        *("CreateModelBiasJobDefinition", "CreateModelExplainabilityJobDefinition"),
    ],
    "cloudwatch": ["PutMetricAlarm", "GetMetricData", "PutDashboard", "GetMetricWidgetImage"],
    "cloudtrail": ["LookupEvents"],
}


@pytest.mark.parametrize(("service", "operation"), [(service, each) for service, names in OPERATIONS.items() for each in names])
def test_every_member_is_accounted_for(service: str, operation: str) -> None:
    """A member that a new botocore brings must be decided on."""
    model = operation_model(service, operation)
    assert model is not None
    # The transform row takes these from the rows above it.
    shared = {"S3DataSource", "S3Uri", "DestinationS3Uri", "GenerateInferenceId"} if operation == "CreateTransformJob" else set()
    assert set(members(model.input_shape)) - shared <= rows()[operation]
