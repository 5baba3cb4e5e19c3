"""The status of a TrainingRun, computed whole from what is known; nothing in it is ever read back as a state machine.

What later passes do read is identity: which name a step had, and that it succeeded under it (decision 0001).
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sagemaker_gitops.core.conditions import Condition, bounded, merge, timestamp, whole
from sagemaker_gitops.core.conditions import moment as moment
from sagemaker_gitops.core.kinds.training_run.facts import (
    Absent,
    Active,
    Failed,
    FailureClass,
    JobFact,
    JobType,
    Leftover,
    Package,
    Succeeded,
    Unknown,
    Unseen,
    Unstarted,
)
from sagemaker_gitops.core.kinds.training_run.gates import GateResult
from sagemaker_gitops.core.kinds.training_run.run import (
    EVALUATE,
    EVALUATE_CHAMPION,
    GATE,
    PREPARE,
    REGISTER,
    TRAIN,
    Attempt,
    Progress,
    Recorded,
    Run,
    steps_of,
)
from sagemaker_gitops.core.naming import files_digest
from sagemaker_gitops.core.resource import Snapshot

DONE_CONDITIONS = {PREPARE: "Prepared", TRAIN: "Trained", EVALUATE: "Evaluated", EVALUATE_CHAMPION: "ChampionEvaluated"}
LOG_TAIL_LINES = 20
LOG_LINE_LIMIT = 300
# AWS words it "exit code: 1", the training toolkit "ExitCode 1".
_EXIT_CODE = re.compile(r"(?i)exit\s?code:?\s*(-?\d{1,5})")
ARN_PATHS = {
    JobType.TRAINING_JOB: "training-job",
    JobType.PROCESSING_JOB: "processing-job",
    JobType.GLUE_JOB: "job",
    JobType.TRANSFORM_JOB: "transform-job",
}
CONSOLE = {
    JobType.TRAINING_JOB: "sagemaker/home?region={r}#/jobs/{n}",
    JobType.PROCESSING_JOB: "sagemaker/home?region={r}#/processing-jobs/{n}",
    JobType.GLUE_JOB: "gluestudio/home?region={r}#/job/{n}/run",
    JobType.TRANSFORM_JOB: "sagemaker/home?region={r}#/transform-jobs/{n}",
}


def recorded_steps(status: Mapping[str, Any]) -> dict[str, Recorded]:
    """What the last status says about each paid step, read defensively: anybody may have edited it."""
    found = {}
    for step in status.get("steps") or ():
        if isinstance(step, Mapping) and step.get("awsName") and isinstance(step.get("attempt", 1), int):
            found[str(step.get("name"))] = Recorded(str(step["awsName"]), step.get("attempt", 1))
    return found


def recorded_facts(status: Mapping[str, Any]) -> dict[str, JobFact]:
    """Facts that need no second look: a content name that once succeeded, or failed for good, stays so."""
    facts: dict[str, JobFact] = {}
    for step in status.get("steps") or ():
        if not isinstance(step, Mapping) or not step.get("awsName"):
            continue
        if step.get("state") == "Succeeded":
            facts[step["awsName"]] = Succeeded(
                outputs=dict(step.get("outputs") or {}),
                metrics=_numbers(step.get("metrics")),
                run_id=step.get("runId", ""),
                started=moment(step.get("startedAt")),
                finished=moment(step.get("finishedAt")),
            )
        elif step.get("state") == "Failed" and step.get("failureClass") in set(FailureClass):
            tail = (status.get("failure") or {}).get("logTail") or ()
            facts[step["awsName"]] = Failed(
                FailureClass(step["failureClass"]),
                step.get("message", ""),
                tuple(tail),
                step.get("runId", ""),
                moment(step.get("startedAt")),
                moment(step.get("finishedAt")),
            )
    return facts


def recorded_active(status: Mapping[str, Any]) -> dict[str, tuple[JobType, str, datetime | None]]:
    """Names that may be running at AWS: steps in progress, creates once attempted and not seen since, what earlier runs left.

    name -> (type, run id, attempted at).
    """
    found = {}
    for entry in [*(status.get("steps") or ()), *(status.get("leftovers") or ())]:
        if isinstance(entry, Mapping) and entry.get("awsName") and entry.get("type") in set(JobType) and _may_run(entry):
            found[entry["awsName"]] = (JobType(entry["type"]), entry.get("runId", ""), moment(entry.get("attemptedAt")))
    return found


def _may_run(entry: Mapping[str, Any]) -> bool:
    state = entry.get("state", "InProgress")
    return state == "InProgress" or (state == "Pending" and bool(entry.get("attemptedAt")))


def step_entries(run: Run, progress: Progress, previous: Mapping[str, Any], now: datetime, creating: bool = False) -> list[dict[str, Any]]:
    """status.steps for the paid steps: those done, the current one, those to come."""
    places = places_of(run, progress)
    entries = [step_entry(run, attempt, fact, places, previous, now) for attempt, fact in progress.done]
    if progress.current is not None:
        attempt, fact = progress.current
        entries.append(step_entry(run, attempt, fact, places, previous, now, creating))
    known = {entry["name"] for entry in entries}
    entries += [{"name": step.name, "type": str(step.type), "state": "Pending"} for step in steps_of(run) if step.name not in known]
    return entries


def places_of(run: Run, progress: Progress) -> dict[str, str]:
    """Where every channel's data is, by name."""
    return progress.outputs | {name: version.uri for name, version in run.inputs.items()}


