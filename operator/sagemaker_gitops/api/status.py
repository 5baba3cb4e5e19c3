"""The status of each kind: bounded and structural, so that the API server prunes nothing that the operator writes.

Bounds are per field; `fitted` keeps the whole under SIZE_LIMIT, oldest history first (failure-modes.md G3). Times are RFC 3339.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, StrictInt

from sagemaker_gitops.api.base import Entries, Items, Model, Prose
from sagemaker_gitops.api.free_form import FreeForm

SIZE_LIMIT = 64 * 1024  # bytes of status as JSON
MESSAGE_LIMIT = 1000
LOG_LINES = 20
LOG_LINE_LIMIT = 300
HISTORY_LIMIT = 20
LEFTOVER_LIMIT = 20
RECORD_LIMIT = 20  # notifications

Message = Annotated[str, Prose(MESSAGE_LIMIT)]
Word = Annotated[str, Prose(64)]
AwsName = Annotated[str, Prose(255)]
Arn = Annotated[str, Prose(512)]
Uri = Annotated[str, Prose(1024)]
Url = Annotated[str, Prose(512)]
Time = Annotated[str, Prose(32)]
Digest = Annotated[str, Prose(128)]
Cell = Annotated[str, Prose(255)]
Column = Annotated[str, Prose(128)]
ANY_KEY = r"[ -~]{1,255}"
StepData = Annotated[dict[str, Uri], Entries(20, ANY_KEY, "keys are names of data", 63, code_only=True)]
RunFacts = Annotated[dict[str, Digest], Entries(40, ANY_KEY, "keys are names", 255, code_only=True)]
Whole = Annotated[StrictInt, Field(ge=0)]


class Condition(Model):
    """One statement about the object, as Kubernetes tools read it."""

    type: Word
    """What it is about: Ready, Reconciling, Stalled or a kind's own. Example: Ready."""
    status: Literal["True", "False", "Unknown"]
    """Whether it is so. Example: "True"."""
    reason: Annotated[str, Prose(128)]
    """Why, in one CamelCase word. Example: TrainingFailed."""
    message: Message | None = None
    """Why, in a sentence. Example: train failed with exit code 1."""
    observed_generation: Whole | None = None
    """metadata.generation that this was said about. Example: 3."""
    last_transition_time: Time
    """When status last changed. Example: "2026-11-21T10:00:00Z"."""


class Step(Model):
    """One step of the run."""

    name: Word
    """Name of the step: prepare, train, evaluate, evaluate-champion, gate or register. Example: train."""
    type: Word
    """What carries it out. Example: TrainingJob."""
    state: Word
    """Pending, InProgress, Succeeded, Failed, Stopped, or Skipped when there is nothing to do. Example: InProgress."""
    attempt: Whole | None = None
    """Number of the attempt, from 1. Example: 1."""
    aws_name: AwsName | None = None
    """Name of the job in AWS; it is made of the step's content, so equal content is never run twice. Example:
    team-a-digits-train-k5tq3vwx2a.
    """
    run_id: AwsName | None = None
    """Id of the run, where AWS gives one. Example: jr_0123456789abcdef."""
    arn: Arn | None = None
    """ARN of the job or model package. Example: arn:aws:sagemaker:eu-central-1:123456789012:training-job/team-a-digits-train-k5tq3vwx2a."""
    attempted_at: Time | None = None
    """When the intent to create it was recorded, before AWS was called. Example: "2026-11-21T10:00:00Z"."""
    started_at: Time | None = None
    """When it started. Example: "2026-11-21T10:00:00Z"."""
    finished_at: Time | None = None
    """When it ended. Example: "2026-11-21T10:05:00Z"."""
    inputs: StepData | None = None
    """What it read: name and place. Example: {train: "s3://team-a-ml/artifacts/team-a/digits/prepare/k5tq3vwx2a/train/"}."""
    outputs: StepData | None = None
    """What it made: name and place, or a fact about it. Example: {model: "s3://team-a-ml/artifacts/team-a/digits/train/.../model.tar.gz"}.
    """
    metrics: Annotated[dict[str, Word], Entries(40, ANY_KEY, "keys are metric names", 255, code_only=True)] | None = None
    """Numbers that it reported. Example: {"validation:accuracy": "0.972"}."""
    failure_class: Word | None = None
    """Kind of failure, which decides whether it is tried again. Example: CapacityError."""
    message: Message | None = None
    """What there is to know. Example: "AlgorithmError: ExitCode 1"."""
    console_url: Url | None = None
    """Page of the job in the AWS console. Example: https://eu-central-1.console.aws.amazon.com/sagemaker/home#/jobs/..."""


