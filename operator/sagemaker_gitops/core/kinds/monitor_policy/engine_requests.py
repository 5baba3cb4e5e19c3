"""The job definition and the schedule of `engine: ModelMonitor`, as AWS is asked for them. Pure.

A definition never changes at AWS, so it is named by its content; the schedule is named by the policy and pointed at another one.
Source: Amazon SageMaker API Reference (CreateDataQualityJobDefinition, CreateModelQualityJobDefinition, EndpointInput,
CreateMonitoringSchedule, ScheduleConfig); the paths are those of the developer guide, "Container contract inputs".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sagemaker_gitops.api.monitor_engine import OVERRIDES
from sagemaker_gitops.api.monitor_overrides import given_overrides
from sagemaker_gitops.api.monitor_policy import MonitorPolicySpec
from sagemaker_gitops.core import naming
from sagemaker_gitops.core.actions import Action, AwsRequest, UploadSource
from sagemaker_gitops.core.kinds.monitor_policy.engine_analysis import CONFIG_FILE, analysis_of
from sagemaker_gitops.core.kinds.monitor_policy.engine_types import DATA_QUALITY, Definition, MonitorType, type_of
from sagemaker_gitops.core.kinds.monitor_policy.requests import cluster_config
from sagemaker_gitops.core.kinds.monitor_policy.situation import Pass
from sagemaker_gitops.core.kinds.training_run.facts import Source
from sagemaker_gitops.core.kinds.training_run.requests import kms, network_config
from sagemaker_gitops.core.merge import deep_merge
from sagemaker_gitops.core.resource import Key
from sagemaker_gitops.core.tenancy import Bound

SERVICE, STEP = "sagemaker", "monitor"
CREATE_SCHEDULE, START_SCHEDULE = "CreateMonitoringSchedule", "StartMonitoringSchedule"
STOP_SCHEDULE, DELETE_SCHEDULE = "StopMonitoringSchedule", "DeleteMonitoringSchedule"
HOUR, DAY = 3600, 24 * 3600  # seconds
LOCAL_INPUT, LOCAL_OUTPUT = "/opt/ml/processing/input/endpoint", "/opt/ml/processing/output"


@dataclass(frozen=True, slots=True)
class Wanted:
    """`definition` is its name, `analysis` what it reads and has to be there before it."""

    definition: str
    expression: str
    analysis: UploadSource | None
    create_definition: AwsRequest
    create_schedule: AwsRequest
    update_schedule: AwsRequest

    @property
    def defining(self) -> tuple[Action, ...]:
        """The calls that make the definition."""
        return (*((self.analysis,) if self.analysis is not None else ()), self.create_definition)


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


def period(spec: MonitorPolicySpec) -> int:
    """Seconds between two executions, which is how much each looks at."""
    assert spec.schedule is not None, "the API requires it"
    hours = str(spec.schedule.cron).split(" ")[1]
    return HOUR if hours == "*" else HOUR * int(hours[2:]) if hours.startswith("*/") else DAY


def wanted_of(here: Pass, endpoint: str) -> Wanted:
    """`endpoint` is AWS's name."""
    assert here.spec.schedule is not None, "the API requires it"
    assert here.spec.schedule.cron is not None, "the API requires it"
    owner, body, type_ = here.snapshot.key, _definition(here, endpoint), type_of(here.spec)
    tenant = here.bound.spec
    key = naming.content_key([here.settings.install, tenant.account, tenant.region, owner.namespace, owner.name, body])
    definition, schedule = naming.aws_name(owner, STEP, key), schedule_name(here.settings.install, here.bound, owner)
    create = {"JobDefinitionName": definition, **body, "Tags": _tags(here, key)}
    timing = expression(here.spec.schedule.cron)
    config = {
        "MonitoringScheduleConfig": {
            "ScheduleConfig": {"ScheduleExpression": timing},
            "MonitoringJobDefinitionName": definition,
            "MonitoringType": type_.name,
        }
    }
    named = {"MonitoringScheduleName": schedule}
    return Wanted(
        definition,
        timing,
        analysis_of(here),
        AwsRequest(SERVICE, type_.create, definition, create),
        AwsRequest(SERVICE, CREATE_SCHEDULE, schedule, {**named, **config, "Tags": _tags(here, schedule.rpartition("-")[2])}),
        AwsRequest(SERVICE, "UpdateMonitoringSchedule", schedule, {**named, **config}),
    )


