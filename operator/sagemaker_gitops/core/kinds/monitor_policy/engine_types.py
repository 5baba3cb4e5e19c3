"""What AWS calls the definition of each type of check that `engine: ModelMonitor` can run: one family of operations for each. Pure.

Source: Amazon SageMaker API Reference (CreateDataQualityJobDefinition, CreateModelQualityJobDefinition,
CreateModelBiasJobDefinition, MonitoringType).
"""

from __future__ import annotations

from dataclasses import dataclass

from sagemaker_gitops.api.monitor_policy import MonitorPolicySpec


@dataclass(frozen=True, slots=True)
class MonitorType:
    """`name` is AWS's MonitoringType, which also begins the members of the definition; `resource` is the ARN path."""

    name: str
    resource: str
    create: str
    describe: str
    list: str
    delete: str


DATA_QUALITY = MonitorType(
    "DataQuality",
    "data-quality-job-definition",
    "CreateDataQualityJobDefinition",
    "DescribeDataQualityJobDefinition",
    "ListDataQualityJobDefinitions",
    "DeleteDataQualityJobDefinition",
)
MODEL_QUALITY = MonitorType(
    "ModelQuality",
    "model-quality-job-definition",
    "CreateModelQualityJobDefinition",
    "DescribeModelQualityJobDefinition",
    "ListModelQualityJobDefinitions",
    "DeleteModelQualityJobDefinition",
)
MODEL_BIAS = MonitorType(
    "ModelBias",
    "model-bias-job-definition",
    "CreateModelBiasJobDefinition",
    "DescribeModelBiasJobDefinition",
    "ListModelBiasJobDefinitions",
    "DeleteModelBiasJobDefinition",
)
BY_CHECK = {"DataQuality": DATA_QUALITY, "ModelQuality": MODEL_QUALITY, "Bias": MODEL_BIAS}
TYPES = tuple(BY_CHECK.values())


@dataclass(frozen=True, slots=True, order=True)
class Definition:
    """A job definition of ours: the operation that deletes it, and its name."""

    delete: str
    name: str


def type_of(spec: MonitorPolicySpec) -> MonitorType:
    """Of the one check that the API lets through."""
    return BY_CHECK[spec.checks_[0].type]