class ResolvedInput(Model):
    """An input as it was when the run started."""

    name: Word
    """Name in spec.inputs. Example: raw."""
    uri: Uri
    """Where it is. Example: s3://team-a-ml/raw/digits/."""
    digest: Digest | None = None
    """Identity of the content: a digest over the object versions. Example: 9f86d081884c7d65."""
    objects: Whole | None = None
    """Number of objects. Example: 3."""
    size_in_bytes: Whole | None = None
    """Size of all objects in bytes. Example: 104857."""


class RetrainWindow(Model):
    """The window whose check was the last straw."""

    start: Time
    """From then on. Example: "2026-11-21T09:00:00Z"."""
    end: Time
    """Until before then. Example: "2026-11-21T10:00:00Z"."""


class RetrainRequest(Model):
    """What a MonitorPolicy asked for, and why."""

    episode: Word
    """Names the request: it is part of the training job's name. Example: k5tq3vwx2a.1."""
    requested_at: Time
    """When it was asked for. Example: "2026-11-21T10:31:00Z"."""
    policy: Cell | None = None
    """The MonitorPolicy. Example: team-a/fees."""
    metric: Cell | None = None
    """Check and number. Example: loss/mean_weighted_quantile_loss."""
    value: Word | None = None
    """What it was. Example: "0.31"."""
    threshold: Word | None = None
    """What it may be. Example: "0.24"."""
    model_key: Digest | None = None
    """Identity of the model that served. Example: k5tq3vwx2a."""
    window: RetrainWindow | None = None
    """Window of the check. Example: {start: "2026-11-21T09:00:00Z", end: "2026-11-21T10:00:00Z"}."""


class Provenance(Model):
    """Where the run came from: enough to make it again."""

    repository: Url | None = None
    """Git repository of the manifests or code. Example: https://git.example.com/team-a/ml.git."""
    revision: Digest | None = None
    """Git commit. Example: 4f2c9e1d."""
    source_digest: Digest | None = None
    """SHA-256 over the files of the source. Example: 9f86d081884c7d65."""
    inputs: Annotated[tuple[ResolvedInput, ...], Items(20, kind="map")] | None = None
    """Inputs as they were at the start. Example: [{name: raw, uri: s3://team-a-ml/raw/digits/, digest: 9f86d081884c7d65}]."""
    image: Annotated[str, Prose(512)] | None = None
    """Training image. Example: 123456789012.dkr.ecr.eu-central-1.amazonaws.com/digits:1.0."""
    image_digest: Digest | None = None
    """Digest of the training image, when AWS tells it. Example: sha256:9f86d081..."""
    trigger: Cell | None = None
    """Why it ran: spec, rerun and its nonce, or retrain and for which policy. Example: spec."""
    retrain: RetrainRequest | None = None
    """Present when a MonitorPolicy asked for the run. Example: {episode: k5tq3vwx2a.1, policy: team-a/fees, value: "0.31"}."""
    installation: Digest | None = None
    """Installation of the operator. Example: prod."""
    tenant: Cell | None = None
    """Tenant under which it ran. Example: team-a."""


class Failure(Model):
    """Why the run failed."""

    step: Word | None = None
    """Step that failed. Example: train."""
    reason: Digest
    """Why, in one CamelCase word. Example: AlgorithmError."""
    message: Message | None = None
    """AWS's FailureReason, or ours. Example: "AlgorithmError: ExecuteUserScriptError: ExitCode 1"."""
    exit_code: StrictInt | None = None
    """Exit code of the script. Example: 1."""
    log_tail: Annotated[tuple[Annotated[str, Prose(LOG_LINE_LIMIT)], ...], Items(LOG_LINES)] | None = None
    """Last lines of the log. Example: ["ValueError: could not convert string to float"]."""


