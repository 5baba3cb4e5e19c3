"""The ModelEndpoint: which models serve under one URL, with which shares and machines, and how a new version is rolled out."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, StrictBool, StrictInt

from sagemaker_gitops.api.base import Items, Model, Rule, Text, field_of
from sagemaker_gitops.api.batch import BATCH_RULES, Batch
from sagemaker_gitops.api.endpoint_modes import SERVERLESS_RULES, Async, Serverless, SmokeTest
from sagemaker_gitops.api.endpoint_upkeep import REST_RULES, ActiveWindow, AdoptPolicy, DriftPolicy, EndpointName, Idle
from sagemaker_gitops.api.fields import (
    DAY,
    TAG_RULE,
    Count,
    InstanceType,
    KmsKeyArn,
    Number,
    PercentOrNumber,
    RoleArn,
    Tags,
    VariantName,
    duration_type,
    reserved_tags,
)
from sagemaker_gitops.api.free_form import FreeForm
from sagemaker_gitops.api.model_reference import ModelReference
from sagemaker_gitops.api.notify import NOTIFY_LIMIT, EndpointNotify
from sagemaker_gitops.api.steps import Network
from sagemaker_gitops.api.training_run import DeletionPolicy

DEFAULT_ENDPOINT_DELETION_POLICY: DeletionPolicy = "Retain"
DEFAULT_ROLLBACK_LIMIT = 3
DEFAULT_WEIGHT = 1.0
DEFAULT_WAIT_INTERVAL = 600  # seconds
DEFAULT_COOLDOWN = 300  # seconds
ROLLBACK_ALARM_LIMIT = 10  # AutoRollbackConfig
ALARMS_PER_VARIANT = 2  # error rate and latency

RolloutType = Literal["AllAtOnce", "Canary", "Linear", "Rolling"]
WaitInterval = Annotated[int, duration_type(1, 3600)]  # WaitIntervalInSeconds
AlarmName = Annotated[str, Text(r"[^\x00-\x1f\x7f]{1,255}", "must be the name of a CloudWatch alarm", 255)]
Cooldown = Annotated[int, duration_type(0, DAY)]
Size = Annotated[
    int | str,
    PercentOrNumber(
        r"(?:[1-9]|[1-9][0-9]|100)%", 100, "must be a percentage from 1% to 100%, such as 10%, or a number of instances from 1 to 100"
    ),
]


_SHARES = {  # CanarySize, LinearStepSize, MaximumBatchSize
    "Canary": "^([1-9]|[1-4][0-9]|50)%$",
    "Linear": "^([1-4][0-9]|50)%$",
    "Rolling": "^([5-9]|[1-4][0-9]|50)%$",
}


class HostingResources(Model):
    """Machines of a variant. What is left out comes from the Tenant's defaults."""

    instance_type: InstanceType | None = None
    """SageMaker instance type. Example: ml.m5.large. Left out: the Tenant's default for hosting."""
    instance_count: Count | None = None
    """Number of instances. Example: 2. Left out: 1."""


class Autoscaling(Model):
    """How AWS changes the number of instances with the load. From then on the number is the scaler's, not the spec's."""

    rules = (
        Rule(
            "self.minCapacity <= self.maxCapacity",
            "maxCapacity must be at least minCapacity",
            lambda scaling: scaling.min_capacity <= scaling.max_capacity,
            ".maxCapacity",
        ),
    )

    min_capacity: Count
    """Fewest instances. Example: 1."""
    max_capacity: Count
    """Most instances. Example: 4."""
    target_invocations_per_instance: Annotated[StrictInt, Field(ge=1, le=1_000_000)]
    """Requests a minute that one instance is meant to answer; AWS adds instances above it and takes some away well below. Example: 200."""
    scale_in_cooldown: Cooldown | None = None
    """Time between taking instances away. Example: 5m. Left out: 5m."""
    scale_out_cooldown: Cooldown | None = None
    """Time between adding instances. Example: 1m. Left out: 5m."""


def _count_within_range(variant: Variant) -> bool:
    count = variant.resources.instance_count if variant.resources is not None else None
    scaling = variant.autoscaling
    return count is None or scaling is None or scaling.min_capacity <= count <= scaling.max_capacity


