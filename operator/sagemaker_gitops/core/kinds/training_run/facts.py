"""What a pass over a TrainingRun may know about the world: closed unions, made by aws/kinds/training_run.py, read by plan.

A fact says what was seen, never what to do about it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from sagemaker_gitops.core.budget import Spend
from sagemaker_gitops.core.errors import Finding
from sagemaker_gitops.core.kinds.training_run.retrain import Retrain
from sagemaker_gitops.core.tenancy import Binding


class JobType(StrEnum):
    """What a paid step, or a batch of a ModelEndpoint, is at AWS."""

    GLUE_JOB = "GlueJob"
    PROCESSING_JOB = "ProcessingJob"
    TRAINING_JOB = "TrainingJob"
    TRANSFORM_JOB = "TransformJob"


class FailureClass(StrEnum):
    """Why a job failed, in the words that `retry.on` uses where a retry can help."""

    ALGORITHM = "AlgorithmError"
    CAPACITY = "CapacityError"
    INTERNAL = "InternalServerError"
    SPOT = "SpotInterruption"
    CLIENT = "ClientError"
    MAX_RUNTIME = "MaxRuntimeExceeded"
    STOPPED = "Stopped"  # by somebody outside: not restarted (failure-modes.md E2)


@dataclass(frozen=True, slots=True)
class Unseen:
    """Never recorded and not looked at: its create decides whether it exists."""


@dataclass(frozen=True, slots=True)
class Absent:
    """Looked for and not there."""


@dataclass(frozen=True, slots=True)
class Unstarted:
    """Glue only: the job exists since `created`, and a complete scan found no run with its token."""

    created: datetime


@dataclass(frozen=True, slots=True)
class Active:
    """Pending, running or about to stop at AWS."""

    run_id: str = ""
    started: datetime | None = None
    stopping: bool = False


@dataclass(frozen=True, slots=True)
class Succeeded:
    """Finished well. outputs: name -> S3 URI. metrics: name -> final value."""

    outputs: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    run_id: str = ""
    started: datetime | None = None
    finished: datetime | None = None
    image_digest: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """Finished badly. reason is AWS's FailureReason (Glue: ErrorMessage); log_tail at most 20 lines."""

    failure: FailureClass
    reason: str
    log_tail: tuple[str, ...] = ()
    run_id: str = ""
    started: datetime | None = None
    finished: datetime | None = None


@dataclass(frozen=True, slots=True)
class Foreign:
    """The name is taken by something whose tags do not name us."""

    owner: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """A status this version has never heard of: treated as busy, never acted upon."""

    raw: str


JobFact = Unseen | Absent | Unstarted | Active | Succeeded | Failed | Foreign | Unknown


@dataclass(frozen=True, slots=True)
class Leftover:
    """A job that may still run though the present spec does not name it, or because the object is being deleted."""

    type: JobType
    fact: JobFact
    attempted: datetime | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """The files of the source, by relative path, and where they came from."""

    files: Mapping[str, bytes]
    revision: str = ""
    repository: str = ""


@dataclass(frozen=True, slots=True)
class Missing:
    """Something referenced is not there (yet): what, and how to provide it."""

    what: str
    message: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Something referenced is there and is not what the spec says: waiting does not help."""

    what: str
    message: str


@dataclass(frozen=True, slots=True)
class InputVersion:
    """What an input's S3 URI held at the start: digest covers key, version (or ETag) and size of every object."""

    uri: str
    digest: str
    objects: int
    size: int


@dataclass(frozen=True, slots=True)
class Package:
    """A model package version."""

    arn: str
    group: str
    version: int
    approval: str
    metrics: Mapping[str, float] = field(default_factory=dict)
    artifact: str = ""


@dataclass(frozen=True, slots=True)
class Champion:
    """The model to beat. `label` is what people call it: digits/7, or an image; one without package_arn is in no registry."""

    label: str
    package_arn: str = ""
    artifact: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    variant: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class NoChampion:
    """There is nothing to beat, and why."""

    message: str = "no approved version to compare with"


@dataclass(frozen=True, slots=True)
class ChampionPending:
    """Something serves; what it is will be known after the next pass over its ModelEndpoint."""

    message: str


@dataclass(frozen=True, slots=True)
class NoSuchVariant:
    """The ModelEndpoint serves, and not the variant that the spec names."""

    message: str


ChampionFact = Champion | NoChampion | ChampionPending | NoSuchVariant


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The numbers of evaluation.json, flattened; problem says why it could not be read."""

    metrics: Mapping[str, float]
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Slot:
    """Place among the tenant's runs: 0 ahead means it may run."""

    ahead: int
    limit: int


@dataclass(frozen=True, slots=True)
class TrainingRunFacts:
    """Everything one pass saw. Later fields stay empty while an earlier one already decides."""

    binding: Binding
    source: Source | Missing | Refused | None = None
    inputs: Mapping[str, InputVersion] | Missing | None = None
    jobs: Mapping[str, JobFact] = field(default_factory=dict)
    leftovers: Mapping[str, Leftover] = field(default_factory=dict)
    evaluation: Evaluation | None = None
    champion: ChampionFact = NoChampion()
    champion_evaluation: Evaluation | None = None
    group_exists: bool = False
    registered: Package | None = None
    request_findings: tuple[Finding, ...] = ()
    slot: Slot = Slot(0, 0)
    retrain: Retrain | None = None
    spend: Spend | None = None
    """Of the Tenant's month; None: it has no budget, or nothing paid is due."""
