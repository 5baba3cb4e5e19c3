"""AWS's own members in the requests of a MonitorPolicy, for what has no field of its own (design.md section 6)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar

from sagemaker_gitops.api.base import Model, Problem
from sagemaker_gitops.api.free_form import FreeForm


class PolicyOverrides(Model):
    """AWS's own member names, merged last into the requests that the operator sends, for what has no field here. What names a check, what
    it reads and writes, and what an alarm compares cannot be overridden.
    """

    owned: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "createProcessingJob": (
            "ProcessingJobName",
            "RoleArn",
            "Tags",
            "ProcessingInputs",
            "ProcessingOutputConfig.Outputs",
            "AppSpecification.ContainerEntrypoint",
        ),
        "createDataQualityJobDefinition": (
            "JobDefinitionName",
            "RoleArn",
            "Tags",
            "DataQualityBaselineConfig",
            "DataQualityJobInput",
            "DataQualityJobOutputConfig.MonitoringOutputs",
        ),
        "createModelQualityJobDefinition": (
            "JobDefinitionName",
            "RoleArn",
            "Tags",
            "ModelQualityBaselineConfig",
            "ModelQualityAppSpecification.ProblemType",
            "ModelQualityJobInput",
            "ModelQualityJobOutputConfig.MonitoringOutputs",
        ),
        "createModelBiasJobDefinition": (
            "JobDefinitionName",
            "RoleArn",
            "Tags",
            "ModelBiasBaselineConfig",
            "ModelBiasAppSpecification.ConfigUri",
            "ModelBiasJobInput",
            "ModelBiasJobOutputConfig.MonitoringOutputs",
        ),
        "putMetricAlarm": (
            "AlarmName",
            "Tags",
            "Namespace",
            "MetricName",
            "Metrics",
            "Dimensions",
            "Statistic",
            "ExtendedStatistic",
            "Period",
            "EvaluationPeriods",
            "DatapointsToAlarm",
            "Threshold",
            "ThresholdMetricId",
            "ComparisonOperator",
            "TreatMissingData",
        ),
    }

    create_processing_job: Annotated[dict[str, object], FreeForm()] | None = None
    """Merged into sagemaker CreateProcessingJob of every check; AppSpecification not into the job of a check's own image. Example:
    {Environment: {LOG_LEVEL: debug}}.
    """
    create_data_quality_job_definition: Annotated[dict[str, object], FreeForm()] | None = None
    """Merged into sagemaker CreateDataQualityJobDefinition of engine ModelMonitor. Example: {DataQualityAppSpecification: {Environment:
    {LOG_LEVEL: debug}}}.
    """
    create_model_quality_job_definition: Annotated[dict[str, object], FreeForm()] | None = None
    """Merged into sagemaker CreateModelQualityJobDefinition of engine ModelMonitor. Example: {ModelQualityAppSpecification: {Environment:
    {LOG_LEVEL: debug}}}.
    """
    create_model_bias_job_definition: Annotated[dict[str, object], FreeForm()] | None = None
    """Merged into sagemaker CreateModelBiasJobDefinition of engine ModelMonitor. Example: {ModelBiasAppSpecification: {Environment:
    {LOG_LEVEL: debug}}}.
    """
    put_metric_alarm: Annotated[dict[str, object], FreeForm()] | None = None
    """Merged into cloudwatch PutMetricAlarm of every alarm that has createCloudWatchAlarm. Example: {AlarmActions:
    ["arn:aws:sns:eu-central-1:123456789012:team-a"]}.
    """


def given_overrides(overrides: PolicyOverrides | None) -> dict[str, Any]:
    """Operation -> members, as the user wrote them."""
    return overrides.model_dump(by_alias=True, exclude_none=True) if overrides is not None else {}


def owned_members(overrides: PolicyOverrides | None) -> Iterator[Problem]:
    """What the operator finds its work again by, and what it promises of an alarm."""
    given = given_overrides(overrides)
    for operation, members in PolicyOverrides.owned.items():
        for member in members:
            value: Any = given.get(operation, {})
            for part in member.split("."):
                value = value.get(part) if isinstance(value, dict) else None
            if value is not None:
                yield f".overrides.{operation}.{member}", "is set by the operator and cannot be overridden: leave it out"
