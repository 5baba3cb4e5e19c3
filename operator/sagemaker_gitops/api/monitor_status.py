"""The status of a MonitorPolicy: what is watched, the check that runs or ran last, and what the last ones found."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from sagemaker_gitops.api.base import Items, Model
from sagemaker_gitops.api.monitor_policy import ALARM_LIMIT, CHECK_LIMIT
from sagemaker_gitops.api.status import (
    Arn,
    AwsName,
    Cell,
    Column,
    Deletion,
    Digest,
    Failure,
    Message,
    NotifyingStatus,
    RetrainRequest,
    Time,
    Uri,
    Url,
    Whole,
    Word,
)

CHECKS_LIMIT = 20
POINT_LIMIT = 32
METRIC_LIMIT = 30
VIOLATION_LIMIT = 20


class CheckedWindow(Model):
    """Which records a check looks at."""

    start: Time
    """From then on. Example: "2026-11-21T09:00:00Z"."""
    end: Time
    """Until before then. Example: "2026-11-21T10:00:00Z"."""


class CheckedData(Model):
    """What there was to look at."""

    state: Word
    """Available, NoData, LateData or LowMatch. Example: Available."""
    captured: Whole | None = None
    """Records of the window. Example: 1200."""
    matched: Whole | None = None
    """Records whose truth is known. Example: 1180."""
    match_rate: Word | None = None
    """The same as a share. Example: "0.98"."""
    unreadable: Whole | None = None
    """Lines that could not be read. Example: 2."""
    message: Message | None = None
    """Why it is not Available. Example: 3 of 1200 records have a truth, 20 are needed."""


class CheckedMetric(Model):
    """A number that a check found."""

    check: Word
    """Name of the check. Example: loss."""
    name: Digest
    """Name of the number. Example: mean_weighted_quantile_loss."""
    value: Word | None = None
    """The number; absent where there was not enough data. Example: "0.31"."""
    sample_size: Whole | None = None
    """Records that it was computed from. Example: 1180."""
    message: Message | None = None
    """Why there is no value. Example: 3 records, 30 are needed."""


class Violation(Model):
    """A constraint of the baseline that does not hold."""

    check: Word
    """Name of the check. Example: inputs."""
    feature: Digest | None = None
    """Column. Example: amount."""
    constraint: Digest | None = None
    """Kind of constraint, in the words of SageMaker Model Monitor. Example: baseline_drift_check."""
    description: Message | None = None
    """What was found. Example: PSI is 0.31, the threshold is 0.2."""


class CheckRun(Model):
    """One check of one window."""

    moment: Time
    """When it was due. Example: "2026-11-21T10:30:00Z"."""
    window: CheckedWindow
    """What it looks at. Example: {start: "2026-11-21T09:00:00Z", end: "2026-11-21T10:00:00Z"}."""
    state: Word
    """InProgress, Succeeded, Failed, Stopped, Refused while AWS does not take it, or NoData: nothing was captured, so no job ran. Example:
    Succeeded.
    """
    trigger: Cell | None = None
    """Why it ran: schedule and the moment, after and the completion, or check-now and its nonce. Example: schedule 2026-11-21T10:30:00Z."""
    model: Cell | None = None
    """Model that served: package version or image. Example: fees/7."""
    model_key: Digest | None = None
    """Identity of that model. Example: k5tq3vwx2a."""
    endpoint: AwsName | None = None
    """Endpoint whose data was looked at; of target.batchOf the ModelEndpoint. Example: team-a-fees-4k2mzq."""
    variant: Word | None = None
    """Its variant. Example: blue."""
    transform_job: AwsName | None = None
    """Transform job whose output was looked at, of target.batchOf. Example: team-a-fees-batch-k5tq3vwx2a."""
    job_name: AwsName | None = None
    """Name of the processing job; it is made of window, model and settings, so the same is never checked twice. Example:
    team-a-fees-check-k5tq3vwx2a.
    """
    attribution_jobs: Annotated[tuple[AwsName, ...], Items(CHECK_LIMIT)] | None = None
    """Jobs that it waits for: each runs the image of an Explainability check. Example: [team-a-fees-attribution-m2tq3vwx2a]."""
    arn: Arn | None = None
    """ARN of the job. Example: arn:aws:sagemaker:eu-central-1:123456789012:processing-job/team-a-fees-check-k5tq3vwx2a."""
    console_url: Url | None = None
    """Page of the job in the AWS console. Example: https://eu-central-1.console.aws.amazon.com/sagemaker/home#/processing-jobs/..."""
    output: Uri | None = None
    """Folder of its report, statistics and violations. Example: s3://team-a-ml/artifacts/team-a/fees/monitoring/k5tq3vwx2a/."""
    attempted_at: Time | None = None
    """When the intent to create it was recorded, before AWS was called. Example: "2026-11-21T10:30:00Z"."""
    started_at: Time | None = None
    """When it started. Example: "2026-11-21T10:30:01Z"."""
    finished_at: Time | None = None
    """When it ended. Example: "2026-11-21T10:32:00Z"."""
    data: CheckedData | None = None
    """What there was to look at. Example: {state: Available, captured: 1200, matched: 1180}."""
    metrics: Annotated[tuple[CheckedMetric, ...], Items(METRIC_LIMIT)] | None = None
    """Numbers that it found. Example: [{check: loss, name: mean_weighted_quantile_loss, value: "0.31", sampleSize: 1180}]."""
    violations_total: Whole | None = None
    """How many constraints do not hold; the whole list is in the folder of the results. Example: 2."""
    message: Message | None = None
    """What there is to know: why it found nothing, which moments of the schedule it makes up for. Example: moments of the schedule were
    missed, from 2026-11-21T08:30:00Z on; only the newest, 2026-11-21T10:30:00Z, is made up for.
    """


