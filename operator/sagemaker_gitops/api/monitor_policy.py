"""The MonitorPolicy: what of a served model is checked, when, against what. What it asks of the job is in docs/decisions/0011.

No field has a schema default: what is left out is decided in code from the constants here and the Tenant, and is shown in
status.effective.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, StrictInt

from sagemaker_gitops.api.base import Items, Model, Problem, Rule, Text, exactly_one
from sagemaker_gitops.api.fields import (
    DAY,
    FilePath,
    Flag,
    MetricName,
    Name,
    Number,
    S3Prefix,
    S3Uri,
    duration_type,
)
from sagemaker_gitops.api.monitor_check import Check
from sagemaker_gitops.api.monitor_engine import ENGINE_RULES, MODEL_MONITOR
from sagemaker_gitops.api.monitor_overrides import PolicyOverrides, owned_members
from sagemaker_gitops.api.monitor_schedule import CheckSchedule, TrainingRunRef
from sagemaker_gitops.api.monitor_target import Target
from sagemaker_gitops.api.notify import NOTIFY_LIMIT, PolicyNotify
from sagemaker_gitops.api.steps import Resources
from sagemaker_gitops.api.training_run import DeletionPolicy, Source

DEFAULT_MIN_SAMPLE_SIZE = 30
DEFAULT_CHECK_RUNTIME = 3600  # seconds
DEFAULT_POLICY_HISTORY = 10
CHECK_LIMIT = 10
ALARM_LIMIT = 10
DEFAULT_COOLDOWN = 3600  # seconds
DEFAULT_MAX_PER_DAY = 3
DEFAULT_MAX_WITHOUT_IMPROVEMENT = 3

Window = Annotated[int, duration_type(60, 31 * DAY)]
Cooldown = Annotated[int, duration_type(0, 31 * DAY)]
MaxDelay = Annotated[int, duration_type(0, 31 * DAY)]


class Baseline(Model):
    """What the data looked like when the model was trained."""

    rules = (
        exactly_one("trainingRunRef", "s3Uri"),
        Rule(
            "!has(self.refreshOnNewModel) || has(self.trainingRunRef)",
            "belongs to trainingRunRef: what s3Uri names stays what it is, leave it out",
            lambda baseline: baseline.refresh_on_new_model is None or baseline.training_run_ref is not None,
            ".refreshOnNewModel",
        ),
    )

    training_run_ref: TrainingRunRef | None = None
    """TrainingRun that registered the model: the baseline.json that its evaluate step wrote for the version that serves. Example: {name:
    fees}.
    """
    refresh_on_new_model: Flag | None = None
    """true: each version is compared with the baseline of its own evaluate step. false: every version with the one that was used last, at
    first that of the version that serves; status.baseline says which. Example: false. Left out: true.
    """
    s3_uri: S3Uri | None = None
    """A baseline.json, or a folder with statistics.json and constraints.json of SageMaker Model Monitor. Example:
    s3://team-a-ml/baselines/fees/.
    """


class GroundTruth(Model):
    """What really happened, to be joined with what was predicted."""

    s3_uri: S3Prefix
    """Folder of the JSON lines. Example: s3://team-a-ml/actuals/fees/."""
    id_field: Annotated[str, Text(r"[A-Za-z_][A-Za-z0-9_.-]*", "must be the name of a field, such as eventId", 128)]
    """Field of a line that names the request it belongs to. Example: eventId."""
    max_delay: MaxDelay | None = None
    """How long after a request its truth may come: a window is checked that long after its end. Example: 2h. Left out: 0s."""
    min_matched: Annotated[StrictInt, Field(ge=1, le=1_000_000)] | None = None
    """Fewest joined records that say anything. Example: 20. Left out: minSampleSize."""


class PrepareCheck(Model):
    """A script that reshapes the records before they are checked, in the same job."""

    entry_point: FilePath
    """Script inside the source. Example: collect_window.py."""


class Ratchet(Model):
    """How a threshold follows a model that is better."""

    rate: Annotated[float, Number(0.0)]
    """How far the threshold stays behind: it becomes value + rate * (threshold - value); 0: the value itself. Example: 0.5.
    """
    only_if_better: Flag | None = None
    """false: it also follows a model that is worse. Example: true. Left out: true."""


class Threshold(Model):
    """The bound of a number."""

    initial: Annotated[float, Number()]
    """Where it begins; an edit begins anew. Example: 0.24."""
    ratchet: Ratchet | None = None
    """Move it at the first good check of each newer model. Example: {rate: 0.5, onlyIfBetter: true}. Left out: it stays."""


