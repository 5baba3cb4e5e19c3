"""One pass over a TrainingRun as the checks see it, and the status that every answer is built from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sagemaker_gitops.api.training_run import DEFAULT_HISTORY_LIMIT, TrainingRunSpec
from sagemaker_gitops.core.conditions import READY, Condition, bounded, timestamp
from sagemaker_gitops.core.kinds.training_run import status as said
from sagemaker_gitops.core.kinds.training_run.effective import effective_of
from sagemaker_gitops.core.kinds.training_run.facts import FailureClass, Source, TrainingRunFacts
from sagemaker_gitops.core.kinds.training_run.run import Progress, Run, keys_of, spec_hash
from sagemaker_gitops.core.kinds.training_run.settings import Settings
from sagemaker_gitops.core.resource import RERUN, Snapshot
from sagemaker_gitops.core.tenancy import Bound

HISTORY_FIELDS = ("specHash", "runKey", "phase", "startedAt", "finishedAt", "metric", "champion", "gate", "model", "revision")
TERMINAL_PHASES = ("Succeeded", "Failed", "GateRejected", "Stopped")
CELL = 255  # characters that status has for a text of somebody's own


@dataclass(frozen=True, slots=True)
class Pass:
    """What every check sees."""

    snapshot: Snapshot
    spec: TrainingRunSpec
    facts: TrainingRunFacts
    settings: Settings
    now: datetime

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
        nonce=here.snapshot.annotations.get(RERUN, ""),
    )


def finished(snapshot: Snapshot, spec: TrainingRunSpec, source: Source) -> bool:
    """Whether status already tells the end of exactly what is asked for, with nothing left over: then AWS is not called at all."""
    wanted, status = spec_hash(spec, source, snapshot.annotations.get(RERUN, "")), snapshot.status
    told = status.get("phase") in TERMINAL_PHASES and status.get("specHash") == wanted and not status.get("leftovers")
    return told and _says_why_it_ended(status)


def _says_why_it_ended(status: Mapping[str, Any]) -> bool:
    """Whether Ready speaks of the end and not of something that came between, such as a pause or a call that failed."""
    reason = next((item.get("reason") for item in status.get("conditions") or () if item.get("type") == READY), "")
    return reason in ("Succeeded", "GateRejected", *FailureClass)


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
    entries = said.step_entries(run, progress, here.snapshot.status, here.now, creating) + said.tail_entries(run, gate, register)
    before, wanted = here.snapshot.status, spec_hash(run.spec, run.source, run.nonce)
    same_run = before.get("specHash") == wanted
    numbers = {"metric": None, "champion": None, "gate": None, "model": None} | dict(fields or {})
    kept = {name: before.get(name) if same_run and value is None else value for name, value in numbers.items()}
    return here.say(
        phase,
        [*said.step_conditions(run, progress), *conditions],
        specHash=wanted,
        runKey=keys_of(run, progress).run if progress.current is None else None,
        step=said.current_step(entries),
        steps=entries,
        effective=run.effective.as_status(),
        provenance=said.provenance(run, progress, _trigger(here)),
        revision=run.source.revision[:7] or None,
        failure=failure,
        queue=None,
        leftovers=said.leftover_entries(here.facts.leftovers, here.now, here.settings.create_quarantine) or None,
        startedAt=(before.get("startedAt") if same_run else None) or timestamp(here.now),
        finishedAt=((before.get("finishedAt") if same_run else None) or timestamp(here.now)) if phase in TERMINAL_PHASES else None,
        lastHandledRerun=bounded(run.nonce, CELL) or None,
        **kept,
    )


def _trigger(here: Pass) -> str:
    nonce = here.snapshot.annotations.get(RERUN, "")
    return bounded(f"rerun {nonce}", CELL) if nonce else "spec"


def with_history(here: Pass, run: Run, status: dict[str, Any]) -> dict[str, Any]:
    """status.history: one entry per ended run, newest first, at most historyLimit."""
    limit = DEFAULT_HISTORY_LIMIT if run.spec.history_limit is None else run.spec.history_limit
    entry = {name: status[name] for name in HISTORY_FIELDS if status.get(name) is not None} | {"trigger": status["provenance"]["trigger"]}
    older = [item for item in here.snapshot.status.get("history") or () if item.get("specHash") != entry["specHash"]]
    return {**status, "history": [entry, *older][:limit]}