class Variant(Model):
    """One model behind the endpoint."""

    rules = (
        Rule(
            "!(has(self.resources) && has(self.serverless))",
            "resources and serverless exclude each other: an instance type and a count mean nothing without machines",
            lambda variant: variant.resources is None or variant.serverless is None,
            ".serverless",
        ),
        Rule(
            "!(has(self.autoscaling) && has(self.serverless))",
            "autoscaling and serverless exclude each other: AWS scales a serverless variant by itself",
            lambda variant: variant.autoscaling is None or variant.serverless is None,
            ".autoscaling",
        ),
        Rule(
            "!has(self.autoscaling) || !has(self.resources) || !has(self.resources.instanceCount)"
            " || (self.resources.instanceCount >= self.autoscaling.minCapacity"
            " && self.resources.instanceCount <= self.autoscaling.maxCapacity)",
            "beside autoscaling this is only the number to start with: it must lie from minCapacity to maxCapacity, or be left out",
            _count_within_range,
            ".resources.instanceCount",
        ),
    )

    name: VariantName
    """Name of the variant; callers can address it (TargetVariant). Example: blue."""
    model: ModelReference
    """What it serves. Example: {package: {group: digits, version: 7}}."""
    weight: Annotated[float, Number(0.0)] | None = None
    """Its share of the requests, relative to the other variants. Example: 0.9. Left out: 1."""
    resources: HostingResources | None = None
    """Its machines. Example: {instanceType: ml.m5.large, instanceCount: 2}."""
    serverless: Serverless | None = None
    """No machines: AWS brings the computing power, and nothing is paid while nobody asks. An endpoint that has machines cannot become
    serverless (AWS refuses it). Example: {memorySizeInMB: 2048, maxConcurrency: 5}.
    """
    autoscaling: Autoscaling | None = None
    """Lets AWS change the number of instances with the load. Example: {minCapacity: 1, maxCapacity: 4,
    targetInvocationsPerInstance: 200}. Left out: the number is instanceCount.
    """


class Rollout(Model):
    """How a new version replaces the old one. AWS rolls back by itself when one of the alarms goes off."""

    rules = (
        Rule(
            "!has(self.size) || self.type != 'AllAtOnce'",
            "AllAtOnce moves everything at once: leave size out, or choose Canary, Linear or Rolling",
            lambda rollout: rollout.size is None or rollout.type != "AllAtOnce",
            ".size",
        ),
        Rule(
            "has(self.size) || self.type == 'AllAtOnce'",
            "size is needed: what moves at a time, such as 10% or 1 (a number of instances)",
            lambda rollout: rollout.size is not None or rollout.type == "AllAtOnce",
            ".size",
        ),
        Rule(
            "!has(self.size) || type(self.size) == int || self.type == 'AllAtOnce'"
            f" || self.size.matches(self.type == 'Canary' ? '{_SHARES['Canary']}'"
            f" : self.type == 'Linear' ? '{_SHARES['Linear']}' : '{_SHARES['Rolling']}')",
            "AWS takes 1% to 50% for Canary, 10% to 50% for Linear and 5% to 50% for Rolling",
            lambda rollout: not isinstance(rollout.size, str) or re.match(_SHARES.get(rollout.type, ""), rollout.size) is not None,
            ".size",
        ),
    )

    type: RolloutType
    """AllAtOnce, Canary (one share, then the rest), Linear (share by share) or Rolling (in place, share by share). Example: Canary."""
    size: Size | None = None
    """What moves at a time: a share of the capacity, or a number of instances. Example: 10%."""
    wait_interval: WaitInterval | None = None
    """How long each share is watched before the next one. Example: 10m. Left out: 10m."""
    alarms: Annotated[tuple[AlarmName, ...], Items(10, min_items=1, kind="set")] | None = None
    """CloudWatch alarms that stop the rollout and bring the old version back. They must exist. Example: [digits-5xx]."""
    create_default_alarms: StrictBool | None = None
    """Makes two alarms for each variant that watch the new version alone and bring the old one back: more than 5% of the answers are
    server errors (5xx), or the model takes more than 5 s on average, in 2 of 5 minutes. Example: true. Left out: false.
    """


class DataCapture(Model):
    """Records requests and answers in S3, for monitoring."""

    initial_sampling_percentage: Annotated[StrictInt, Field(ge=0, le=100)]
    """Share of the requests that is recorded. Example: 100."""
    capture_modes: Annotated[tuple[Literal["Input", "Output"], ...], Items(2, min_items=1, kind="set")]
    """What is recorded. Example: [Input, Output]."""