class PastRun(Model):
    """A run that is over."""

    spec_hash: Word
    """Identity of what was asked for. Example: k5tq3vwx2a."""
    run_key: Word | None = None
    """Content key of the run. Example: k5tq3vwx2a."""
    phase: Word
    """How it ended. Example: Succeeded."""
    started_at: Time | None = None
    """When it started. Example: "2026-11-21T10:00:00Z"."""
    finished_at: Time | None = None
    """When it ended. Example: "2026-11-21T10:12:00Z"."""
    metric: Column | None = None
    """Its main metric. Example: accuracy=0.972."""
    champion: Column | None = None
    """What the champion had. Example: "0.965"."""
    champion_model: Cell | None = None
    """The champion that it was compared with. Example: digits/7."""
    gate: Word | None = None
    """What the gates said. Example: Passed."""
    model: Cell | None = None
    """Model package. Example: digits/8."""
    revision: Digest | None = None
    """Git revision. Example: 4f2c9e1."""
    trigger: Cell | None = None
    """Why it ran. Example: spec."""
    parameters: RunFacts | None = None
    """Parameters and hyperparameters it ran with. Example: {n_estimators: "200"}."""
    metrics: RunFacts | None = None
    """Numbers that its steps reported. Example: {"validation:accuracy": "0.972"}."""
    inputs: RunFacts | None = None
    """Input name and digest of the object versions it read. Example: {raw: 9f86d081...}."""


class Leftover(Model):
    """A job of an earlier run that may still be running."""

    aws_name: AwsName
    """Name of the job in AWS. Example: team-a-digits-train-k5tq3vwx2a."""
    type: Word
    """What it is. Example: TrainingJob."""
    state: Word | None = None
    """InProgress while it may run. Example: InProgress."""
    run_id: AwsName | None = None
    """Id of the run, where AWS gives one. Example: jr_0123456789abcdef."""
    attempted_at: Time | None = None
    """When the intent to create it was recorded. Example: "2026-11-21T10:00:00Z"."""


class Queue(Model):
    """Why and where the run waits."""

    position: Whole
    """Place in the Tenant's queue, from 1. Example: 2."""


class Deletion(Model):
    """How far a deletion has come."""

    absent_since: Time | None = None
    """When a look at AWS first found nothing running; a second one must agree. Example: "2026-11-21T10:00:30Z"."""


class Status(Model):
    """What every kind reports."""

    observed_generation: Whole | None = None
    """metadata.generation that this status is about. Example: 3."""
    phase: Word | None = None
    """Where it stands, in one word, for people. Example: Succeeded."""
    conditions: Annotated[tuple[Condition, ...], Items(16, kind="map", key="type")] | None = None
    """Statements for tools: Ready, Reconciling, Stalled and others. Example: [{type: Ready, status: "True", reason: Succeeded}]."""
    effective: Annotated[dict[str, object], FreeForm()] | None = None
    """What was decided on your behalf: the spec with every default filled in. Example: {train: {maxRuntime: 1h}}."""


class Notification(Model):
    """One message to one topic: intended, sent, or why not."""

    id: Word
    """Stands for object, transition and topic; the message names it, too. Example: k5tq3vwx2a."""
    transition: Word
    """What is told. Example: Failed."""
    topic_arn: AwsName
    """To whom. Example: arn:aws:sns:eu-central-1:123456789012:team-a-alerts."""
    state: Word
    """Pending, Sending, Sent, Failed, or Unconfirmed when nobody can know whether AWS took it: it is not sent again. Example: Sent."""
    at: Time
    """When the transition was seen. Example: "2026-11-21T10:05:00Z"."""
    attempts: Whole | None = None
    """How often AWS was asked. Example: 1."""
    attempted_at: Time | None = None
    """When the intent to send it was recorded last, before AWS was called. Example: "2026-11-21T10:05:00Z"."""
    next_attempt_at: Time | None = None
    """Not before then AWS is asked again. Example: "2026-11-21T10:10:00Z"."""
    message_id: Word | None = None
    """SNS's own id of the message. Example: 4b9d3f0e-4c5a-5a1b-9d0e-0f1a2b3c4d5e."""
    error: Message | None = None
    """Why it has not been sent. Example: "AuthorizationError: not authorized to perform SNS:Publish"."""
    reason: Digest | None = None
    """Reason that the message gives; gone once it is sent. Example: AlgorithmError."""
    message: Message | None = None
    """What the message says; gone once it is sent. Example: "train: AlgorithmError: ExitCode 1"."""
    revision: Digest | None = None
    """Git revision that the message names; gone once it is sent. Example: 4f2c9e1."""
    console_url: Url | None = None
    """Page that the message links to; gone once it is sent. Example: https://eu-central-1.console.aws.amazon.com/sagemaker/home#/jobs/..."""


