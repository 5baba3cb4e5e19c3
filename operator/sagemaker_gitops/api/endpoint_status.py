"""The status of a ModelEndpoint: what serves, what is wanted, and the last version that was good."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StrictBool, StrictInt

from sagemaker_gitops.api.base import Items, Model
from sagemaker_gitops.api.batch_status import BatchStatus
from sagemaker_gitops.api.status import Arn, AwsName, Cell, Column, Deletion, Digest, Message, NotifyingStatus, Time, Uri, Url, Word

VARIANT_LIMIT = 10
PAST_CONFIG_LIMIT = 20
ARTIFACT_LIMIT = 20
ALARM_LIMIT = 40


class ServingVariant(Model):
    """One variant: what is wanted of it and what it does."""

    name: Word
    """Name of the variant. Example: blue."""
    model: Cell | None = None
    """What it is to serve: package version or image. Example: digits/7."""
    aws_name: AwsName | None = None
    """Name of the SageMaker model, made of its content. Example: team-a-digits-model-k5tq3vwx2a."""
    package_arn: Arn | None = None
    """Model package. Example: arn:aws:sagemaker:eu-central-1:123456789012:model-package/digits/7."""
    artifact: Uri | None = None
    """The model's archive. Example: s3://team-a-ml/artifacts/.../model.tar.gz."""
    approver: Cell | None = None
    """Who approved it, as far as the registry tells. Example: arn:aws:iam::123456789012:user/anna."""
    weight: Word | None = None
    """Wanted share of the requests. Example: "0.9"."""
    live_weight: Word | None = None
    """Share that AWS reports. Example: "0.9"."""
    instances: StrictInt | None = None
    """Wanted number of instances; absent where it is the scaler's. Example: 2."""
    scaling: Word | None = None
    """Fewest and most instances between which AWS scales. Example: 1-4."""
    live_instances: StrictInt | None = None
    """Number of instances that AWS reports. Example: 2."""
    image_digest: Digest | None = None
    """Image that runs. Example: sha256:9f86d081..."""


class ServedVariant(Model):
    """What one variant of an endpoint config serves, whatever the spec says by now."""

    name: Word
    """Name of the variant. Example: blue."""
    model: Cell
    """What it serves: package version or image. Example: digits/7."""
    package_arn: Arn | None = None
    """Model package. Example: arn:aws:sagemaker:eu-central-1:123456789012:model-package/digits/7."""
    artifact: Uri | None = None
    """The model's archive. Example: s3://team-a-ml/artifacts/.../model.tar.gz."""
    weight: Word | None = None
    """Its share when it was last settled. Example: "0.9"."""


class ScalableTarget(Model):
    """What Application Auto Scaling was told about a variant."""

    name: Word
    """Name of the variant. Example: blue."""
    min_capacity: StrictInt
    """Fewest instances. Example: 1."""
    max_capacity: StrictInt
    """Most instances. Example: 4."""
    target_invocations_per_instance: StrictInt
    """Requests a minute that one instance is meant to answer. Example: 200."""
    scale_in_cooldown: Word
    """Time between taking instances away. Example: 5m."""
    scale_out_cooldown: Word
    """Time between adding instances. Example: 1m."""
    asked_at: Time | None = None
    """When AWS was last told. Example: 2026-11-21T10:00:00Z."""


class PastConfig(Model):
    """An endpoint config that served and is kept to go back to."""

    config: AwsName
    """Name of the endpoint config. Example: team-a-digits-config-k5tq3vwx2a."""
    models: Annotated[tuple[AwsName, ...], Items(VARIANT_LIMIT)]
    """Names of its models. Example: [team-a-digits-model-k5tq3vwx2a]."""
    variants: Annotated[tuple[ServedVariant, ...], Items(VARIANT_LIMIT, kind="map")] | None = None
    """What its variants serve: champion gates of TrainingRuns compare with it. Example: [{name: blue, model: digits/7}]."""
    served_until: Time | None = None
    """When another took its place. Example: "2026-11-21T10:00:00Z"."""
    adopted: StrictBool | None = None
    """Made by somebody else, so it is never deleted. Example: true."""


class Update(Model):
    """The last change of the endpoint that was asked for."""

    config: AwsName
    """The endpoint config asked for. Example: team-a-digits-config-k5tq3vwx2a."""
    attempted_at: Time
    """When the intent was recorded, before AWS was called. Example: "2026-11-21T10:00:00Z"."""
    seen: Time | None = None
    """LastModifiedTime of the endpoint before the call: unchanged, the call has not arrived. Example: "2026-11-21T09:00:00.000Z"."""
    replaces: AwsName | None = None
    """The endpoint config that served then, which AWS goes back to when the change fails. Example: team-a-digits-config-2bq7xk4mza."""
    taken: StrictBool | None = None
    """true: AWS was seen to carry it out, so what else it is busy with later is no proof against that. Example: true."""
    overtaken: Time | None = None
    """When an earlier change was asked for of whose end nothing is known: it may still be carried out. Example: "2026-11-21T09:58:00Z"."""
    outcome: Word | None = None
    """Succeeded, RolledBack or Failed once AWS has said so. Example: RolledBack."""
    message: Message | None = None
    """Why, as far as AWS tells. Example: one of the alarms digits-5xx went off."""


