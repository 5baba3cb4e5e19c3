"""The Tenant: what the platform team decides once per team. Tenancy fails closed: what allow does not name is refused."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field, StrictInt

from sagemaker_gitops.api.base import Entries, Items, Model, Rule, Text, exactly_one
from sagemaker_gitops.api.endpoint_upkeep import EndpointNamePattern
from sagemaker_gitops.api.fields import (
    TAG_RULE,
    AccountId,
    ExternalId,
    GroupNamePattern,
    ImagePattern,
    InstanceType,
    InstanceTypePattern,
    KmsKeyArn,
    Namespace,
    Region,
    RoleArn,
    RoleArnPattern,
    S3Prefix,
    SecurityGroupId,
    SubnetId,
    Tags,
    TopicArnPattern,
    TrainingDuration,
    reserved_tags,
)
from sagemaker_gitops.api.notify import NOTIFY_LIMIT, DefaultNotify
from sagemaker_gitops.api.steps import Network

Requirement = Literal["kms", "vpc"]

_LABEL = r"(?:[A-Za-z0-9.-]{1,253}/)?[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?"

_LABEL_WORDS = "such as team or example.com/team"
BudgetUsd = Annotated[
    str,
    Text(
        r"(?:[1-9][0-9]{0,8}(?:\.[0-9]{1,2})?|0\.(?:0[1-9]|[1-9][0-9]?))",
        'must be US dollars above 0 in quotes, such as "2000" or "49.90"',
        12,
    ),
]
LabelKey = Annotated[str, Text(_LABEL, f"must be a label {_LABEL_WORDS}", 317)]
LabelValue = Annotated[str, Text(r"(?:[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?)?", "must be the value of a label, such as team-a", 63)]


def matches(patterns: Iterable[str], value: str) -> bool:
    """Whether one pattern is `value`, or ends in * and `value` starts with the rest. Nothing else is special."""
    return any(value.startswith(item[:-1]) if item.endswith("*") else value == item for item in patterns)


class LabelExpression(Model):
    """One condition on a namespace's labels."""

    key: LabelKey
    """Label. Example: kubernetes.io/metadata.name."""
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    """Relation between the label's value and values. Example: In."""
    values: Annotated[tuple[LabelValue, ...], Items(50, kind="set")] = ()
    """Values for In and NotIn. Example: [team-a, team-a-staging]."""


class NamespaceSelector(Model):
    """Namespaces by label. Only people who may label namespaces can join; prefer names where that is everybody."""

    rules = (
        Rule(
            "(has(self.matchLabels) && size(self.matchLabels) > 0) || (has(self.matchExpressions) && size(self.matchExpressions) > 0)",
            "matchLabels or matchExpressions is needed: an empty selector selects nothing",
            lambda selector: bool(selector.match_labels or selector.match_expressions),
        ),
    )

    match_labels: Annotated[dict[str, LabelValue], Entries(20, _LABEL, f"keys must be labels {_LABEL_WORDS}", 317)] = Field(
        default_factory=dict
    )
    """Labels that the namespace must have. Example: {team: a}."""
    match_expressions: Annotated[tuple[LabelExpression, ...], Items(20)] = ()
    """Conditions that must all hold. Example: [{key: team, operator: In, values: [a]}]."""


class Allow(Model):
    """What the namespaces of this Tenant may use. A list that is left out allows nothing."""

    execution_role_arns: Annotated[tuple[RoleArnPattern, ...], Items(50, min_items=1, kind="set")]
    """Roles that jobs may run as; the end may be *. Example: [arn:aws:iam::123456789012:role/team-a/*]."""
    s3_prefixes: Annotated[tuple[S3Prefix, ...], Items(50, min_items=1, kind="set")]
    """Folders of S3 that runs may read and write. Example: [s3://team-a-ml/]."""
    kms_key_arns: Annotated[tuple[KmsKeyArn, ...], Items(50, kind="set")] = ()
    """Keys that runs may encrypt with. Example: [arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab]."""
    images: Annotated[tuple[ImagePattern, ...], Items(50, min_items=1, kind="set")]
    """Container images, those of frameworks included; the end may be *. Example:
    ["123456789012.dkr.ecr.eu-central-1.amazonaws.com/team-a/*"].
    """
    instance_types: Annotated[tuple[InstanceTypePattern, ...], Items(100, min_items=1, kind="set")]
    """Instance types and families. Example: [ml.m5.*, ml.g5.xlarge]."""
    subnet_ids: Annotated[tuple[SubnetId, ...], Items(50, kind="set")] = ()
    """Subnets that jobs may run in. Example: [subnet-0a1b2c3d4e5f60718]."""
    security_group_ids: Annotated[tuple[SecurityGroupId, ...], Items(50, kind="set")] = ()
    """Security groups that jobs may have. Example: [sg-0a1b2c3d4e5f60718]."""
    endpoint_names: Annotated[tuple[EndpointNamePattern, ...], Items(50, kind="set")] = ()
    """Endpoints that a ModelEndpoint may name (endpointName), and so adopt; the end may be *. Example: [team-a-*]."""
    model_package_groups: Annotated[tuple[GroupNamePattern, ...], Items(50, kind="set")] = ()
    """Groups of the model registry that may be written and served from; the end may be *. Example: [team-a-*]. Left out: every group
    of the account, of which only models inside the other lists are served; name them where teams share an account.
    """
    sns_topic_arns: Annotated[tuple[TopicArnPattern, ...], Items(50, kind="set")] = ()
    """SNS topics that may be told of something; the end may be *. Example: [arn:aws:sns:eu-central-1:123456789012:team-a-*]. Left out:
    every topic of account and region.
    """