class Datapoint(Model):
    """A check as an alarm sees it."""

    moment: Time
    """When it was due. Example: "2026-11-21T10:30:00Z"."""
    value: Word | None = None
    """Its number; absent where it had none. Example: "0.31"."""


class AlarmState(Model):
    """One alarm: its state, what it compares with, and the numbers that it looks at."""

    name: Word
    """Name of the alarm. Example: loss-too-high."""
    state: Word
    """OK, ALARM or INSUFFICIENT_DATA. Example: ALARM."""
    threshold: Word
    """Where the threshold is now. Example: "0.24"."""
    initial: Word | None = None
    """Where the spec let it begin. Example: "0.3"."""
    model_key: Digest | None = None
    """The model that the numbers are about. Example: k5tq3vwx2a."""
    settled_for: Digest | None = None
    """The model at whose first good check the threshold was settled. Example: k5tq3vwx2a."""
    bad: Whole | None = None
    """How many of the numbers are bad. Example: 3."""
    points: Annotated[tuple[Datapoint, ...], Items(POINT_LIMIT)] | None = None
    """The numbers, newest first. Example: [{moment: "2026-11-21T10:30:00Z", value: "0.31"}]."""


class Episode(Model):
    """A breach from its alarm to the first good check of a newer model, and what was done about it."""

    id: Word
    """Names the breach. Example: k5tq3vwx2a."""
    alarm: Word
    """The alarm that went off. Example: loss-too-high."""
    opened_at: Time
    """When. Example: "2026-11-21T10:31:00Z"."""
    model: Cell | None = None
    """Model that served then. Example: fees/7."""
    model_key: Digest | None = None
    """Identity of that model. Example: k5tq3vwx2a."""
    state: Word | None = None
    """Open, Waiting for what message says, Requested, or Stalled when a person has to look. Example: Requested."""
    requests: Annotated[tuple[Time, ...], Items(100)] | None = None
    """When retrains were asked for. Example: ["2026-11-21T10:31:00Z"]."""
    message: Message | None = None
    """What is waited for. Example: a retrain runs."""


class Request(RetrainRequest):
    """The retrain that was asked for last; the TrainingRun reads it here."""

    training_run: Cell
    """TrainingRun that is asked. Example: fees."""