class AdoptedModel(Model):
    """A model of the adopted config."""

    variant: Word
    """Name of the variant. Example: blue."""
    aws_name: AwsName
    """Name of the SageMaker model. Example: digits-2026-11-20."""


class EqualConfig(Model):
    """The adopted config has the content that is wanted, so it goes on serving."""

    to: AwsName
    """Name that its content would have. Example: team-a-digits-config-k5tq3vwx2a."""
    models: Annotated[tuple[AdoptedModel, ...], Items(VARIANT_LIMIT)]
    """Its models. Example: [{variant: blue, awsName: digits-2026-11-20}]."""


class Adoption(Model):
    """An endpoint that somebody else had made."""

    config: AwsName
    """Endpoint config that served then; it is kept. Example: digits-2026-11-20."""
    from_: Annotated[Cell | None, Field(alias="from")] = None
    """Whose it was, as its tags said. Example: old-cluster/team-a/digits/ModelEndpoint."""
    at: Time | None = None
    """When it was taken over. Example: "2026-11-21T10:00:00Z"."""
    foreign: StrictBool | None = None
    """It was not made by an operator like this one for this object, so it is never deleted. Example: true."""
    taken: StrictBool | None = None
    """Its tags name this object. Example: true."""
    equal: EqualConfig | None = None
    """Present when its config has the wanted content. Example: {to: team-a-digits-config-k5tq3vwx2a, models: []}."""


class ServedArtifact(Model):
    """Which object in S3 a package meant when it was first served."""

    model: Cell
    """Model package. Example: digits/7."""
    package_arn: Arn
    """ARN of the package. Example: arn:aws:sagemaker:eu-central-1:123456789012:model-package/digits/7."""
    uri: Uri
    """Where its archive is. Example: s3://team-a-ml/artifacts/.../model.tar.gz."""
    etag: Digest
    """The object's ETag. Example: 9f86d081884c7d659a2feaa0c55ad015."""


class Parking(Model):
    """Whether and why the endpoint is parked: deleted, with its config and models kept."""

    since: Time | None = None
    """When it was decided; absent while it serves. Example: "2026-11-21T19:00:00Z"."""
    reason: Word | None = None
    """Idle or OutsideWindow. Example: Idle."""
    handled: Cell | None = None
    """Value of the unpark-requested-at annotation that was acted upon last. Example: "2026-11-21T20:15:00Z"."""
    awake_until: Time | None = None
    """End of the window until which a request keeps it awake. Example: "2026-11-23T18:00:00Z"."""


class Cost(Model):
    """What the endpoint costs by list prices: an estimate of its instances alone, without data, disks and discounts."""

    hourly_usd: Word | None = None
    """US dollars an hour, of the instances that run. Example: "0.2300"."""
    monthly_usd: Word | None = None
    """The same for 730 hours. Example: "167.90"."""
    prices_as_of: Word | None = None
    """Date of the prices. Example: "2026-11-21"."""
    reason: Message | None = None
    """Why there is no figure. Example: no price of ml.g5.xlarge in eu-central-1 is known."""


class TestedVariant(Model):
    """What one variant did in the smoke test."""

    name: Word
    """Name of the variant. Example: blue."""
    status: StrictInt | None = None
    """HTTP status that its model answered with. Example: 200."""
    latency: Word | None = None
    """Time until its whole answer was there. Example: 0.021s."""


class SmokeTestResult(Model):
    """The last smoke test: of which version, and what came out."""

    key: Word
    """Stands for endpoint config, payload and expectation: the same test is not made twice. Example: k5tq3vwx2a."""
    config: AwsName
    """Endpoint config that is tested. Example: team-a-digits-config-k5tq3vwx2a."""
    state: Word
    """Running, Passed or Failed. Example: Passed."""
    endpoint: AwsName | None = None
    """Endpoint that exists only for the test; absent once it is gone. Example: team-a-digits-4k2mzq-smoke."""
    started_at: Time | None = None
    """When the test was begun. Example: "2026-11-21T10:00:00Z"."""
    finished_at: Time | None = None
    """When the verdict was clear. Example: "2026-11-21T10:06:00Z"."""
    message: Message | None = None
    """What was wrong, with the name of the log. Example: variant blue answered 500 instead of 200."""
    variants: Annotated[tuple[TestedVariant, ...], Items(VARIANT_LIMIT, kind="map")] | None = None
    """What each variant did. Example: [{name: blue, status: 200, latency: 0.021s}]."""


