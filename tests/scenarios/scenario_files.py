"""The form of a scenario file: closed models, so that a mistyped key or an empty expectation fails instead of proving nothing.

A scenario is what a user would see: a spec, what AWS says, and what then happens. scenario_world.py turns it into facts.
"""

from __future__ import annotations

import copy
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

FOLDER = Path(__file__).parent
BASES: dict[str, Any] = yaml.load((FOLDER / "bases.yaml").read_text(), yaml.CSafeLoader)
STEPS = ("prepare", "train", "evaluate")


def merged(base: Any, patch: Any) -> Any:
    """JSON merge patch (RFC 7386)."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    made = dict(base) if isinstance(base, dict) else {}
    for key, value in patch.items():
        if value is None:
            made.pop(key, None)
        else:
            made[key] = merged(made.get(key), value)
    return made


class Block(BaseModel):
    """Anything in a scenario file: nothing unknown, camelCase as in the API."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=False, validate_by_alias=True)


class FactBlock(Block):
    """What AWS says about one attempt of a step. A bare word in YAML is a fact without details."""

    kind: Literal["unseen", "absent", "unstarted", "active", "succeeded", "failed", "foreign", "unknown"]
    run_id: str = ""
    stopping: bool = False
    created: datetime | None = None
    started: datetime | None = None
    finished: datetime | None = None
    error: str = ""
    reason: str = ""
    log: tuple[str, ...] = ()
    outputs: dict[str, str] = Field(default_factory=dict)
    metrics: dict[str, float] = Field(default_factory=dict)
    image_digest: str = ""
    owner: str = ""
    raw: str = ""

    @model_validator(mode="before")
    @classmethod
    def _short(cls, given: Any) -> Any:
        return {"kind": given} if isinstance(given, str) else given


class MissingBlock(Block):
    """Something referenced that is not there, or is not what the spec says."""

    what: str
    message: str


class LeftoverBlock(Block):
    """A job that the present spec does not name."""

    type: Literal["GlueJob", "ProcessingJob", "TrainingJob"]
    fact: FactBlock
    attempted: datetime | None = None


class PackageBlock(Block):
    """A version in the model registry."""

    version: int
    approval: str = "Approved"
    metrics: dict[str, float] = Field(default_factory=dict)


class ChampionBlock(PackageBlock):
    """The newest approved package of register.group, or with `endpoint` the status of the ModelEndpoint that the gates name."""

    version: int = 0
    artifact: str = "s3://team-a-ml/artifacts/champion/model.tar.gz"
    endpoint: dict[str, Any] | None = None


class EvaluationBlock(Block):
    """evaluation.json as read: its document, or why it could not be read."""

    document: Any = None
    problem: str = ""


class InputBlock(Block):
    """What an input's folder holds."""

    digest: str
    objects: int
    size: int


class SlotBlock(Block):
    """Place in the Tenant's queue."""

    ahead: int
    limit: int


def _listed(given: Any) -> Any:
    return given if isinstance(given, list) else [given]


Attempts = Annotated[tuple[FactBlock, ...], BeforeValidator(_listed)]


class Given(Block):
    """The object and the world. Left out means the base's, or nothing."""

    base: Literal["train", "whole", "judged"] = "whole"
    patch: dict[str, Any] = Field(default_factory=dict)
    spec: dict[str, Any] | None = None
    annotations: dict[str, str] = Field(default_factory=dict)
    generation: int = 1
    finalizer: bool | None = None
    deleting: bool = False
    status: dict[str, Any] = Field(default_factory=dict)
    tenant: dict[str, Any] = Field(default_factory=dict)
    tenants: tuple[str, ...] = ("team-a",)
    source: dict[str, str | None] = Field(default_factory=dict)
    source_missing: MissingBlock | None = None
    source_refused: MissingBlock | None = None
    inputs: dict[str, InputBlock] = Field(default_factory=dict)
    input_missing: MissingBlock | None = None
    jobs: dict[Literal["prepare", "train", "evaluate", "evaluate-champion"], Attempts] = Field(default_factory=dict)
    leftovers: dict[str, LeftoverBlock] = Field(default_factory=dict)
    evaluation: EvaluationBlock | None = None
    champion: ChampionBlock | None = None
    champion_evaluation: EvaluationBlock | None = None
    registered: PackageBlock | None = None
    group_exists: bool = False
    request_findings: tuple[tuple[str, str], ...] = ()
    slot: SlotBlock | None = None
    spend: str | None = None

    @property
    def whole_spec(self) -> dict[str, Any]:
        """The spec as the user wrote it."""
        return self.spec if self.spec is not None else dict(merged(BASES["specs"][self.base], self.patch))


class Earlier(Block):
    """A pass before the one under test, whose status and finalizer the object then has."""

    given: Given
    at: datetime


class ConditionBlock(Block):
    """One condition: `is` is status and reason in one text, `says` are words of the message."""

    is_: Annotated[str, Field(alias="is", pattern=r"^(True|False|Unknown) \w+$")]
    says: Annotated[tuple[str, ...], BeforeValidator(_listed)] = ()

    @model_validator(mode="before")
    @classmethod
    def _short(cls, given: Any) -> Any:
        return {"is": given} if isinstance(given, str) else given


def _named(given: Any) -> Any:
    return [item if isinstance(item, dict) else {item: {}} for item in given]


Actions = Annotated[tuple[dict[str, dict[str, Any]], ...], BeforeValidator(_named)]


class After(Block):
    """Look again after so many seconds."""

    after: float


class Expect(Block):
    """What happens. `actions` and `requeue` are always said; of the others at least one is."""

    actions: Actions
    requeue: Literal["Done", "OnEvent"] | After
    finalizer: bool | None = None
    phase: str | None = None
    conditions: dict[str, ConditionBlock] | None = None
    steps: dict[str, str] | None = None
    status: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Expect:
        empty = [name for name in self.model_fields_set if name != "actions" and getattr(self, name) in (None, {}, "")]
        if empty:
            raise ValueError(f"an empty expectation proves nothing: {', '.join(sorted(empty))}")
        if not self.model_fields_set & {"finalizer", "phase", "conditions", "steps", "status"}:
            raise ValueError("expect something of the object too, not only of AWS")
        return self


class Scenario(Block):
    """One document of a scenario file."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    reason: Annotated[str, Field(min_length=20)]
    earlier: tuple[Earlier, ...] = ()
    given: Given
    now: datetime
    expect: Expect


def scenarios_of(text: str) -> list[Scenario]:
    """Every document of one file. pydantic.ValidationError when one of them is not a scenario."""
    return [Scenario.model_validate(document) for document in yaml.load_all(text, yaml.CSafeLoader) if document is not None]


def all_scenarios() -> dict[str, Scenario]:
    """Every scenario by name, in the order of files and documents."""
    found: dict[str, Scenario] = {}
    for path in sorted((FOLDER / "training_run").glob("*.yaml")):
        for scenario in scenarios_of(path.read_text()):
            if scenario.name in found:
                raise ValueError(f"{path.name}: a second scenario is named {scenario.name}")
            found[scenario.name] = scenario
    return found
