"""One pass over a MonitorPolicy as the checks see it, what status recorded, and the status that every answer is built from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sagemaker_gitops.api.monitor_engine import MODEL_MONITOR
from sagemaker_gitops.api.monitor_policy import MonitorPolicySpec
from sagemaker_gitops.core.conditions import Condition, bounded, merge, timestamp
from sagemaker_gitops.core.kinds.monitor_policy.effective import Effective, effective_of
from sagemaker_gitops.core.kinds.monitor_policy.facts import Due, PolicyFacts, Watched, Window
from sagemaker_gitops.core.kinds.training_run.settings import Settings
from sagemaker_gitops.core.kinds.training_run.status import moment
from sagemaker_gitops.core.resource import CHECK_NOW, Snapshot
from sagemaker_gitops.core.tenancy import Bound

CELL = 255
IN_PROGRESS, REFUSED, SUCCEEDED, FAILED, STOPPED, NO_DATA = "InProgress", "Refused", "Succeeded", "Failed", "Stopped", "NoData"
AVAILABLE = "Available"
DATA_AVAILABLE, BREACHED, CHECKED_NOW = "DataAvailable", "Breached", "CheckedNow"
STEP, ATTRIBUTION = "check", "attribution"
ATTRIBUTION_JOBS = "attributionJobs"  # of a CheckRun
CHANGING = "Changing"  # in place of the identity of what CloudWatch was told: it may know either, whatever ends the process


@dataclass(frozen=True, slots=True)
class Pass:
    """What every check sees. `code` are the files of jobs/monitoring."""

    snapshot: Snapshot
    spec: MonitorPolicySpec
    facts: PolicyFacts
    settings: Settings
    code: Mapping[str, bytes]
    now: datetime

    @property
    def bound(self) -> Bound:
        assert isinstance(self.facts.binding, Bound), "a check before has refused what has no Tenant"
        return self.facts.binding

    @property
    def effective(self) -> Effective:
        """Raises InvalidResource."""
        return effective_of(self.spec, self.bound.spec)

    @property
    def recorded(self) -> Recorded:
        return Recorded(self.snapshot.status)

    def say(self, phase: str, conditions: Sequence[Condition], **fields: Any) -> dict[str, Any]:
        """The last status with a new phase, conditions and fields; what did not become known again stays.

        But no scrap of a check, which somebody's edit of the status may leave: nothing would ever end it.
        """
        running = dict(self.recorded.running) or None
        status = {**self.snapshot.status, "running": running, **fields, "phase": phase, "observedGeneration": self.snapshot.generation}
        previous = list(self.snapshot.status.get("conditions") or ())
        said = [*(item for item in conditions if item.type != CHECKED_NOW), *self._asked_in_vain(status)]
        status["conditions"] = merge(previous, said, self.snapshot.generation, self.now)
        return kept(status)

    def _asked_in_vain(self, status: Mapping[str, Any]) -> list[Condition]:
        """A check that a person asked for and that this engine does not make, for as long as the annotation or the engine is there."""
        nonce = self.snapshot.annotations.get(CHECK_NOW, "")
        if self.spec.engine != MODEL_MONITOR or not nonce or nonce == status.get("lastHandledCheckNow"):
            return []
        when = f"the next execution is due at {status['nextCheck']}" if status.get("nextCheck") else "its schedule is stopped"
        words = f"{CHECK_NOW}={bounded(nonce, 64)} does nothing: SageMaker Model Monitor checks by its schedule alone; {when}"
        fix = "To check now, leave spec.engine out; to wait, remove the annotation"
        return [Condition(CHECKED_NOW, "False", "NotWithModelMonitor", f"{words}. {fix}")]

    def keeping(self, *conditions: Condition) -> list[Condition]:
        """`conditions`, and those of the kind itself that status has and that are not among them."""
        said = {condition.type for condition in conditions} | {"Ready", "Reconciling", "Stalled"}
        before = (item for item in self.snapshot.status.get("conditions") or () if item.get("type") not in said)
        return [*conditions, *(Condition(item["type"], item["status"], item["reason"], item.get("message", "")) for item in before)]


@dataclass(frozen=True, slots=True)
class Recorded:
    """What status says of checks, read defensively: anybody may have edited it."""

    status: Mapping[str, Any]

    @property
    def running(self) -> Mapping[str, Any]:
        """The check whose job is under way; empty when none is."""
        found = self.status.get("running")
        return found if isinstance(found, Mapping) and isinstance(found.get("jobName"), str) and self.due_of(found) is not None else {}

    @property
    def job_name(self) -> str:
        return str(self.running.get("jobName") or "")

    @property
    def jobs(self) -> tuple[str, ...]:
        """What is under way at AWS: the check's job, or those that it waits for."""
        waits = self.running.get(ATTRIBUTION_JOBS)
        found = [item for item in waits if isinstance(item, str)] if isinstance(waits, list) else []
        return tuple(found) or ((self.job_name,) if self.job_name else ())

    @property
    def last(self) -> Mapping[str, Any]:
        found = self.status.get("lastCheck")
        return found if isinstance(found, Mapping) else {}

    @property
    def checks(self) -> list[Mapping[str, Any]]:
        return [item for item in self.status.get("checks") or () if isinstance(item, Mapping)]

    def moment(self, field: str) -> datetime | None:
        return moment(self.status.get(field))

    def due_of(self, entry: Mapping[str, Any]) -> Due | None:
        """What a recorded check was about."""
        window, at = entry.get("window"), moment(entry.get("moment"))
        start, end = (moment(window.get(name)) for name in ("start", "end")) if isinstance(window, Mapping) else (None, None)
        if at is None or start is None or end is None or start >= end:
            return None
        trigger = str(entry.get("trigger") or "")
        nonce, after = (trigger.removeprefix(word) if trigger.startswith(word) else "" for word in (CHECK_NOW_WORD, AFTER_WORD))
        return Due(at, Window(start, end), trigger, nonce, after, str(entry.get("transformJob") or ""))


CHECK_NOW_WORD, AFTER_WORD = "check-now ", "after "


def as_entry(due: Due, watched: Watched, state: str) -> dict[str, Any]:
    """The beginning of a CheckRun."""
    data = {"transformJob": due.job} if due.job else {"variant": watched.variant}
    return {
        "moment": timestamp(due.moment),
        "window": {"start": timestamp(due.window.start), "end": timestamp(due.window.end)},
        "state": state,
        "trigger": due.trigger,
        "model": watched.model,
        "modelKey": watched.key,
        "endpoint": watched.endpoint,
        **data,
    }


def watched_of(entry: Mapping[str, Any]) -> Watched | None:
    """What a recorded check looked at."""
    variant = "" if entry.get("transformJob") else entry.get("variant")
    named = [entry.get("endpoint"), variant, entry.get("model"), entry.get("modelKey")]
    if not all(isinstance(item, str) for item in named):
        return None
    endpoint, variant, model, key = map(str, named)
    return Watched(endpoint, variant, model, key)


def kept(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
