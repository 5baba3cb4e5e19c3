"""The TrainingRun: what a data scientist commits. Steps are in api/steps.py, rules across steps in api/training_rules.py."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field, StrictInt

from sagemaker_gitops.api import template, training_rules
from sagemaker_gitops.api.base import Items, Model, Path, Rule, exactly_one
from sagemaker_gitops.api.fields import (
    Flag,
    GroupName,
    KmsKeyArn,
    MetricName,
    Number,
    ObjectName,
    Parameters,
    RoleArn,
    S3Archive,
    Sha256,
    Tags,
    VariantName,
)
from sagemaker_gitops.api.free_form import FreeForm
from sagemaker_gitops.api.notify import NOTIFY_LIMIT, RunNotify
from sagemaker_gitops.api.steps import Evaluate, Goal, Input, Network, Prepare, Train

ConcurrencyPolicy = Literal["Replace", "Queue", "Forbid"]
DeletionPolicy = Literal["Delete", "Retain"]
Approval = Literal["Manual", "Auto"]
Operator = Literal[">=", ">", "<=", "<"]

DEFAULT_CONCURRENCY_POLICY: ConcurrencyPolicy = "Replace"
DEFAULT_DELETION_POLICY: DeletionPolicy = "Delete"
DEFAULT_APPROVAL: Approval = "Manual"
DEFAULT_HISTORY_LIMIT = 10
DEFAULT_MIN_DELTA = 0.0


class ConfigMapRef(Model):
    """A ConfigMap of this namespace."""

    name: ObjectName
    """Name of the ConfigMap. Example: digits-code-7f4k2."""


class S3Source(Model):
    """An archive of code, packed by CI."""

    uri: S3Archive
    """Where the archive is. Example: s3://team-a-ml/sources/4f2c9e1.tar.gz."""
    sha256: Sha256
    """SHA-256 of the archive; another content is refused. Example: the first word that sha256sum prints."""


class Source(Model):
    """The code that the steps run. Its content decides whether a step runs again, not its name."""

    rules = (exactly_one("configMapRef", "s3"),)

    config_map_ref: ConfigMapRef | None = None
    """ConfigMap whose keys are the files, with the label sagemaker-gitops.dev/source: "true" so that an edit starts a run. Example: {name:
    digits-code}.
    """
    s3: S3Source | None = None
    """Archive in S3. Example: {uri: s3://team-a-ml/sources/4f2c9e1.tar.gz, sha256: ...}."""


class EndpointRef(Model):
    """A ModelEndpoint of this namespace."""

    name: ObjectName
    """Name of the ModelEndpoint. Example: digits."""


class Champion(Model):
    """The model to beat: what a ModelEndpoint serves, or else the newest approved package of register.group. While there is none, the gate
    passes.
    """

    rules = (
        Rule(
            "!has(self.variant) || has(self.endpointRef)",
            "variant belongs to a ModelEndpoint: add endpointRef",
            lambda champion: champion.variant is None or champion.endpoint_ref is not None,
            ".variant",
        ),
    )

    endpoint_ref: EndpointRef | None = None
    """ModelEndpoint whose live model is the champion: what really serves, not what is wanted. Example: {name: digits}. Left out: the newest
    approved package of register.group.
    """
    variant: VariantName | None = None
    """Variant of the ModelEndpoint whose model is the champion. Example: blue. Left out: the one with the largest live share, of equal ones
    the first.
    """
    reevaluate: Flag | None = None
    """true: evaluate is run once more with the champion's model, on the same test data. Example: true. Left out: the champion's numbers are
    those that were registered with it.
    """
    min_delta: Annotated[float, Number(0.0)] | None = None
    """How much better the new model must be. Example: 0.01. Left out: 0, as good is good enough."""
    goal: Goal | None = None
    """Whether more or less is better. Example: Minimize. Left out: the goal of the metric in train.metrics, or what the operator of another
    gate on it says.
    """


class Gate(Model):
    """One condition that the new model must meet before it is registered. A metric that is missing or NaN fails."""

    rules = (
        exactly_one("value", "champion"),
        Rule(
            "has(self.value) == has(self.operator)",
            'operator and value must be given together, such as operator: ">=" and value: 0.95',
            lambda gate: (gate.value is None) == (gate.operator is None),
            ".operator",
        ),
    )

    metric: MetricName
    """Metric of evaluation.json, or of train.metrics when there is no evaluate step. Example: accuracy."""
    operator: Operator | None = None
    """How the metric is compared with value, in quotes. Example: ">="."""
    value: Annotated[float, Number()] | None = None
    """Fixed bound. Example: 0.95."""
    champion: Champion | None = None
    """Compare with the model that serves or is approved now, instead of value. Example: {endpointRef: {name: digits}, reevaluate: true}."""


class Register(Model):
    """Registers the model in the SageMaker model registry, with its metrics, baseline and provenance."""

    group: GroupName
    """Model package group; it is made when it does not exist. Example: digits."""
    approval: Approval | None = None
    """Manual: somebody approves in the registry. Auto: approved when the gates pass. Example: Auto. Left out: Manual."""


