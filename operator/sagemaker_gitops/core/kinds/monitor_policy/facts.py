"""What a pass over a MonitorPolicy may know about the world: made by aws/kinds/monitor_policy.py, read by the plan.

A fact says what was seen, never what to do about it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sagemaker_gitops.core.budget import Spend
from sagemaker_gitops.core.errors import Finding
from sagemaker_gitops.core.kinds.model_endpoint.facts import LiveAlarm
from sagemaker_gitops.core.kinds.monitor_policy.engine_facts import EngineFacts
from sagemaker_gitops.core.kinds.training_run.facts import JobFact, Leftover, Missing, Refused, Source
from sagemaker_gitops.core.kinds.training_run.retrain import Retrain
from sagemaker_gitops.core.tenancy import Binding


@dataclass(frozen=True, slots=True)
class Watched:
    """What serves and is looked at. `endpoint` is AWS's name; `key` is the identity of the model, `model` what people call it.

    `since`: the endpoint is as it is since then, where only AWS knows it.
    """

    endpoint: str
    variant: str
    model: str
    key: str
    package_arn: str = ""
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class NotReady:
    """Something that the policy depends on is not there yet: waiting helps."""

    message: str


@dataclass(frozen=True, slots=True)
class Unfit:
    """Something that the policy depends on is not what the spec says: waiting does not help."""

    path: str
    message: str


TargetFact = Watched | NotReady | Unfit


@dataclass(frozen=True, slots=True)
class Window:
    """[start, end), aware datetimes in UTC."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Completion:
    """Something that has ended well, under the name that tells it from every other: <kind>/<name>/<what AWS or we call it>."""

    name: str
    moment: datetime
    started: datetime | None = None
    model: str = ""
    model_name: str = ""

    @property
    def job(self) -> str:
        """The last part of its name."""
        return self.name.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Due:
    """A check that is to be made: `moment` is when it was due, `window` what its name stands for. `nonce`: asked for by a person;
    `after`: the completion that it follows; `job`: the transform job whose output is looked at.

    `missed`: which earlier moments passed without a check, in words; `heeds`: the moment of the schedule that it answers.
    """

    moment: datetime
    window: Window
    trigger: str
    nonce: str = ""
    after: str = ""
    job: str = ""
    missed: str | None = None
    heeds: datetime | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """A file or folder in S3 that is there, and the identity of its content."""

    uri: str
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Sight:
    """What there is for a check to read. `capture` are object keys relative to `capture_root`; empty: nothing was captured."""

    capture_root: str
    capture: tuple[str, ...]
    baseline: Place | None = None
    ground_truth: Place | None = None


@dataclass(frozen=True, slots=True)
class Explaining:
    """The job that runs the image of an Explainability check before the check, and what has become of it."""

    check: str
    job: str
    fact: JobFact


@dataclass(frozen=True, slots=True)
class Planned:
    """The check that is due under the name it has, or would have, at AWS. `explaining` is looked at when its job is not there yet."""

    due: Due
    watched: Watched
    sight: Sight
    job_name: str
    explaining: tuple[Explaining, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """report.json of a check, or why it cannot be read."""

    content: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """AWS does not take a check; it is not asked again before `until`."""

    code: str
    message: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Retrained:
    """A training job that was asked for by a policy, as its tags tell."""

    episode: str
    policy: str
    model_key: str
    created: datetime


@dataclass(frozen=True, slots=True)
class RunView:
    """The TrainingRun that would be asked, by its status. `heeded` is the last request that it took up, of whatever policy."""

    name: str
    phase: str = ""
    heeded: Retrain | None = None
    model: str = ""
    package_arn: str = ""
    finished: datetime | None = None
    inputs: Mapping[str, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RetrainSight:
    """What has been trained before, by AWS, and whether there is anything new to train with. `approval` is of the run's package."""

    retrained: tuple[Retrained, ...] = ()
    tenant: tuple[tuple[str, datetime], ...] = ()
    approval: str = ""
    new_data: bool = True


@dataclass(frozen=True, slots=True)
class PolicyFacts:
    """Everything one pass saw. Later fields stay empty while an earlier one already decides."""

    binding: Binding
    source: Source | Missing | Refused | None = None
    circle: tuple[str, ...] = ()
    completions: tuple[Completion, ...] | NotReady = ()
    target: TargetFact | None = None
    running: JobFact | None = None
    report: Report | None = None
    planned: Planned | None = None
    found: JobFact | None = None
    findings: tuple[Finding, ...] = ()
    refusal: Refusal | None = None
    leftovers: Mapping[str, Leftover] = field(default_factory=dict)
    run: RunView | None = None
    retrains: RetrainSight | None = None
    thresholds: Mapping[str, float] = field(default_factory=dict)
    alarms: Mapping[str, LiveAlarm] | None = None
    dashboards: tuple[str, ...] = ()
    engine: EngineFacts | None = None
    spend: Spend | None = None
    """Of the Tenant's month; None: it has no budget, or no check is to be created."""