class Alarm(Model):
    """When a number is bad for long enough: datapointsToAlarm of the last evaluationPeriods checks of the model that serves."""

    rules = (
        Rule(
            "!has(self.datapointsToAlarm) || self.datapointsToAlarm <= (has(self.evaluationPeriods) ? self.evaluationPeriods : 1)",
            "must be at most evaluationPeriods",
            lambda alarm: (alarm.datapoints_to_alarm or 1) <= (alarm.evaluation_periods or 1),
            ".datapointsToAlarm",
        ),
    )

    name: Name
    """Name of the alarm. Example: loss-too-high."""
    check: Name
    """Check whose number is compared. Example: loss."""
    metric: MetricName | None = None
    """Which number of the check. Example: rmse. Left out: the one that the check is about."""
    operator: Literal[">=", ">", "<=", "<"]
    """How the number is compared with the threshold, in quotes: it is bad when this holds. Example: ">"."""
    threshold: Threshold
    """The bound. Example: {initial: 0.24, ratchet: {rate: 0.5, onlyIfBetter: true}}."""
    evaluation_periods: Annotated[StrictInt, Field(ge=1, le=30)] | None = None
    """How many checks are looked at. Example: 3. Left out: 1."""
    datapoints_to_alarm: Annotated[StrictInt, Field(ge=1, le=30)] | None = None
    """How many of them must be bad. Example: 3. Left out: all."""
    treat_missing_data: Literal["breaching", "notBreaching", "ignore", "missing"] | None = None
    """What a check without a number counts as, in CloudWatch's words. Example: notBreaching. Left out: missing."""
    create_cloud_watch_alarm: Flag | None = None
    """true: CloudWatch has the same alarm, for others to use. Example: true. Left out: false."""


class Retraining(Model):
    """Train again when an alarm goes off: one run for each breach, and the limits of that."""

    training_run_ref: TrainingRunRef
    """TrainingRun that makes a better model. Example: {name: fees}."""
    cooldown: Cooldown | None = None
    """Least time between two of its runs that this policy asks for. Example: 6h. Left out: 1h."""
    max_per_day: Annotated[StrictInt, Field(ge=1, le=100)] | None = None
    """Most runs that this policy asks for within 24 hours. Example: 3. Left out: 3; the Tenant's limits.maxRetrainsPerDay holds, too."""
    require_new_data: Flag | None = None
    """true: nothing is trained until the inputs of the TrainingRun hold something new. Example: true. Left out: false."""
    max_without_improvement: Annotated[StrictInt, Field(ge=1, le=100)] | None = None
    """After so many runs for one breach without a good check the policy stalls: a person has to look. Example: 3. Left out: 3."""


class OnBreach(Model):
    """What happens when an alarm goes off."""

    retrain: Retraining
    """Train again. Example: {trainingRunRef: {name: fees}, cooldown: 6h, maxPerDay: 3}."""


def _unknown_checks(spec: MonitorPolicySpec) -> Iterator[Problem]:
    names = [check.name for check in spec.checks_]
    for index, alarm in enumerate(spec.alarms):
        if alarm.check not in names:
            yield f".alarms[{index}].check", f"there is no check {alarm.check}: name one of {', '.join(names)}"


def _owned_members(spec: MonitorPolicySpec) -> Iterator[Problem]:
    return owned_members(spec.overrides)


def _of_target(spec: MonitorPolicySpec) -> bool:
    after = spec.schedule.after if spec.schedule is not None else None
    return after is not None and after.batch_of is not None and after.batch_of == spec.target.batch_of


def _any_of(spec: MonitorPolicySpec, kind: str) -> bool:
    return any(check.type == kind for check in spec.checks_)


_RUNS_SCRIPT = "self.checks.exists(c, has(c.entryPoint) || has(c.predictor))"