class MonitorPolicyStatus(NotifyingStatus):
    """What is watched and how it is. Written by the operator only."""

    target: Column | None = None
    """ModelEndpoint and variant, for kubectl get. Example: fees/blue."""
    model: Cell | None = None
    """Model that serves: package version or image. Example: fees/7."""
    model_key: Digest | None = None
    """Identity of that model. Example: k5tq3vwx2a."""
    model_since: Time | None = None
    """When another model was seen to take the place of the one before: nothing older is checked as its own. Example:
    "2026-11-21T10:12:00Z".
    """
    baseline: Uri | None = None
    """The baseline that the model's checks are compared with, where baseline.trainingRunRef finds it. Example:
    s3://team-a-ml/artifacts/team-a/fees/evaluate/k5tq3vwx2a/baseline.json.
    """
    metric: Column | None = None
    """What the last check found, for kubectl get. Example: loss=0.31."""
    schedule: Cell | None = None
    """The schedule that lastScheduled is about. Example: 30 * * * * Europe/Zurich."""
    last_scheduled: Time | None = None
    """The moment of the schedule that was heeded last; before the first one, when the schedule was first seen. Example:
    "2026-11-21T10:30:00Z".
    """
    last_after: Cell | None = None
    """The completion that was heeded last. Example: TrainingRun/fees/k5tq3vwx2a."""
    next_check: Time | None = None
    """When the schedule comes next. Example: "2026-11-21T11:30:00Z"."""
    last_handled_check_now: Cell | None = None
    """Value of the check-now annotation that was heeded last. Example: "2026-11-21"."""
    monitoring_schedule: AwsName | None = None
    """Schedule of SageMaker Model Monitor that this policy has, or is about to have. Example: team-a-fees-monitor-k5tq3vwx2a."""
    job_definition: AwsName | None = None
    """Its job definition; named while it is the only one that this policy has. Example: team-a-fees-monitor-m2ab7qz4dc."""
    running: CheckRun | None = None
    """The check that is under way. Example: {moment: "2026-11-21T10:30:00Z", state: InProgress}."""
    last_check: CheckRun | None = None
    """The check that ended last. Example: {moment: "2026-11-21T10:30:00Z", state: Succeeded}."""
    violations: Annotated[tuple[Violation, ...], Items(VIOLATION_LIMIT)] | None = None
    """The first constraints that did not hold in the last check. Example: [{check: inputs, feature: amount}]."""
    checks_: Annotated[Annotated[tuple[CheckRun, ...], Items(CHECKS_LIMIT)] | None, Field(alias="checks")] = None
    """Checks that are over, newest first; spec.historyLimit bounds it. Example: [{moment: "2026-11-21T10:30:00Z", state: Succeeded}]."""
    alarms: Annotated[tuple[AlarmState, ...], Items(ALARM_LIMIT, kind="map")] | None = None
    """The alarms. Example: [{name: loss-too-high, state: OK, threshold: "0.24"}]."""
    cloud_watch_alarms: Digest | None = None
    """Identity of the alarms that CloudWatch was last told, Changing while it is told others. Example: k5tq3vwx2a."""
    dashboard: Digest | None = None
    """Identity of the dashboard that CloudWatch was last told, Changing while it is told another. Example: k5tq3vwx2a."""
    episode: Episode | None = None
    """Present from a breach until the first good check of a newer model. Example: {id: k5tq3vwx2a, alarm: loss-too-high}."""
    last_episode: Word | None = None
    """The breach that ended last. Example: k5tq3vwx2a."""
    retrain: Request | None = None
    """The retrain that was asked for last. Example: {trainingRun: fees, episode: k5tq3vwx2a.1, value: "0.31", threshold: "0.24"}."""
    threshold: Column | None = None
    """Threshold of the first alarm, for kubectl get. Example: "0.24"."""
    breaches: Column | None = None
    """Bad numbers of the first alarm, and how many make it go off, for kubectl get. Example: 3/3."""
    retrains: Column | None = None
    """Retrains within 24 hours, and how many there may be, for kubectl get. Example: 1/3."""
    failure: Failure | None = None
    """Present when the last check failed. Example: {reason: AlgorithmError}."""
    deletion: Deletion | None = None
    """Present while the object is being deleted. Example: {absentSince: "2026-11-21T10:00:30Z"}."""
