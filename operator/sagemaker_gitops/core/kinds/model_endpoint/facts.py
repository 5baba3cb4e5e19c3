"""What a pass over a ModelEndpoint may know about the world: closed unions, made by aws/kinds/model_endpoint.py, read by plan."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sagemaker_gitops.core.actions import AwsRequest
from sagemaker_gitops.core.budget import Spend
from sagemaker_gitops.core.errors import Finding
from sagemaker_gitops.core.kinds.training_run.facts import JobFact
from sagemaker_gitops.core.tenancy import Binding


@dataclass(frozen=True, slots=True)
class Alias:
    """A config that somebody else named, with the wanted content, and its models by variant."""

    config: str
    models: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Container:
    """An image with what it works on; artifact is an S3 URI. `package_arn`: the registered model that it is of, which an approval is about.
    `etag` is the artifact's, None when there is no such object; it says so only if `looked_at`.
    """

    image: str
    artifact: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    package_arn: str = ""
    looked_at: bool = False
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class Resolved:
    """A model that may be served: one container, or an inference pipeline in the order of the calls. `label` is what people call it:
    digits/7, or the image, with a + between the links of a pipeline. `served_etag`: what `etag` was when the SageMaker model was made.
    """

    label: str
    containers: tuple[Container, ...]
    package_arn: str = ""
    approver: str = ""
    package_arns: tuple[str, ...] = ()
    """Of every registered link, in order."""
    served_etag: str = ""

    @property
    def etag(self) -> str:
        """Identity of the artifacts of registered models that were looked at; empty when there is none."""
        etags = [link.etag for link in self.containers if link.looked_at and link.etag]
        return etags[0] if len(etags) == 1 else hashlib.sha256(" ".join(etags).encode()).hexdigest() if etags else ""

    @property
    def version(self) -> str:
        """The label without groups: 7, or scale:1+7."""
        return "+".join(part.rpartition("/")[2] for part in self.label.split("+"))

    @property
    def artifact(self) -> str | None:
        """The archive of a model that is one container."""
        return self.containers[0].artifact if len(self.containers) == 1 else None


@dataclass(frozen=True, slots=True)
class AwaitingApproval:
    """The model is there and nobody has approved it (yet, or any more)."""

    message: str


@dataclass(frozen=True, slots=True)
class ModelMissing:
    """What the spec refers to is not there (yet)."""

    message: str


ModelFact = Resolved | AwaitingApproval | ModelMissing


class EndpointState(StrEnum):
    """EndpointStatus by what can be done: AWS refuses every change while the endpoint is Busy."""

    IN_SERVICE = "InService"
    BUSY = "Busy"
    FAILED = "Failed"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class LiveVariant:
    """A variant as DescribeEndpoint reports it: what was asked of it last."""

    weight: float
    instances: int
    image_digest: str = ""
    serverless: bool = False


@dataclass(frozen=True, slots=True)
class NoEndpoint:
    """Looked for and not there."""


@dataclass(frozen=True, slots=True)
class ForeignEndpoint:
    """The name is taken by something whose tags do not name us; `live` when it has been looked at for adoption."""

    owner: str
    tags: Mapping[str, str] = field(default_factory=dict)
    live: LiveEndpoint | None = None


@dataclass(frozen=True, slots=True)
class LiveEndpoint:
    """Our endpoint. `raw` is AWS's own status word; reason is its FailureReason, empty after a rollback by alarm; `pending` is the config
    that AWS is bringing into service, "" while it is busy with something else.
    """

    state: EndpointState
    raw: str
    config: str
    last_modified: datetime
    variants: Mapping[str, LiveVariant] = field(default_factory=dict)
    reason: str = ""
    pending: str = ""


EndpointFact = NoEndpoint | ForeignEndpoint | LiveEndpoint


@dataclass(frozen=True, slots=True)
class Quiet:
    """When CloudWatch last counted an invocation, as far back as parkAfter goes; None: not once. `looked_at`: when it was asked."""

    looked_at: datetime
    last_asked: datetime | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """A model answered. `status` is its HTTP status, `seconds` counts until the last byte, `message` is what it said of an error."""

    status: int
    seconds: float
    message: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """AWS would not pass the request on, and would not pass it on again."""

    message: str


@dataclass(frozen=True, slots=True)
class Unanswered:
    """Nobody knows what the model would have said: AWS was not reached, throttled, or failed itself."""

    message: str


Call = Answered | Refused | Unanswered


@dataclass(frozen=True, slots=True)
class SmokeFacts:
    """What is known for a smoke test. `payload` is the digest of the request's body, empty while there is none, and then `missing` says
    what is not there; `stand` is the endpoint that exists only for the test; `calls` by variant.
    """

    payload: str = ""
    missing: str = ""
    stand: EndpointFact | None = None
    calls: Mapping[str, Call] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tracking:
    """Target tracking on the requests a minute and instance; cooldowns in seconds."""

    target: float
    scale_in_cooldown: int
    scale_out_cooldown: int


@dataclass(frozen=True, slots=True)
class Scalable:
    """A variant that Application Auto Scaling knows; `policy` is the one with our name, None unless it tracks what ours do."""

    minimum: int
    maximum: int
    policy: Tracking | None = None


@dataclass(frozen=True, slots=True)
class LiveAlarm:
    """A CloudWatch alarm. `settings` are the members of PutMetricAlarm that we set, as AWS reports them; empty for other kinds of alarm."""

    state: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Owned:
    """Endpoint configs and models at AWS that are ours by tag, whatever status remembers."""

    configs: tuple[str, ...] = ()
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """The model that batch jobs ask. `digest` is the identity of its content, `aws_name` of the SageMaker model."""

    label: str
    aws_name: str
    digest: str


@dataclass(frozen=True, slots=True)
class Due:
    """Something that starts a job has happened. A failed job of before `retries` is tried again; None: failed stays failed."""

    trigger: str
    retries: datetime | None = None
    moment: datetime | None = None
    missed: str | None = None


@dataclass(frozen=True, slots=True)
class BatchJob:
    """One job under the name that it has, or would have, at AWS."""

    name: str
    attempt: int
    asked: Asked
    input_digest: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """AWS did not take a job: its code and words, and until when it is not asked again."""

    code: str
    message: str
    until: datetime


@dataclass(frozen=True, slots=True)
class BatchFact:
    """`running` is the fact of the job that status calls unfinished. `due` says why another one is to run, `job` which, `found` how
    AWS reports that one. `other` is a job of ours that runs and status does not know; `problem` why the input cannot be read.
    """

    running: JobFact | None = None
    due: Due | None = None
    job: BatchJob | None = None
    found: JobFact | None = None
    other: str = ""
    problem: str = ""
    refusal: Refusal | None = None
    findings: tuple[Finding, ...] = ()


class Sent(StrEnum):
    """Whether AWS has taken the update that status announces, as far as more than status is known. Silent: CloudTrail has no word of it
    yet; Closed: CloudTrail may not be asked.
    """

    UNKNOWN = "Unknown"
    YES = "Yes"
    NO = "No"
    SILENT = "Silent"
    CLOSED = "Closed"


@dataclass(frozen=True, slots=True)
class ModelEndpointFacts:
    """Everything one pass saw. Later fields stay empty while an earlier one already decides."""

    binding: Binding
    models: Mapping[str, ModelFact] = field(default_factory=dict)
    endpoint: EndpointFact | None = None
    request_findings: tuple[Finding, ...] = ()
    attached: tuple[AwsRequest, ...] = ()
    """What undoes what hangs on the endpoint, looked at only when it is about to be deleted."""
    quiet: Quiet | None = None
    alias: Alias | None = None
    """The live config, when it was made by somebody else and has the wanted content."""
    tags: Mapping[str, Mapping[str, str]] | None = None
    """Tags by ARN of endpoint, live config and its models, in this order; None: not looked at."""
    smoke: SmokeFacts = SmokeFacts()
    sent: Sent = Sent.UNKNOWN
    """No: AWS, or we, refused an action of the last pass, so what came after it has certainly not been asked for."""
    scaling: Mapping[str, Scalable] | None = None
    """By variant; None: not looked at, because neither spec nor status speaks of any."""
    live_instance_types: Mapping[str, str] = field(default_factory=dict)
    """By variant of the config that serves; empty unless another is wanted and a variant is scaled."""
    alarms: Mapping[str, LiveAlarm] | None = None
    """By name, the user's and ours; None: not looked at."""
    strays: Owned = Owned()
    """What status does not name; looked for when a config comes into service."""
    batch: BatchFact | None = None
    spend: Spend | None = None
    """Of the Tenant's month; None: it has no budget, or nothing is to be created or enlarged."""