class MonitorPolicySpec(Model):
    """What of a served model is checked, when, and against what. A window is checked once for each model version."""

    rules = (
        Rule(
            "has(self.window) || has(self.target.batchOf) || (has(self.engine) && self.engine == 'ModelMonitor')",
            "is needed: it says how much of what was captured is looked at, such as 1h",
            lambda spec: spec.window is not None or spec.target.batch_of is not None or spec.engine == MODEL_MONITOR,
            ".window",
        ),
        Rule(
            "!has(self.target.batchOf) || !has(self.schedule) || (has(self.schedule.after) && has(self.schedule.after.batchOf)"
            " && self.schedule.after.batchOf.endpointRef.name == self.target.batchOf.endpointRef.name)",
            "target.batchOf is checked after each of its transform jobs: write after: {batchOf: ...} with the same endpointRef,"
            " or leave it out",
            lambda spec: spec.target.batch_of is None or spec.schedule is None or _of_target(spec),
            ".schedule",
        ),
        Rule(
            f"has(self.source) || !(has(self.prepare) || {_RUNS_SCRIPT})",
            "is needed by prepare, entryPoint and predictor: their scripts are in it",
            lambda spec: spec.source is not None or not entry_points(spec),
            ".source",
        ),
        Rule(
            "has(self.groundTruth) || has(self.prepare) || !self.checks.exists(c, c.type == 'ModelQuality')",
            "is needed by checks of type ModelQuality, unless prepare brings the truth",
            lambda spec: spec.ground_truth is not None or spec.prepare is not None or not _any_of(spec, "ModelQuality"),
            ".groundTruth",
        ),
        Rule(
            "has(self.baseline) || !self.checks.exists(c, has(c.drift))",
            "is needed by drift: it says what the data was like",
            lambda spec: spec.baseline is not None or not any(check.drift for check in spec.checks_),
            ".baseline",
        ),
        Rule(
            "has(self.baseline) || !self.checks.exists(c, c.type == 'Explainability')",
            "is needed by checks of type Explainability: it says what mattered when the model was trained",
            lambda spec: spec.baseline is not None or not _any_of(spec, "Explainability"),
            ".baseline",
        ),
        Rule(
            "!has(self.onBreach) || has(self.alarms)",
            "is needed by onBreach: it says when",
            lambda spec: spec.on_breach is None or bool(spec.alarms),
            ".alarms",
        ),
        Rule(
            "!has(self.dashboard) || !self.dashboard || has(self.alarms)",
            "is needed by dashboard: it has one widget for each",
            lambda spec: not spec.dashboard or bool(spec.alarms),
            ".alarms",
        ),
        *ENGINE_RULES,
    )

    checks = (_unknown_checks, _owned_members)

    target: Target
    """What is watched. Example: {endpointRef: {name: fees}, variant: blue}."""
    engine: Literal["Processing", "ModelMonitor"] | None = None
    """Who checks. Processing: jobs of the operator. ModelMonitor: a schedule of SageMaker Model Monitor, for accounts that still have it:
    one check of type DataQuality, ModelQuality or Bias on the hour, against the constraints.json of its baseline; check-now asks for
    nothing. Example: ModelMonitor. Left out: Processing.
    """
    schedule: CheckSchedule | None = None
    """When it is checked. Example: {cron: "30 * * * *", timeZone: Europe/Zurich}. Left out: only when the annotation
    sagemaker-gitops.dev/check-now asks for it.
    """
    window: Window | None = None
    """How much is looked at: up to the moment of the check (of schedule.after: the completion), or groundTruth.maxDelay before it. With
    target.batchOf the whole output is, and this is only the period in which alarms count: left out there, 24h. Example: 1h.
    """
    baseline: Baseline | None = None
    """What the data was like at training. Example: {trainingRunRef: {name: fees}}."""
    ground_truth: GroundTruth | None = None
    """What really happened. Example: {s3Uri: s3://team-a-ml/actuals/fees/, idField: eventId, maxDelay: 2h, minMatched: 20}."""
    source: Source | None = None
    """The scripts of prepare and of Custom and Explainability checks. Example: {configMapRef: {name: fees-checks}}."""
    prepare: PrepareCheck | None = None
    """Reshapes the records before the checks, in the same job. Example: {entryPoint: collect_window.py}."""
    checks_: Annotated[tuple[Check, ...], Items(CHECK_LIMIT, min_items=1, kind="map"), Field(alias="checks")]
    """What is checked. Example: [{name: errors, type: ModelQuality, problemType: Regression, metrics: [rmse]}]."""
    alarms: Annotated[tuple[Alarm, ...], Items(ALARM_LIMIT, kind="map")] = ()
    """When a number is bad for long enough. Example: [{name: loss-too-high, check: loss, operator: ">", threshold: {initial: 0.24}}]."""
    on_breach: OnBreach | None = None
    """What happens when an alarm goes off. Example: {retrain: {trainingRunRef: {name: fees}}}. Left out: it is told."""
    dashboard: Flag | None = None
    """true: a CloudWatch dashboard with the threshold, the number and the retrains of every alarm. Example: true. Left out: none."""
    min_sample_size: Annotated[StrictInt, Field(ge=1, le=1_000_000)] | None = None
    """Fewest records that a number is computed from; below, it is no value. Example: 20. Left out: 30."""
    notify: Annotated[tuple[PolicyNotify, ...], Items(NOTIFY_LIMIT)] | None = None
    """Whom to tell of what, by SNS; [] tells nobody. Example: [{snsTopicArn: "arn:aws:sns:eu-central-1:123456789012:team-a-alerts",
    transitions: [Breached, Recovered]}]. Left out: the Tenant's default.
    """
    resources: Resources | None = None
    """Machines of the checks. Example: {instanceType: ml.m5.large}. Left out: the Tenant's default for processing."""
    suspend: Flag | None = None
    """true: no check starts; a running one is finished. Example: true. Left out: false."""
    deletion_policy: DeletionPolicy | None = None
    """On deletion of this object: Delete stops a running check, results stay; Retain touches nothing. Example: Retain. Left out: Delete.
    """
    history_limit: Annotated[StrictInt, Field(ge=1, le=20)] | None = None
    """Number of checks that status.checks keeps. Example: 5. Left out: 10."""
    overrides: PolicyOverrides | None = None
    """Members of AWS requests that have no field here. Example: {createProcessingJob: {Environment: {LOG_LEVEL: debug}}}."""


def entry_points(spec: MonitorPolicySpec) -> dict[str, str]:
    """Path in the spec -> script of the source that is run."""
    found = {"spec.prepare.entryPoint": spec.prepare.entry_point} if spec.prepare is not None else {}
    for index, check in enumerate(spec.checks_):
        scripts = {"entryPoint": check.entry_point, "predictor": check.predictor}
        found |= {f"spec.checks[{index}].{field}": entry for field, entry in scripts.items() if entry}
    return found
