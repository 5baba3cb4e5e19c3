"""What schedule.after and target.batchOf name: what has been completed, and policies that wait for each other in a circle. Pure.

The status of the object that is named tells; it is read defensively, because anybody may have edited it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sagemaker_gitops.api.monitor_policy import MonitorPolicySpec
from sagemaker_gitops.api.monitor_schedule import After
from sagemaker_gitops.core.conditions import bounded
from sagemaker_gitops.core.errors import Finding
from sagemaker_gitops.core.kinds.monitor_policy.facts import Completion, NotReady
from sagemaker_gitops.core.kinds.monitor_policy.situation import AFTER_WORD, CELL, SUCCEEDED
from sagemaker_gitops.core.kinds.training_run.status import moment
from sagemaker_gitops.core.resource import Key, Snapshot

POLICY_PATH = "spec.schedule.after.monitorPolicyRef"


def looked_at(spec: MonitorPolicySpec, namespace: str) -> Key | None:
    """The object whose completions the policy has to know."""
    batch = spec.target.batch_of
    return Key("ModelEndpoint", namespace, batch.endpoint_ref.name) if batch is not None else awaited(spec, namespace)


def awaited(spec: MonitorPolicySpec, namespace: str) -> Key | None:
    """The object whose completions are followed."""
    after = spec.schedule.after if spec.schedule is not None else None
    return _key(after, namespace) if after is not None else None


def _key(after: After, namespace: str) -> Key:
    if after.training_run_ref is not None:
        return Key("TrainingRun", namespace, after.training_run_ref.name)
    if after.batch_of is not None:
        return Key("ModelEndpoint", namespace, after.batch_of.endpoint_ref.name)
    assert after.monitor_policy_ref is not None, "exactly one is given"
    return Key("MonitorPolicy", namespace, after.monitor_policy_ref.name)


def completions_of(key: Key, found: Snapshot | None) -> tuple[Completion, ...] | NotReady:
    """What `found` has completed, newest first."""
    if found is None:
        return NotReady(f"there is no {key.kind} {key.name} in this namespace")
    if key.kind == "ModelEndpoint" and not found.spec.get("batch"):
        return NotReady(f"ModelEndpoint {key.name} has no batch: add it to its spec")
    status = found.status
    match key.kind:
        case "TrainingRun":
            made = [_of_run(key, item) for item in (status, *_entries(status.get("history")))]
        case "ModelEndpoint":
            batch = status.get("batch")
            jobs = [batch, *_entries(batch.get("history"))] if isinstance(batch, Mapping) else []
            made = [_completion(key, item, "state", ("jobName",), "finishedAt") for item in jobs]
        case _:
            checks = [*_entries([status.get("lastCheck")]), *_entries(status.get("checks"))]
            made = [_completion(key, item, "state", ("jobName",), "moment") for item in checks]
    return tuple({item.name: item for item in made if item is not None}.values())


def _of_run(key: Key, entry: Mapping[str, Any]) -> Completion | None:
    return _completion(key, entry, "phase", ("runKey", "specHash"), "finishedAt")


def _completion(key: Key, entry: Mapping[str, Any], state: str, names: tuple[str, ...], at: str) -> Completion | None:
    named, when = next((str(entry[name]) for name in names if entry.get(name)), ""), moment(entry.get(at))
    if entry.get(state) != SUCCEEDED or not named or when is None:
        return None
    texts = [str(entry.get(field) or "") for field in ("model", "modelName")]
    return Completion(bounded(f"{key.kind}/{key.name}/{named}", CELL - len(AFTER_WORD)), when, moment(entry.get("startedAt")), *texts)


def _entries(found: Any) -> list[Mapping[str, Any]]:
    return [item for item in found if isinstance(item, Mapping)] if isinstance(found, list | tuple) else []


def circle_of(name: str, spec: MonitorPolicySpec, named: Callable[[str], Mapping[str, Any] | None]) -> tuple[str, ...]:
    """The policies from `name` on of which each waits for the next, back to it; empty when there is no such circle.

    `named` gives the spec of another policy of the namespace, which may be of any form.
    """
    after = spec.schedule.after if spec.schedule is not None else None
    following = after.monitor_policy_ref.name if after is not None and after.monitor_policy_ref is not None else ""
    path = [name]
    while following and following not in path:
        path.append(following)
        following = _policy_of(named(following))
    return (*path, name) if following == name else ()


def _policy_of(spec: Any) -> str:
    for field in ("schedule", "after", "monitorPolicyRef", "name"):
        spec = spec.get(field) if isinstance(spec, Mapping) else None
    return spec if isinstance(spec, str) else ""


def circle_findings(circle: tuple[str, ...]) -> tuple[Finding, ...]:
    """None for an empty one."""
    words = f"{' -> '.join(circle)}: each waits for the next, so none is ever checked; give one of them a cron"
    return (Finding(POLICY_PATH, words),) if circle else ()