class Overrides(Model):
    """AWS's own member names, merged last into the requests that the operator sends, for what has no field here. Names, tags and roles
    cannot be overridden.
    """

    create_training_job: Annotated[dict[str, object], FreeForm()] | None = None
    """Merged into sagemaker CreateTrainingJob. Example: {EnableNetworkIsolation: true}."""
    create_processing_job: Annotated[dict[str, object], FreeForm()] | None = None
    """Merged into sagemaker CreateProcessingJob, of prepare and of evaluate. Example: {ExperimentConfig: {ExperimentName: digits}}."""
    glue_create_job: Annotated[dict[str, object], FreeForm()] | None = None
    """Merged into glue CreateJob. Example: {MaxCapacity: 1.0}."""
    glue_start_job_run: Annotated[dict[str, object], FreeForm()] | None = None
    """Merged into glue StartJobRun. Example: {ExecutionClass: FLEX}."""
    create_model_package_group: Annotated[dict[str, object], FreeForm()] | None = None
    """Merged into sagemaker CreateModelPackageGroup. Example: {ModelPackageGroupDescription: Digits}."""
    create_model_package: Annotated[dict[str, object], FreeForm()] | None = None
    """Merged into sagemaker CreateModelPackage. Example: {Domain: COMPUTER_VISION}."""


class TrainingRunSpec(Model):
    """What to train, from which code and data, and what the model must reach. Steps run in this order: prepare, train, evaluate, gates,
    register.
    """

    rules = training_rules.RULES
    checks = training_rules.CHECKS

    source: Source | None = None
    """The code. Needed as soon as a step names a file. Example: {configMapRef: {name: digits-code}}."""
    parameters: Parameters = Field(default_factory=dict)
    """Texts to use as ${parameters.<name>} in arguments, hyperparameters and S3 URIs. Example: {testFraction: "0.2"}."""
    inputs: Annotated[tuple[Input, ...], Items(20, kind="map")] = ()
    """Data that exists before the run. Example: [{name: raw, s3Uri: s3://team-a-ml/raw/digits/}]."""
    prepare: Prepare | None = None
    """Makes the data sets for training and evaluation. Left out: the steps read inputs. Example: {glue: {script: normalise.py, outputs:
    [train, test]}}.
    """
    train: Train
    """The training job. Example: {framework: {name: sklearn, version: 1.4-2}, entryPoint: train.py, channels: [train]}."""
    evaluate: Evaluate | None = None
    """Measures the model. Example: {processing: {framework: {name: sklearn, version: 1.4-2}, entryPoint: evaluate.py, channels: [test]}}.
    """
    gates: Annotated[tuple[Gate, ...], Items(20)] = ()
    """Conditions for registering the model; all must hold. Example: [{metric: accuracy, operator: ">=", value: 0.95}]."""
    register_: Register | None = Field(default=None, alias="register")
    """Registers the model when the gates pass. Left out: the model stays in S3 only. Example: {group: digits, approval: Manual}."""
    concurrency_policy: ConcurrencyPolicy | None = None
    """What happens when the spec changes during a run: Replace stops it, Queue waits for it, Forbid keeps it and starts nothing. Example:
    Queue. Left out: Replace.
    """
    network: Network | None = None
    """VPC and isolation of every job. Example: {subnetIds: [subnet-0a1b2c3d4e5f60718], securityGroupIds: [sg-0a1b2c3d4e5f60718]}. Left out:
    the Tenant's default.
    """
    kms_key_arn: KmsKeyArn | None = None
    """Key that encrypts disks and results. Example: arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab. Left
    out: the Tenant's default.
    """
    execution_role_arn: RoleArn | None = None
    """IAM role that the jobs run as. Example: arn:aws:iam::123456789012:role/team-a/training. Left out: the Tenant's default."""
    tags: Tags = Field(default_factory=dict)
    """AWS tags of everything that is created, besides the Tenant's. Example: {project: digits}."""
    notify: Annotated[tuple[RunNotify, ...], Items(NOTIFY_LIMIT)] | None = None
    """Whom to tell of what, by SNS; [] tells nobody. Example: [{snsTopicArn: "arn:aws:sns:eu-central-1:123456789012:team-a-alerts",
    transitions: [Failed, AwaitingApproval]}]. Left out: the Tenant's default.
    """
    suspend: Flag | None = None
    """true: no new run starts; a running one is finished. Example: true. Left out: false."""
    deletion_policy: DeletionPolicy | None = None
    """On deletion of this object: Delete stops what runs, finished jobs and results stay; Retain touches nothing. Example: Retain. Left
    out: Delete.
    """
    history_limit: Annotated[StrictInt, Field(ge=1, le=20)] | None = None
    """Number of past runs that status.history keeps. Example: 5. Left out: 10."""
    overrides: Overrides | None = None
    """Members of AWS requests that have no field here. Example: {createTrainingJob: {EnableNetworkIsolation: true}}."""

    def templated(self) -> Iterable[tuple[Path, str]]:
        return ((path, template.resolve(text, self.parameters)) for path, text in training_rules.templated(self))