class Rollback(Model):
    """How far back it is possible to go."""

    history_limit: Annotated[StrictInt, Field(ge=0, le=20)]
    """Number of earlier endpoint configs, and their models, that are kept. Example: 3."""


class EndpointOverrides(Model):
    """AWS's own member names, merged last into the requests that the operator sends, for what has no field here."""

    create_model: Annotated[dict[str, object], FreeForm()] | None = None
    """Merged into sagemaker CreateModel. Example: {InferenceExecutionConfig: {Mode: Direct}}."""
    create_endpoint_config: Annotated[dict[str, object], FreeForm()] | None = None
    """Merged into sagemaker CreateEndpointConfig. Example: {EnableNetworkIsolation: true}."""
    create_transform_job: Annotated[dict[str, object], FreeForm()] | None = None
    """Merged into sagemaker CreateTransformJob. Example: {ModelClientConfig: {InvocationsTimeoutInSeconds: 600}}."""


_OWNED = {
    "createModel": ("ModelName", "ExecutionRoleArn", "Tags"),
    "createEndpointConfig": ("EndpointConfigName", "ExecutionRoleArn", "Tags", "ProductionVariants"),
    "createTransformJob": (
        "TransformJobName",
        "ModelName",
        "Tags",
        "TransformInput.DataSource.S3DataSource.S3Uri",
        "TransformOutput.S3OutputPath",
    ),
}
_NEED_VARIANTS = (
    "rollout",
    "dataCapture",
    "async",
    "smokeTest",
    "rollback",
    "idle",
    "activeWindow",
    "endpointName",
    "adopt",
    "driftPolicy",
)


def _owned_members(spec: ModelEndpointSpec) -> list[tuple[str, str]]:
    """Overrides of what the operator finds its work again by, and of what the fence is judged by."""
    given = spec.overrides.model_dump(by_alias=True, exclude_none=True) if spec.overrides is not None else {}
    return [
        (f".overrides.{operation}.{member}", "is set by the operator and cannot be overridden: leave it out")
        for operation, members in _OWNED.items()
        for member in members
        if _holds(given.get(operation, {}), member)
    ]


def rollback_alarms(spec: ModelEndpointSpec) -> int:
    """How many alarms a rollout is watched by."""
    rollout = spec.rollout
    if rollout is None:
        return 0
    return len(rollout.alarms or ()) + (ALARMS_PER_VARIANT * len(spec.variants) if rollout.create_default_alarms else 0)


def _holds(value: object, path: str) -> bool:
    """Whether a nested object has the member at `path`, as A.B.C."""
    for member in path.split("."):
        if not isinstance(value, dict) or member not in value:
            return False
        value = value[member]
    return True