def step_entry(
    run: Run, attempt: Attempt, fact: JobFact, places: Mapping[str, str], previous: Mapping[str, Any], now: datetime, creating: bool = False
) -> dict[str, Any]:
    tenant, step = run.tenant.spec, attempt.step
    model = step.content.get("model")
    service = "glue" if step.type is JobType.GLUE_JOB else "sagemaker"
    entry: dict[str, Any] = {
        "name": step.name,
        "type": str(step.type),
        "state": "InProgress",
        "awsName": attempt.aws_name,
        "arn": f"arn:{partition(tenant.region)}:{service}:{tenant.region}:{tenant.account}:{ARN_PATHS[step.type]}/{attempt.aws_name}",
        "attempt": attempt.number,
        "inputs": {name: places[name] for name in step.consumes if name in places} | ({"model": model} if model else {}),
        "consoleUrl": f"https://{tenant.region}.console.aws.amazon.com/" + CONSOLE[step.type].format(r=tenant.region, n=attempt.aws_name),
    }
    if isinstance(fact, Succeeded):
        entry |= {"state": "Succeeded", "outputs": dict(fact.outputs)}
        if fact.metrics:
            entry["metrics"] = {name: f"{value:.6g}" for name, value in sorted(fact.metrics.items())[:20]}
    elif isinstance(fact, Failed):
        state = "Stopped" if fact.failure is FailureClass.STOPPED else "Failed"
        entry |= {"state": state, "failureClass": str(fact.failure), "message": bounded(fact.reason)}
    elif not isinstance(fact, Active | Unstarted | Unknown) and not creating:
        entry["state"] = "Pending"
    entry |= _times(entry, fact, attempt, previous, now, creating)
    return entry


def _times(
    entry: Mapping[str, Any], fact: JobFact, attempt: Attempt, previous: Mapping[str, Any], now: datetime, creating: bool
) -> dict[str, Any]:
    before = next(
        (step for step in previous.get("steps") or () if isinstance(step, Mapping) and step.get("awsName") == attempt.aws_name), {}
    )
    times: dict[str, Any] = {}
    attempted = before.get("attemptedAt")
    if creating:
        attempted = timestamp(now)
    if attempted:
        times["attemptedAt"] = attempted
    run_id = getattr(fact, "run_id", "") or before.get("runId", "")
    if run_id and isinstance(fact, Succeeded | Failed):
        times["runId"] = run_id
    for field, value in (("startedAt", getattr(fact, "started", None)), ("finishedAt", getattr(fact, "finished", None))):
        if value is not None and entry["state"] != "InProgress":
            times[field] = timestamp(value)
    if entry["state"] == "InProgress":
        times["startedAt"] = before.get("startedAt") or timestamp(now)
    return times