class ModelEndpointStatus(NotifyingStatus):
    """What serves, what is wanted, and why they differ. Written by the operator only."""

    endpoint_name: AwsName | None = None
    """Name of the endpoint in AWS. Example: team-a-digits-4k2mzq."""
    arn: Arn | None = None
    """ARN of the endpoint. Example: arn:aws:sagemaker:eu-central-1:123456789012:endpoint/team-a-digits-4k2mzq."""
    url: Url | None = None
    """Where requests go. Example: https://runtime.sagemaker.eu-central-1.amazonaws.com/endpoints/team-a-digits-4k2mzq/invocations."""
    console_url: Url | None = None
    """Page of the endpoint in the AWS console. Example: https://eu-central-1.console.aws.amazon.com/sagemaker/home#/endpoints/..."""
    wanted_config: AwsName | None = None
    """Endpoint config that the spec asks for. Example: team-a-digits-config-k5tq3vwx2a."""
    live_config: AwsName | None = None
    """Endpoint config that serves. Example: team-a-digits-config-k5tq3vwx2a."""
    wanted: Column | None = None
    """Model versions that are wanted, for kubectl get. Example: "8"."""
    live: Column | None = None
    """Model versions that serve, for kubectl get. Example: "7"."""
    split: Column | None = None
    """Variants with version and share, for kubectl get. Example: blue=7:90% green=8:10%."""
    approval: Word | None = None
    """Who decides what serves: git for pins, registry for approvals. Example: git."""
    variants: Annotated[tuple[ServingVariant, ...], Items(VARIANT_LIMIT, kind="map")] | None = None
    """The variants in the order of the spec. Example: [{name: blue, model: digits/7}]."""
    scalable_targets: Annotated[tuple[ScalableTarget, ...], Items(2 * VARIANT_LIMIT, kind="map")] | None = None
    """Variants that AWS scales, or was asked to within the last five minutes. Example: [{name: blue, minCapacity: 1,
    maxCapacity: 4, targetInvocationsPerInstance: 200, scaleInCooldown: 5m, scaleOutCooldown: 1m}].
    """
    alarms: Annotated[tuple[AwsName, ...], Items(ALARM_LIMIT, kind="set")] | None = None
    """CloudWatch alarms that the operator made, and those that are deleted but may still come late, for five minutes. Example:
    [team-a-digits-4k2mzq-blue-5xx-k5tq3vwx2a].
    """
    alarms_asked_at: Time | None = None
    """When AWS was last asked to make or change one of them. Example: 2026-11-21T10:00:00Z."""
    update: Update | None = None
    """The last change that was asked for. Example: {config: team-a-digits-config-k5tq3vwx2a, outcome: Succeeded}."""
    smoke_test: SmokeTestResult | None = None
    """The last smoke test. Example: {config: team-a-digits-config-k5tq3vwx2a, state: Passed}."""
    last_good: PastConfig | None = None
    """Endpoint config that last served well. Example: {config: team-a-digits-config-k5tq3vwx2a, models: []}."""
    history: Annotated[tuple[PastConfig, ...], Items(PAST_CONFIG_LIMIT)] | None = None
    """Earlier endpoint configs that are kept, newest first. Example: [{config: team-a-digits-config-a1b2c3d4e5, models: []}]."""
    cost: Cost | None = None
    """Estimate. Example: {hourlyUsd: "0.2300", monthlyUsd: "167.90", pricesAsOf: "2026-11-21"}."""
    parking: Parking | None = None
    """Present once it was parked. Example: {since: "2026-11-21T19:00:00Z", reason: Idle}."""
    artifacts: Annotated[tuple[ServedArtifact, ...], Items(ARTIFACT_LIMIT)] | None = None
    """Objects that the served packages meant, newest first: another object in its place is not served. Example: [{model: digits/7, uri:
    s3://team-a-ml/artifacts/.../model.tar.gz}].
    """
    adoption: Adoption | None = None
    """Present when the endpoint was adopted. Example: {from: somebody without our tags, config: digits-2026-11-20, taken: true}."""
    tagged: Word | None = None
    """Identity of the tags that endpoint, config and models were last seen to carry. Example: k5tq3vwx2a."""
    in_line: Word | None = None
    """Identity of what was wanted when AWS last agreed with it: a later difference from the same wants is drift. Example: k5tq3vwx2a."""
    batch: BatchStatus | None = None
    """The batch job that runs or ran last, and when the next one is due. Example: {state: Succeeded, model: digits/7}."""
    deletion: Deletion | None = None
    """Present while the object is being deleted. Example: {absentSince: "2026-11-21T10:00:30Z"}."""
