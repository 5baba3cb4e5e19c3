"""The job definition and the schedule of `engine: ModelMonitor`, as AWS is asked for them. Pure.

A definition never changes at AWS, so it is named by its content; the schedule is named by the policy and pointed at another one.
Source: Amazon SageMaker API Reference (CreateDataQualityJobDefinition, CreateMonitoringSchedule, ScheduleConfig); the paths are those of
the developer guide, "Container contract inputs".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sagemaker_gitops.api.monitor_overrides import given_overrides
from sagemaker_gitops.core import naming
from sagemaker_gitops.core.actions import AwsRequest
from sagemaker_gitops.core.kinds.monitor_policy.situation import Pass
from sagemaker_gitops.core.kinds.training_run.facts import Source
from sagemaker_gitops.core.kinds.training_run.requests import kms, network_config, volume_kms
from sagemaker_gitops.core.merge import deep_merge
from sagemaker_gitops.core.resource import Key
from sagemaker_gitops.core.tenancy import Bound

SERVICE, STEP, TYPE = "sagemaker", "monitor", "DataQuality"
CREATE_DEFINITION, CREATE_SCHEDULE, START_SCHEDULE = (
    "CreateDataQualityJobDefinition",
    "CreateMonitoringSchedule",
    "StartMonitoringSchedule",
)
STOP_SCHEDULE, DELETE_SCHEDULE, DELETE_DEFINITION = (
    "StopMonitoringSchedule",
    "DeleteMonitoringSchedule",
    "DeleteDataQualityJobDefinition",
)
LOCAL_INPUT, LOCAL_OUTPUT = "/opt/ml/processing/input/endpoint", "/opt/ml/processing/output"


@dataclass(frozen=True, slots=True)
class Wanted:
    """`definition` is its name."""

    definition: str
    expression: str
    create_definition: AwsRequest
    create_schedule: AwsRequest
    update_schedule: AwsRequest


def schedule_name(install: str, tenant: Bound, owner: Key) -> str:
    identity = [install, tenant.spec.account, tenant.spec.region, owner.kind, owner.namespace, owner.name]
    return naming.aws_name(owner, STEP, naming.content_key(identity))


def definition_prefix(owner: Key) -> str:
    """What the name of every definition of ours contains; tags tell whose it is."""
    return naming.readable(owner)


def expression(cron: str) -> str:
    """AWS's words for one of the expressions that the API lets through: its hours count from 0."""
    hours = cron.split(" ")[1]
    return f"cron(0 {hours.replace('*/', '0/')} ? * * *)"


def wanted_of(here: Pass, endpoint: str) -> Wanted:
    """`endpoint` is AWS's name."""
    assert here.spec.schedule is not None, "the API requires it"
    assert here.spec.schedule.cron is not None, "the API requires it"
    owner, body = here.snapshot.key, _definition(here, endpoint)
    tenant = here.bound.spec
    key = naming.content_key([here.settings.install, tenant.account, tenant.region, owner.namespace, owner.name, body])
    definition, schedule = naming.aws_name(owner, STEP, key), schedule_name(here.settings.install, here.bound, owner)
    create = {"JobDefinitionName": definition, **body, "Tags": _tags(here, key)}
    timing = expression(here.spec.schedule.cron)
    config = {
        "MonitoringScheduleConfig": {
            "ScheduleConfig": {"ScheduleExpression": timing},
            "MonitoringJobDefinitionName": definition,
            "MonitoringType": TYPE,
        }
    }
    named = {"MonitoringScheduleName": schedule}
    return Wanted(
        definition,
        timing,
        AwsRequest(SERVICE, CREATE_DEFINITION, definition, create),
        AwsRequest(SERVICE, CREATE_SCHEDULE, schedule, {**named, **config, "Tags": _tags(here, schedule.rpartition("-")[2])}),
        AwsRequest(SERVICE, "UpdateMonitoringSchedule", schedule, {**named, **config}),
    )


def by_name(operation: str, name: str) -> AwsRequest:
    """A call that takes nothing but the name of a schedule or definition."""
    member = "JobDefinitionName" if operation == DELETE_DEFINITION else "MonitoringScheduleName"
    return AwsRequest(SERVICE, operation, name, {member: name})


def _definition(here: Pass, endpoint: str) -> dict[str, Any]:
    """Without name and tags."""
    effective, baseline = here.effective, here.spec.baseline
    assert baseline is not None, "the API requires it"
    assert baseline.s3_uri is not None, "the API requires it"
    folder = baseline.s3_uri.rstrip("/")
    output = {"S3Uri": f"{effective.base(here.snapshot.key)}/model-monitor", "LocalPath": LOCAL_OUTPUT, "S3UploadMode": "EndOfJob"}
    body: dict[str, Any] = {
        "DataQualityBaselineConfig": {
            "ConstraintsResource": {"S3Uri": f"{folder}/constraints.json"},
            "StatisticsResource": {"S3Uri": f"{folder}/statistics.json"},
        },
        "DataQualityAppSpecification": {"ImageUri": effective.image},
        "DataQualityJobInput": {"EndpointInput": {"EndpointName": endpoint, "LocalPath": LOCAL_INPUT}},
        "DataQualityJobOutputConfig": {"MonitoringOutputs": [{"S3Output": output}]} | kms(effective),
        "JobResources": {
            "ClusterConfig": {
                "InstanceCount": effective.instance_count,
                "InstanceType": effective.instance_type,
                "VolumeSizeInGB": effective.volume_size_in_gb,
            }
            | volume_kms(effective)
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": effective.max_runtime},
        "RoleArn": effective.role_arn,
    }
    network = network_config(effective)
    body |= {"NetworkConfig": network} if network else {}
    overrides: Mapping[str, Any] = given_overrides(here.spec.overrides).get("createDataQualityJobDefinition", {})
    return deep_merge(body, overrides)


def _tags(here: Pass, key: str) -> list[dict[str, str]]:
    revision = here.facts.source.revision if isinstance(here.facts.source, Source) else ""
    own = naming.owner_tags(here.settings.install, here.snapshot.key, step=STEP, key=key, attempt=1, revision=revision)
    return [{"Key": name, "Value": value} for name, value in sorted((dict(here.effective.tags) | own).items())]
