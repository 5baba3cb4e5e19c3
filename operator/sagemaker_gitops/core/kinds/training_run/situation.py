"""One pass over a TrainingRun as the checks see it, and the status that every answer is built from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sagemaker_gitops.api.fields import aws_string
from sagemaker_gitops.api.training_rules import champions
from sagemaker_gitops.api.training_run import DEFAULT_HISTORY_LIMIT, TrainingRunSpec
from sagemaker_gitops.core.conditions import READY, Condition, bounded, stalled, timestamp
from sagemaker_gitops.core.kinds.training_run import status as said
from sagemaker_gitops.core.kinds.training_run.champion import is_own, reevaluates, reevaluation
from sagemaker_gitops.core.kinds.training_run.effective import effective_of
from sagemaker_gitops.core.kinds.training_run.facts import FailureClass, Foreign, JobFact, JobType, NoChampion, Source, TrainingRunFacts
from sagemaker_gitops.core.kinds.training_run.retrain import nonce_of, recorded
from sagemaker_gitops.core.kinds.training_run.run import EVALUATE_CHAMPION, GATE, Attempt, Progress, Run, keys_of, spec_hash
from sagemaker_gitops.core.kinds.training_run.settings import Settings
from sagemaker_gitops.core.resource import RERUN, Snapshot
from sagemaker_gitops.core.tenancy import Bound

HISTORY_FIELDS = (
    "specHash",
    "runKey",
    "phase",
    "startedAt",
    "finishedAt",
    "metric",
    "champion",
    "championModel",
    "gate",
    "model",
    "revision",
)
TERMINAL_PHASES = ("Succeeded", "Failed", "GateRejected", "Stopped")
UNKNOWN_STATE_DELAY = 300.0  # seconds
RUN_FACTS, RUN_FACT = 40, 128  # entries, and characters of each
CELL = 255  # characters that status has for a text of somebody's own


@dataclass(frozen=True, slots=True)
class Pass:
    """What every check sees."""

    snapshot: Snapshot
    spec: TrainingRunSpec
    facts: TrainingRunFacts
    settings: Settings
    now: datetime

    @property
    def nonce(self) -> str:
        """What was asked for beyond the spec."""
        return nonce_of(self.snapshot, self.facts.retrain)

    def say(self, phase: str, conditions: Sequence[Condition], **fields: Any) -> dict[str, Any]:
        """The last status with a new phase, conditions and fields; what did not become known again stays."""
        status = {**self.snapshot.status, **fields, "phase": phase}
        return said.with_conditions(self.snapshot, {k: v for k, v in status.items() if v is not None}, conditions, self.now)


def build_run(here: Pass) -> Run:
    """Only after the checks that guarantee its parts. Raises InvalidResource."""
    facts = here.facts
    assert isinstance(facts.binding, Bound)
    assert isinstance(facts.source, Source)
    assert isinstance(facts.inputs, Mapping)
    return Run(
        install=here.settings.install,
        owner=here.snapshot.key,
        spec=here.spec,
        tenant=facts.binding,
        effective=effective_of(here.spec, facts.binding.spec),
        source=facts.source,
        inputs=facts.inputs,
        nonce=here.nonce,
        retrain=facts.retrain,
    )


def finished(snapshot: Snapshot, spec: TrainingRunSpec, source: Source, nonce: str) -> bool:
    """Whether status already tells the end of exactly what is asked for, with nothing left over: then AWS is not called at all."""
    wanted, status = spec_hash(spec, source, nonce), snapshot.status
    told = status.get("phase") in TERMINAL_PHASES and status.get("specHash") == wanted and not status.get("leftovers")
    return told and _says_why_it_ended(status)


def _says_why_it_ended(status: Mapping[str, Any]) -> bool:
    """Whether Ready speaks of the end and not of something that came between, such as a pause or a call that failed."""
    reason = next((item.get("reason") for item in status.get("conditions") or () if item.get("type") == READY), "")
    return reason in ("Succeeded", "GateRejected", *FailureClass)


def second_evaluation(here: Pass, run: Run, progress: Progress) -> tuple[Attempt, JobFact] | None:
    """The champion's evaluation as far as this pass has seen it."""
    found = reevaluation(run, progress, here.facts.champion, here.facts.jobs, said.recorded_steps(here.snapshot.status))
    return None if found is None or found[1] is None else (found[0], found[1])


def passed_before(here: Pass, run: Run) -> Mapping[str, Any] | None:
    """The gate's entry when champion gates of this very run have passed and AWS has its package: a champion that comes later is not theirs.

    Status alone proves nothing: anybody may edit it.
    """
    status = here.snapshot.status
    if not champions(run.spec) or here.facts.registered is None or status.get("gate") != "Passed":
        return None
    return _recorded(status, GATE) if status.get("specHash") == spec_hash(run.spec, run.source, run.nonce) else None