class NotifyingStatus(Status):
    """What every kind that notifies reports."""

    notifications: Annotated[tuple[Notification, ...], Items(RECORD_LIMIT, kind="map", key="id")] | None = None
    """The last notifications, newest first: what is in here is never sent twice. Example: [{id: k5tq3vwx2a, transition: Failed, state:
    Sent}].
    """


class TrainingRunStatus(NotifyingStatus):
    """What is, why, and where it came from. Written by the operator only."""

    step: Word | None = None
    """Step that runs, or ran last. Example: train."""
    spec_hash: Word | None = None
    """Identity of what is asked for: equal hash, nothing new to run. Example: k5tq3vwx2a."""
    run_key: Word | None = None
    """Content key of the finished run. Example: k5tq3vwx2a."""
    metric: Column | None = None
    """Main metric. Example: accuracy=0.972."""
    champion: Column | None = None
    """The same metric of the champion, when the gates were judged. Example: "0.965"."""
    champion_model: Cell | None = None
    """The champion that the gates compared with: package version or image. Example: digits/7."""
    gate: Word | None = None
    """What the gates said: Passed or Rejected. Example: Passed."""
    model: Cell | None = None
    """Registered model package, as group/version. Example: digits/8."""
    revision: Digest | None = None
    """Git revision, shortened. Example: 4f2c9e1."""
    started_at: Time | None = None
    """When the run started. Example: "2026-11-21T10:00:00Z"."""
    finished_at: Time | None = None
    """When the run ended. Example: "2026-11-21T10:12:00Z"."""
    last_handled_rerun: Cell | None = None
    """Value of the rerun annotation that was acted upon last. Example: "2026-11-21"."""
    retrain: RetrainRequest | None = None
    """The last retrain that was heeded, of those that MonitorPolicies ask for. Example: {episode: k5tq3vwx2a.1, policy: team-a/fees}."""
    queue: Queue | None = None
    """Present while the run waits for others of its Tenant. Example: {position: 2}."""
    steps: Annotated[tuple[Step, ...], Items(8, kind="map")] | None = None
    """The steps in order. Example: [{name: train, type: TrainingJob, state: InProgress}]."""
    failure: Failure | None = None
    """Present when the run failed. Example: {step: train, reason: AlgorithmError}."""
    history: Annotated[tuple[PastRun, ...], Items(HISTORY_LIMIT)] | None = None
    """Past runs, newest first; spec.historyLimit bounds it. Example: [{specHash: k5tq3vwx2a, phase: Succeeded}]."""
    leftovers: Annotated[tuple[Leftover, ...], Items(LEFTOVER_LIMIT)] | None = None
    """Jobs of earlier runs that are being stopped. Example: [{awsName: team-a-digits-train-k5tq3vwx2a, type: TrainingJob}]."""
    provenance: Provenance | None = None
    """Where the run came from. Example: {revision: 4f2c9e1d, trigger: spec}."""
    deletion: Deletion | None = None
    """Present while the object is being deleted. Example: {absentSince: "2026-11-21T10:00:30Z"}."""


def fitted(status: Mapping[str, Any], limit: int = SIZE_LIMIT) -> dict[str, Any]:
    """`status` in at most `limit` bytes of JSON, by leaving out what can be missed: the oldest runs of history, then what only
    explains. Names, states, outputs and conditions always stay, because later passes and tools read them.
    """
    made = dict(status)
    over = _size(made) - limit
    history = list(made.get("history") or ())
    while over > 0 and history:
        over -= _size(history.pop()) + 2
        made["history"] = history
    for field, parts in (("steps", ("metrics", "inputs", "consoleUrl")), ("provenance", ("inputs",)), ("failure", ("logTail",))):
        if _size(made) > limit and made.get(field):
            made[field] = _without(made[field], parts)
    if _size(made) > limit:
        made.pop("effective", None)
    return made


def _size(value: Any) -> int:
    return len(json.dumps(value))


def _without(value: Any, parts: tuple[str, ...]) -> Any:
    if isinstance(value, Mapping):
        return {key: item for key, item in value.items() if key not in parts}
    return [_without(item, parts) for item in value]