def tail_entries(run: Run, gate: Mapping[str, Any] | None, register: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The two steps that cost nothing, when the spec has them."""
    entries: list[dict[str, Any]] = []
    if run.spec.gates:
        entries.append({"name": GATE, "type": "Gate", "state": "Pending"} | dict(gate or {}))
    if run.spec.register_ is not None:
        entries.append({"name": REGISTER, "type": "ModelPackage", "state": "Pending"} | dict(register or {}))
    return entries


def gate_entry(results: Sequence[GateResult]) -> dict[str, Any]:
    passed = all(result.passed for result in results)
    return {"state": "Succeeded" if passed else "Failed", "message": bounded("; ".join(result.message for result in results))}


def register_entry(package: Package) -> dict[str, Any]:
    return {"state": "Succeeded", "arn": package.arn, "outputs": {"approval": package.approval, "version": str(package.version)}}


def leftover_entries(leftovers: Mapping[str, Leftover], now: datetime, quarantine: float) -> list[dict[str, Any]]:
    """status.leftovers: jobs of an earlier spec that run, or whose create may still arrive (failure-modes.md A7)."""
    entries = []
    for name, left in sorted(leftovers.items()):
        unseen = isinstance(left.fact, Absent | Unseen | Unstarted)
        late = unseen and left.attempted is not None and left.attempted + timedelta(seconds=quarantine) > now
        if late or isinstance(left.fact, Active | Unknown):
            attempted = {"attemptedAt": timestamp(left.attempted)} if left.attempted else {}
            entries.append({"type": str(left.type), "awsName": name, "state": "InProgress", **attempted})
    return entries


def step_conditions(run: Run, progress: Progress) -> list[Condition]:
    """InputsResolved, Prepared, Trained, Evaluated as far as they can be said."""
    objects = sum(version.objects for version in run.inputs.values())
    said = [Condition("InputsResolved", "True", "Resolved", f"{len(run.inputs)} inputs, {objects} objects")]
    for attempt, _ in progress.done:
        said.append(Condition(DONE_CONDITIONS[attempt.step.name], "True", "Succeeded", attempt.aws_name))
    if progress.current is not None:
        attempt, fact = progress.current
        if isinstance(fact, Failed):
            said.append(Condition(DONE_CONDITIONS[attempt.step.name], "False", str(fact.failure), fact.reason))
    return said


def champion_condition(attempt: Attempt, fact: JobFact) -> list[Condition]:
    """ChampionEvaluated, once it has ended."""
    if isinstance(fact, Succeeded):
        return [Condition(DONE_CONDITIONS[attempt.step.name], "True", "Succeeded", attempt.aws_name)]
    return [Condition(DONE_CONDITIONS[attempt.step.name], "False", str(fact.failure), fact.reason)] if isinstance(fact, Failed) else []


def current_step(entries: Sequence[Mapping[str, Any]]) -> str:
    """The STEP column: what runs or failed, else the last that is done."""
    for entry in entries:
        if entry["state"] in ("InProgress", "Failed", "Stopped"):
            return str(entry["name"])
    finished = [str(entry["name"]) for entry in entries if entry["state"] == "Succeeded"]
    waiting = [str(entry["name"]) for entry in entries if entry["state"] == "Pending"]
    return waiting[0] if waiting else (finished[-1] if finished else "")


def failure_entry(attempt: Attempt, fact: Failed) -> dict[str, Any]:
    lines = [whole(line).rstrip()[:LOG_LINE_LIMIT] for line in fact.log_tail if line.strip()]
    code = _EXIT_CODE.search(fact.reason)
    exit_code = {"exitCode": int(code[1])} if code else {}
    return exit_code | {
        "step": attempt.step.name,
        "reason": str(fact.failure),
        "message": bounded(fact.reason),
        "logTail": lines[-LOG_TAIL_LINES:],
    }


def provenance(run: Run, progress: Progress, trigger: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "installation": run.install,
        "sourceDigest": files_digest(run.source.files),
        "inputs": [
            {"name": name, "uri": version.uri, "digest": version.digest, "objects": version.objects, "sizeInBytes": version.size}
            for name, version in sorted(run.inputs.items())
        ],
        "image": run.effective.training_image,
        "trigger": trigger,
        "tenant": run.tenant.name,
    }
    if run.retrain is not None and trigger == run.retrain.words:
        found["retrain"] = run.retrain.as_status()
    if run.source.revision:
        found["revision"] = bounded(run.source.revision, 128)
    if run.source.repository:
        found["repository"] = bounded(run.source.repository, 512)
    trained = progress.succeeded(TRAIN)
    if trained is not None and trained.image_digest:
        found["imageDigest"] = trained.image_digest
    return found


def with_conditions(snapshot: Snapshot, status: Mapping[str, Any], conditions: Sequence[Condition], now: datetime) -> dict[str, Any]:
    previous = list(snapshot.status.get("conditions") or ())
    return {**status, "observedGeneration": snapshot.generation, "conditions": merge(previous, conditions, snapshot.generation, now)}


def partition(region: str) -> str:
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


def _numbers(metrics: Any) -> dict[str, float]:
    found = {}
    for name, value in metrics.items() if isinstance(metrics, Mapping) else ():
        with contextlib.suppress(TypeError, ValueError):
            found[str(name)] = float(value)
    return found