def every_entry(
    here: Pass, run: Run, progress: Progress, creating: bool = False, gate: Mapping[str, Any] | None = None, register: Any = None
) -> list[dict[str, Any]]:
    """status.steps. `creating` is about the step that is due: the current one, or the champion's evaluation after the last."""
    status = here.snapshot.status
    entries = said.step_entries(run, progress, status, here.now, creating)
    if reevaluates(run.spec):
        entries.append(_champion_entry(here, run, progress, creating))
    return entries + said.tail_entries(run, gate, register)


def _champion_entry(here: Pass, run: Run, progress: Progress, creating: bool) -> dict[str, Any]:
    entry = {"name": EVALUATE_CHAMPION, "type": str(JobType.PROCESSING_JOB), "state": "Pending"}
    if passed_before(here, run) is not None:
        return dict(_recorded(here.snapshot.status, EVALUATE_CHAMPION) or entry)
    second = second_evaluation(here, run, progress)
    if second is not None:
        return said.step_entry(run, *second, said.places_of(run, progress), here.snapshot.status, here.now, creating)
    champion = here.facts.champion
    if progress.current is not None or not (isinstance(champion, NoChampion) or is_own(run, champion, progress)):
        return entry
    why = champion.message if isinstance(champion, NoChampion) else "the champion is this very model"
    return entry | {"state": "Skipped", "message": why}


def _recorded(status: Mapping[str, Any], step: str) -> Mapping[str, Any] | None:
    return next((item for item in status.get("steps") or () if isinstance(item, Mapping) and item.get("name") == step), None)


def tell(
    here: Pass,
    run: Run,
    progress: Progress,
    phase: str,
    conditions: Sequence[Condition],
    *,
    creating: bool = False,
    gate: Mapping[str, Any] | None = None,
    register: Mapping[str, Any] | None = None,
    fields: Mapping[str, Any] | None = None,
    failure: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    entries = every_entry(here, run, progress, creating, gate, register)
    before, wanted = here.snapshot.status, spec_hash(run.spec, run.source, run.nonce)
    same_run = before.get("specHash") == wanted
    second = second_evaluation(here, run, progress)
    numbers: dict[str, Any] = dict.fromkeys(("metric", "champion", "championModel", "gate", "model")) | dict(fields or {})
    kept = {name: before.get(name) if same_run and value is None else value for name, value in numbers.items()}
    return here.say(
        phase,
        [*said.step_conditions(run, progress), *(said.champion_condition(*second) if second else ()), *conditions],
        specHash=wanted,
        runKey=keys_of(run, progress).run if progress.current is None else None,
        step=said.current_step(entries),
        steps=entries,
        effective=run.effective.as_status(),
        provenance=said.provenance(run, progress, _trigger(here, same_run)),
        retrain=run.retrain.as_status() if run.retrain is not None else None,
        revision=run.source.revision[:7] or None,
        failure=failure,
        queue=None,
        leftovers=said.leftover_entries(here.facts.leftovers, here.now, here.settings.create_quarantine) or None,
        startedAt=(before.get("startedAt") if same_run else None) or timestamp(here.now),
        finishedAt=((before.get("finishedAt") if same_run else None) or timestamp(here.now)) if phase in TERMINAL_PHASES else None,
        lastHandledRerun=bounded(here.snapshot.annotations.get(RERUN, ""), CELL) or None,
        **kept,
    )


def name_conflict(aws_name: str, fact: Foreign) -> list[Condition]:
    return stalled("NameConflict", f"{aws_name} exists and belongs to {fact.owner}: nothing is done with it")


def _trigger(here: Pass, same_run: bool) -> str:
    """Why this run is: what has changed since the one before."""
    status, retrain, nonce = here.snapshot.status, here.facts.retrain, here.snapshot.annotations.get(RERUN, "")
    told = (status.get("provenance") or {}).get("trigger")
    if same_run and told:
        return str(told)
    if retrain is not None and retrain != recorded(status.get("retrain")):
        return retrain.words
    return bounded(f"rerun {nonce}", CELL) if nonce and bounded(nonce, CELL) != status.get("lastHandledRerun") else "spec"


def with_history(here: Pass, run: Run, status: dict[str, Any]) -> dict[str, Any]:
    """status.history: one entry per ended run, newest first, at most historyLimit."""
    limit = DEFAULT_HISTORY_LIMIT if run.spec.history_limit is None else run.spec.history_limit
    entry = {name: status[name] for name in HISTORY_FIELDS if status.get(name) is not None} | {"trigger": status["provenance"]["trigger"]}
    entry |= {name: facts for name, facts in _told(run, status).items() if facts}
    older = [item for item in here.snapshot.status.get("history") or () if item.get("specHash") != entry["specHash"]]
    return {**status, "history": [entry, *older][:limit]}


def _told(run: Run, status: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """What `compare` shows of a run besides its columns."""
    settings = {**run.spec.parameters, **run.spec.train.hyperparameters}
    return {
        "parameters": {name: bounded(aws_string(value), RUN_FACT) for name, value in sorted(settings.items())[:RUN_FACTS]},
        "metrics": dict(sorted((k, v) for step in status["steps"] for k, v in (step.get("metrics") or {}).items())[:RUN_FACTS]),
        "inputs": {name: version.digest for name, version in sorted(run.inputs.items())},
    }