class ModelEndpointSpec(Model):
    """Which models serve under one URL. A change of the models makes a new endpoint config beside the serving one and updates in place."""

    rules = (
        Rule(
            "!has(self.variants) || self.variants.exists(v, !has(v.weight) || v.weight > 0.0)",
            "at least one variant must have a weight above 0",
            lambda spec: not spec.variants or any(variant.weight is None or variant.weight > 0 for variant in spec.variants),
            ".variants",
        ),
        Rule(
            "has(self.variants) || has(self.batch)",
            "variants or batch must be given: an endpoint, predictions for whole data sets, or both",
            lambda spec: bool(spec.variants) or spec.batch is not None,
        ),
        Rule(
            "has(self.variants) || !(" + " || ".join(f"has(self.{name})" for name in _NEED_VARIANTS) + ")",
            f"{', '.join(_NEED_VARIANTS)} belong to an endpoint: without variants there is none",
            lambda spec: bool(spec.variants) or not any(field_of(spec, name) for name in _NEED_VARIANTS),
            ".variants",
        ),
        *SERVERLESS_RULES,
        *REST_RULES,
        Rule(
            "!has(self.rollout) || !has(self.rollout.createDefaultAlarms) || !self.rollout.createDefaultAlarms"
            f" || (has(self.rollout.alarms) ? self.rollout.alarms.size() : 0) + {ALARMS_PER_VARIANT} * self.variants.size()"
            f" <= {ROLLBACK_ALARM_LIMIT}",
            f"AWS watches at most {ROLLBACK_ALARM_LIMIT} alarms: createDefaultAlarms makes {ALARMS_PER_VARIANT} for each variant,"
            " so leave it or some of the alarms out",
            lambda spec: rollback_alarms(spec) <= ROLLBACK_ALARM_LIMIT,
            ".rollout.createDefaultAlarms",
        ),
        *BATCH_RULES,
        TAG_RULE,
    )
    checks = (reserved_tags, _owned_members)

    variants: Annotated[tuple[Variant, ...], Items(10, min_items=1, kind="map")] = ()
    """The models behind the endpoint, each with its share of the requests. Example: [{name: blue, model: {package: {group: digits,
    version: 7}}}]. Left out: no endpoint, only batch.
    """
    batch: Batch | None = None
    """Predictions for a whole data set. Example: {input: s3://team-a-ml/customers/, output: s3://team-a-ml/predictions/, contentType:
    text/csv, splitType: Line, schedule: {cron: "0 2 * * *"}}.
    """
    rollout: Rollout | None = None
    """How a new version replaces the old one. Example: {type: Canary, size: 10%, alarms: [digits-5xx]}. Left out: all at once, without
    alarms.
    """
    data_capture: DataCapture | None = None
    """Records requests and answers under the Tenant's artifactPrefix. Example: {initialSamplingPercentage: 100, captureModes: [Input,
    Output]}.
    """
    async_: Async | None = Field(default=None, alias="async")
    """Answers are written to S3, and callers do not wait for them (InvokeEndpointAsync only). Example: {output: s3://team-a-ml/answers/}.
    Left out: callers wait for their answer.
    """
    smoke_test: SmokeTest | None = None
    """A call that a new version must pass before it serves. Example: {payload: {configMapRef: {name: digits-sample, key: sample.csv}},
    expect: {status: 200, maxLatency: 2s}}. Left out: what starts, serves.
    """
    rollback: Rollback | None = None
    """Earlier versions that stay ready. Example: {historyLimit: 3}. Left out: 3."""
    network: Network | None = None
    """VPC and isolation of the models. Example: {subnetIds: [subnet-0a1b2c3d4e5f60718], securityGroupIds: [sg-0a1b2c3d4e5f60718]}. Left
    out: the Tenant's default.
    """
    kms_key_arn: KmsKeyArn | None = None
    """Key that encrypts disks and captured data. Example: arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab.
    Left out: the Tenant's default.
    """
    execution_role_arn: RoleArn | None = None
    """IAM role that the models run as. Example: arn:aws:iam::123456789012:role/team-a/serving. Left out: the Tenant's default."""
    tags: Tags = Field(default_factory=dict)
    """AWS tags of endpoint, configs and models, besides the Tenant's. Example: {project: digits}."""
    notify: Annotated[tuple[EndpointNotify, ...], Items(NOTIFY_LIMIT)] | None = None
    """Whom to tell of what, by SNS; [] tells nobody. Example: [{snsTopicArn: "arn:aws:sns:eu-central-1:123456789012:team-a-alerts",
    transitions: [Failed, RolledBack]}]. Left out: the Tenant's default.
    """
    deletion_policy: DeletionPolicy | None = None
    """On deletion of this object: Retain leaves the endpoint serving, Delete removes endpoint, configs and models. Example: Delete. Left
    out: Retain, because a pruned manifest must not take production down.
    """
    idle: Idle | None = None
    """Stops paying for an endpoint that nobody asks. Example: {parkAfter: 8h}. Left out: it serves all the time."""
    active_window: ActiveWindow | None = None
    """When it serves; outside it is parked. Example: {days: [Mon-Fri], from: "07:00", to: "19:00", timeZone: Europe/Zurich}. Left out:
    all the time.
    """
    endpoint_name: EndpointName | None = None
    """Name of the endpoint in AWS, which the Tenant must allow (allow.endpointNames); it cannot be changed later. Example:
    team-a-digits-prod. Left out: made of namespace, name and installation.
    """
    adopt: AdoptPolicy | None = None
    """What is done when endpointName exists already. Never: nothing. IfOurs: taken over if its tags name this object in another
    installation of the operator. Always: taken over unless its tags name another object; it is never deleted. Example: Always. Left
    out: IfOurs.
    """
    drift_policy: DriftPolicy | None = None
    """What is done about changes that somebody made in AWS by hand: Repair undoes them, Report shows them (Stalled, DriftDetected) and
    leaves them. Either way an edit of this spec is applied. Example: Report. Left out: Repair.
    """
    overrides: EndpointOverrides | None = None
    """Members of AWS requests that have no field here. Example: {createEndpointConfig: {EnableNetworkIsolation: true}}."""