class Limits(Model):
    """Upper bounds. A run that asks for more is refused; a run too many waits, and shows its place in the queue; so does what is beyond
    the month's budget, until the next one.
    """

    max_concurrent_runs: Annotated[StrictInt, Field(ge=1, le=1000)] | None = None
    """Runs of this Tenant at the same time. Example: 4."""
    max_instance_count: Annotated[StrictInt, Field(ge=1, le=100)] | None = None
    """Instances of one job. Example: 8."""
    max_retrains_per_day: Annotated[StrictInt, Field(ge=1, le=1000)] | None = None
    """Retrains that MonitorPolicies of this Tenant may ask for within 24 hours. Example: 3."""
    monthly_budget_usd: BudgetUsd | None = None
    """US dollars that this Tenant may spend in a calendar month (UTC), in quotes. Example: "2000". From then on nothing paid is started;
    what runs goes on. Reckoned by list prices of instances and Glue alone.
    """
    max_runtime: TrainingDuration | None = None
    """Longest job; also the runtime of a training job that names none. Example: 24h."""


class InstanceTypes(Model):
    """Instance types for jobs that name none."""

    training: InstanceType | None = None
    """For training jobs. Example: ml.m5.large."""
    processing: InstanceType | None = None
    """For processing jobs. Example: ml.m5.large."""
    hosting: InstanceType | None = None
    """For endpoints. Example: ml.m5.large."""


class Defaults(Model):
    """What a data scientist need not write."""

    rules = (TAG_RULE,)
    checks = (reserved_tags,)

    execution_role_arn: RoleArn | None = None
    """Role that jobs run as. Example: arn:aws:iam::123456789012:role/team-a/training."""
    artifact_prefix: S3Prefix
    """Folder for everything that runs write: code, data sets, models, evaluations. Example: s3://team-a-ml/artifacts/."""
    kms_key_arn: KmsKeyArn | None = None
    """Key that encrypts disks and results. Example: arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab."""
    network: Network | None = None
    """VPC and isolation of jobs. Example: {subnetIds: [subnet-0a1b2c3d4e5f60718], securityGroupIds: [sg-0a1b2c3d4e5f60718]}."""
    instance_types: InstanceTypes | None = None
    """Instance types for jobs that name none. Example: {training: ml.m5.large, processing: ml.m5.large}."""
    notify: Annotated[tuple[DefaultNotify, ...], Items(NOTIFY_LIMIT)] = ()
    """Whom to tell of what, by SNS, where a resource has no notify of its own. Example: [{snsTopicArn:
    "arn:aws:sns:eu-central-1:123456789012:team-a-alerts", transitions: [Failed, Breached, AwaitingApproval, RolledBack]}].
    """
    tags: Tags = Field(default_factory=dict)
    """AWS tags of everything that is created. Example: {cost-centre: "4711"}."""


def _same_account(spec: TenantSpec) -> bool:
    return spec.role_arn.split(":")[4] == spec.account


def _values_at(block: object, path: str) -> tuple[str, ...]:
    """The text or texts at `path` (in Python's spelling); none when a part of the way is left out."""
    for name in path.split("."):
        block = getattr(block, name, None)
    return (block,) if isinstance(block, str) else block if isinstance(block, tuple) else ()


