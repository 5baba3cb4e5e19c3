"""What starts a batch job of a ModelEndpoint, and which model it asks. Pure; both the observer and the plan go by it.

What was heeded stands in status.batch. A status that was lost starts no work twice: the job's name says what was done.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sagemaker_gitops.api.batch import Batch
from sagemaker_gitops.api.schedule import DEFAULT_TIME_ZONE
from sagemaker_gitops.core.conditions import bounded, timestamp
from sagemaker_gitops.core.kinds.model_endpoint.effective import BATCH
from sagemaker_gitops.core.kinds.model_endpoint.facts import Asked, Due, EndpointState, LiveEndpoint, Resolved
from sagemaker_gitops.core.kinds.model_endpoint.situation import Pass, build_serving
from sagemaker_gitops.core.kinds.model_endpoint.transform import settings_digest
from sagemaker_gitops.core.kinds.training_run.facts import Failed, FailureClass, JobFact, Succeeded
from sagemaker_gitops.core.kinds.training_run.status import moment
from sagemaker_gitops.core.resource import RERUN
from sagemaker_gitops.core.schedule import newest

CELL = 255
IN_PROGRESS, REFUSED, SUCCEEDED, FAILED, STOPPED = "InProgress", "Refused", "Succeeded", "Failed", "Stopped"


@dataclass(frozen=True, slots=True)
class Recorded:
    """status.batch, read defensively: anybody may have edited it."""

    fields: Mapping[str, Any]

    @property
    def job_name(self) -> str:
        return str(self.fields.get("jobName") or "")

    @property
    def unfinished(self) -> bool:
        return bool(self.job_name) and self.fields.get("state") in (IN_PROGRESS, REFUSED)

    @property
    def attempt(self) -> int:
        found = self.fields.get("attempt")
        return found if isinstance(found, int) and found > 0 else 1

    def moment(self, field: str) -> datetime | None:
        return moment(self.fields.get(field))

    def end(self, name: str) -> JobFact | None:
        """How the job of that name ended, if it is the one that is recorded: it is never looked at again."""
        if name != self.job_name:
            return None
        started, finished = self.moment("startedAt") or self.moment("attemptedAt"), self.moment("finishedAt")
        if self.fields.get("state") == SUCCEEDED:
            return Succeeded(started=started, finished=finished)
        failure = self.fields.get("failure")
        if self.fields.get("state") in (FAILED, STOPPED) and isinstance(failure, Mapping) and failure.get("reason") in set(FailureClass):
            tail = tuple(str(line) for line in failure.get("logTail") or ())
            return Failed(FailureClass(failure["reason"]), str(failure.get("message", "")), tail, "", started, finished)
        return None


def recorded_of(status: Mapping[str, Any]) -> Recorded:
    found = status.get("batch")
    return Recorded(found if isinstance(found, Mapping) else {})


def asked_of(here: Pass) -> Asked | None:
    """The model that serves, not the one that is wanted; without variants, the one that batch names. None: there is none yet."""
    batch, live = here.spec.batch, here.facts.endpoint
    assert batch is not None
    known = bool(here.facts.models) and all(isinstance(model, Resolved) for model in here.facts.models.values())
    if not here.spec.variants:
        return _asked(here, BATCH) if known else None
    if known and isinstance(live, LiveEndpoint) and live.state is EndpointState.IN_SERVICE:
        name = batch.variant or here.spec.variants[0].name
        if live.config == build_serving(here).config_name:
            return _asked(here, name)
    return _last_seen(here, batch)


def _asked(here: Pass, name: str) -> Asked:
    serving = build_serving(here)
    return Asked(serving.models[name].label, serving.model_name_of(name), serving.model_digest(name))


def _last_seen(here: Pass, batch: Batch) -> Asked | None:
    seen = recorded_of(here.snapshot.status).fields.get("serving")
    if not isinstance(seen, Mapping) or not all(isinstance(seen.get(name), str) for name in ("model", "awsName", "digest")):
        return None
    return Asked(seen["model"], seen["awsName"], seen["digest"]) if seen.get("variant") == batch.variant else None


def schedule_words(batch: Batch) -> str | None:
    """The schedule in one line: another one starts counting anew."""
    return f"{batch.schedule.cron} {batch.schedule.time_zone or DEFAULT_TIME_ZONE}" if batch.schedule is not None else None


def due_of(here: Pass, asked: Asked, *, lost: bool = False) -> Due | None:
    """Why a job is to run now. `lost`: the one that was intended never came to be."""
    batch, recorded = here.spec.batch, recorded_of(here.snapshot.status)
    assert batch is not None
    said, nonce = recorded.fields, bounded(here.snapshot.annotations.get(RERUN, ""), CELL)
    passed = None
    since = recorded.moment("lastScheduled")
    if batch.schedule is not None and since is not None and said.get("schedule") == schedule_words(batch):
        passed = newest(batch.schedule, since, here.now)
    by_clock = Due("", passed.moment, passed.moment, passed.words) if passed is not None else Due("")
    if nonce and said.get("lastHandledRerun") != nonce:
        return replace(by_clock, trigger=bounded(f"rerun {nonce}", CELL))
    if batch.on_new_model and said.get("lastModel") != asked.digest:
        return replace(by_clock, trigger=f"new model {asked.label}")
    if batch.schedule is None and said.get("lastSettings") != settings_digest(here):
        return Due("spec", retries=here.now if said.get("lastSettings") else None)
    if passed is not None:
        return replace(by_clock, trigger=f"schedule {timestamp(passed.moment)}")
    return Due(str(said.get("trigger") or "spec")) if lost else None