def by_name(operation: str, name: str) -> AwsRequest:
    """A call that takes nothing but the name of a schedule."""
    return AwsRequest(SERVICE, operation, name, {"MonitoringScheduleName": name})


def deleting(definition: Definition) -> AwsRequest:
    return AwsRequest(SERVICE, definition.delete, definition.name, {"JobDefinitionName": definition.name})


def _definition(here: Pass, endpoint: str) -> dict[str, Any]:
    """Without name and tags."""
    effective, baseline, type_ = here.effective, here.spec.baseline, type_of(here.spec)
    assert baseline is not None, "the API requires it"
    assert baseline.s3_uri is not None, "the API requires it"
    output = {"S3Uri": f"{effective.base(here.snapshot.key)}/model-monitor", "LocalPath": LOCAL_OUTPUT, "S3UploadMode": "EndOfJob"}
    body: dict[str, Any] = {
        f"{type_.name}BaselineConfig": _baseline(type_, baseline.s3_uri.rstrip("/")),
        f"{type_.name}AppSpecification": {"ImageUri": effective.image} | _question(here),
        f"{type_.name}JobInput": _input(here.spec, endpoint),
        f"{type_.name}JobOutputConfig": {"MonitoringOutputs": [{"S3Output": output}]} | kms(effective),
        "JobResources": {"ClusterConfig": cluster_config(effective)},
        "StoppingCondition": {"MaxRuntimeInSeconds": effective.max_runtime},
        "RoleArn": effective.role_arn,
    }
    network = network_config(effective)
    body |= {"NetworkConfig": network} if network else {}
    overrides: Mapping[str, Any] = given_overrides(here.spec.overrides).get(OVERRIDES[here.spec.checks_[0].type], {})
    return deep_merge(body, overrides)


def _baseline(type_: MonitorType, folder: str) -> dict[str, Any]:
    """What is compared with: all but the data have constraints alone."""
    found = {"ConstraintsResource": {"S3Uri": f"{folder}/constraints.json"}}
    statistics = {"StatisticsResource": {"S3Uri": f"{folder}/statistics.json"}}
    return found | (statistics if type_ == DATA_QUALITY else {})


def _question(here: Pass) -> dict[str, str]:
    """What the container is asked: AWS has our words for the problem types; the rest is in a file."""
    problem, analysis = here.spec.checks_[0].problem_type, analysis_of(here)
    asked = {"ConfigUri": f"{analysis.uri}{CONFIG_FILE}"} if analysis is not None else {}
    return asked | ({"ProblemType": problem} if problem is not None else {})


def _input(spec: MonitorPolicySpec, endpoint: str) -> dict[str, Any]:
    """What an execution reads. Ground truth that comes late moves the window back; AWS joins it in a job of its own."""
    check, truth = spec.checks_[0], spec.ground_truth
    inference, probability = check.inference_attribute, check.probability_attribute
    if check.type == "Bias" and check.probability_threshold is not None:
        inference, probability = None, check.inference_attribute  # what is compared with a threshold is a probability
    members: dict[str, Any] = {
        "InferenceAttribute": inference,
        "ProbabilityAttribute": probability,
        "ProbabilityThresholdAttribute": check.probability_threshold,
    }
    if truth is not None and truth.max_delay:
        late = truth.max_delay // HOUR
        members |= {"StartTimeOffset": f"-PT{period(spec) // HOUR + late}H", "EndTimeOffset": f"-PT{late}H"}
    given = {"EndpointName": endpoint, "LocalPath": LOCAL_INPUT} | {name: value for name, value in members.items() if value is not None}
    joined = {"GroundTruthS3Input": {"S3Uri": truth.s3_uri.rstrip("/")}} if truth is not None else {}
    return {"EndpointInput": given} | joined


def _tags(here: Pass, key: str) -> list[dict[str, str]]:
    revision = here.facts.source.revision if isinstance(here.facts.source, Source) else ""
    own = naming.owner_tags(here.settings.install, here.snapshot.key, step=STEP, key=key, attempt=1, revision=revision)
    return [{"Key": name, "Value": value} for name, value in sorted((dict(here.effective.tags) | own).items())]