def _allowed_default(path: str, allowed: str) -> Rule:
    """The default at `path` lies in the list `allowed`, whose entries may end in *; a default of its own that is refused helps nobody."""
    snake_path, snake_allowed = (re.sub(r"([A-Z])", lambda letter: "_" + letter[0].lower(), name) for name in (path, allowed))
    parts = path.split(".")
    given = " && ".join(f"has(self.defaults.{'.'.join(parts[:depth])})" for depth in range(1, len(parts) + 1))
    pattern = "(p.endsWith('*') ? v.startsWith(p.substring(0, p.size() - 1)) : v == p)"
    values = f"self.defaults.{path}" if path.endswith("Ids") else f"[self.defaults.{path}]"

    def holds(spec: TenantSpec) -> bool:
        patterns = _values_at(spec.allow, snake_allowed)
        return all(matches(patterns, value) for value in _values_at(spec.defaults, snake_path))

    return Rule(
        f"!({given}) || (has(self.allow.{allowed}) && {values}.all(v, self.allow.{allowed}.exists(p, {pattern})))",
        f"{parts[-1]} must be allowed by allow.{allowed}",
        holds,
        f".defaults.{path}",
    )


def _topics_allowed(spec: TenantSpec) -> bool:
    topics, patterns = [item.sns_topic_arn for item in spec.defaults.notify], spec.allow.sns_topic_arns
    own = [spec.region, spec.account]
    return all(arn.split(":")[3:5] == own and (not patterns or matches(patterns, arn)) for arn in topics)


def _artifacts_allowed(spec: TenantSpec) -> bool:
    return any(spec.defaults.artifact_prefix.startswith(prefix) for prefix in spec.allow.s3_prefixes)


class TenantSpec(Model):
    """Which AWS account, region and role a set of namespaces uses, what they may do there, and what is decided for them."""

    rules = (
        exactly_one("namespaces", "namespaceSelector"),
        Rule(
            "self.roleArn.contains('::' + self.account + ':')",
            "roleArn must be a role of account",
            _same_account,
            ".roleArn",
        ),
        Rule(
            "self.allow.s3Prefixes.exists(p, self.defaults.artifactPrefix.startsWith(p))",
            "artifactPrefix must lie in one of allow.s3Prefixes",
            _artifacts_allowed,
            ".defaults.artifactPrefix",
        ),
        Rule(
            "!has(self.defaults.notify) || self.defaults.notify.all(n,"
            " n.snsTopicArn.contains(':sns:' + self.region + ':' + self.account + ':')"
            " && (!has(self.allow.snsTopicArns) || self.allow.snsTopicArns.exists(p,"
            " p.endsWith('*') ? n.snsTopicArn.startsWith(p.substring(0, p.size() - 1)) : n.snsTopicArn == p)))",
            "topics must be of account and region, and allowed by allow.snsTopicArns where that is given",
            _topics_allowed,
            ".defaults.notify",
        ),
        _allowed_default("executionRoleArn", "executionRoleArns"),
        _allowed_default("kmsKeyArn", "kmsKeyArns"),
        _allowed_default("network.subnetIds", "subnetIds"),
        _allowed_default("network.securityGroupIds", "securityGroupIds"),
        _allowed_default("instanceTypes.training", "instanceTypes"),
        _allowed_default("instanceTypes.processing", "instanceTypes"),
        _allowed_default("instanceTypes.hosting", "instanceTypes"),
    )

    namespaces: Annotated[tuple[Namespace, ...], Items(100, min_items=1, kind="set")] | None = None
    """Names of the namespaces. A namespace that two Tenants claim gets no AWS call at all. Example: [team-a, team-a-staging]."""
    namespace_selector: NamespaceSelector | None = None
    """Namespaces by label, instead of by name. Example: {matchLabels: {team: a}}."""
    account: AccountId
    """AWS account, in quotes; compared with what AWS says before anything else. Example: "123456789012"."""
    region: Region
    """AWS region. Example: eu-central-1."""
    role_arn: RoleArn
    """Role that the operator assumes for this Tenant. Example: arn:aws:iam::123456789012:role/sagemaker-gitops-team-a."""
    external_id: ExternalId | None = None
    """External id that the role's trust policy asks for. Example: team-a."""
    allow: Allow
    """What may be used; everything else is refused. Example: {s3Prefixes: [s3://team-a-ml/], instanceTypes: [ml.m5.*], ...}."""
    require: Annotated[tuple[Requirement, ...], Items(2, kind="set")] = ()
    """What every run must have: kms (an encryption key), vpc (subnets and security groups). Example: [kms, vpc]."""
    limits: Limits | None = None
    """Upper bounds. Example: {maxConcurrentRuns: 4, maxInstanceCount: 8, maxRuntime: 24h, monthlyBudgetUsd: "2000"}."""
    defaults: Defaults
    """What a data scientist need not write. Example: {artifactPrefix: s3://team-a-ml/artifacts/, ...}."""
