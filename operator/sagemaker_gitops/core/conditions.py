"""Conditions as kstatus reads them: Ready always, Reconciling and Stalled only while true, each with observedGeneration.

Pure: a status in, a status out. Reasons are the CamelCase constants of this module or a kind's own.
Source: kstatus (sigs.k8s.io/cli-utils/pkg/kstatus), Kubernetes API conventions, "typical status properties".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, assert_never

from sagemaker_gitops.core.errors import AwsFailure, Category, Finding
from sagemaker_gitops.core.plan import After
from sagemaker_gitops.core.resource import Snapshot

MESSAGE_LIMIT = 1000
Status = Literal["True", "False", "Unknown"]

READY = "Ready"
RECONCILING = "Reconciling"
STALLED = "Stalled"


@dataclass(frozen=True, slots=True)
class Condition:
    """What is to be said; lastTransitionTime and observedGeneration are added when it is merged."""

    type: str
    status: Status
    reason: str
    message: str = ""


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with whole seconds, as the API server writes its own. botocore gives AWS's times in the zone of the machine."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def exact(moment: datetime) -> str:
    """RFC 3339 in UTC with the milliseconds that AWS gives: of two changes within a second, which one was seen."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z"


def moment(text: Any) -> datetime | None:
    """A time of status, None for what is none: anybody may have edited it."""
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None


def whole(text: str) -> str:
    """`text` without halves of surrogate pairs, which JSON can carry and no API server keeps as they are."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def bounded(text: str, limit: int = MESSAGE_LIMIT) -> str:
    """One line of at most `limit` characters (failure-modes.md G4)."""
    line = " ".join(whole(text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def merge(previous: Sequence[Mapping[str, Any]], wanted: Sequence[Condition], generation: int, now: datetime) -> list[dict[str, Any]]:
    """The new condition list, sorted by type; a transition time moves only when the status of a type does."""
    before = {condition["type"]: condition for condition in previous}
    merged = []
    for condition in sorted(wanted, key=lambda item: item.type):
        old = before.get(condition.type)
        unchanged = old is not None and old.get("status") == condition.status
        since = old["lastTransitionTime"] if old is not None and unchanged else timestamp(now)
        merged.append(
            {
                "type": condition.type,
                "status": condition.status,
                "reason": condition.reason,
                "message": bounded(condition.message),
                "observedGeneration": generation,
                "lastTransitionTime": since,
            }
        )
    return merged


def ready(reason: str, message: str = "") -> list[Condition]:
    return [Condition(READY, "True", reason, message)]


def reconciling(reason: str, message: str = "") -> list[Condition]:
    return [Condition(READY, "False", reason, message), Condition(RECONCILING, "True", reason, message)]


def stalled(reason: str, message: str = "") -> list[Condition]:
    return [Condition(READY, "False", reason, message), Condition(STALLED, "True", reason, message)]


def suspended(reason: str, message: str = "") -> list[Condition]:
    """Neither moving nor broken: Argo CD's health script shows Suspended."""
    return [Condition(READY, "False", reason, message)]


def unbound(namespace: str, candidates: Sequence[str]) -> list[Condition]:
    """Why no AWS call is made for an object: no Tenant names its namespace, or `candidates` do."""
    if candidates:
        message = f"namespace {namespace} is named by more than one Tenant ({', '.join(candidates)}): no AWS call is made until one remains"
        return stalled("TenantAmbiguous", message)
    message = f"no Tenant names namespace {namespace}: no AWS call is made; ask the platform team to add it to a Tenant's spec.namespaces"
    return reconciling("TenantMissing", message)


def replace_summary(status: Mapping[str, Any], summary: Sequence[Condition], generation: int, now: datetime) -> dict[str, Any]:
    """`status` with Ready, Reconciling and Stalled replaced by `summary`; conditions of the kind itself stay."""
    previous = list(status.get("conditions", ()))
    kept = [
        Condition(item["type"], item["status"], item["reason"], item.get("message", ""))
        for item in previous
        if item["type"] not in (READY, RECONCILING, STALLED)
    ]
    return {**status, "conditions": merge(previous, [*kept, *summary], generation, now)}


def invalid(snapshot: Snapshot, findings: Sequence[Finding], now: datetime) -> dict[str, Any]:
    """The status of a resource that cannot be acted upon until its spec changes."""
    message = "; ".join(str(finding) for finding in findings)
    status = replace_summary(snapshot.status, stalled("InvalidSpec", message), snapshot.generation, now)
    return {**status, "observedGeneration": snapshot.generation, "phase": "Invalid"}


# Seconds until the first retry; the reconciler lengthens it while the failure lasts. Blocked: failure-modes.md section 3, "Temporary-slow".
FIRST_RETRY: Mapping[Category, float] = {
    Category.TRANSIENT: 1.0,
    Category.THROTTLED: 2.0,
    Category.BUSY: 5.0,
    Category.EXISTS: 1.0,
    Category.NOT_FOUND: 5.0,
    Category.BLOCKED: 60.0,
    Category.TERMINAL: 6 * 3600.0,
}


def failed_pass(snapshot: Snapshot, status: Mapping[str, Any], error: AwsFailure, now: datetime) -> tuple[dict[str, Any], After]:
    """What to say, and when to look again at the soonest, after an AWS call of this pass failed.

    `status` is the last written one. A person has to act on Blocked and Terminal, so those stall; the rest is progress
    with an explanation.
    """
    message = f"{error.service}:{error.operation}: {error.code}: {error.message}"
    match error.category:
        case Category.TRANSIENT | Category.THROTTLED | Category.BUSY | Category.EXISTS | Category.NOT_FOUND:
            summary = reconciling(f"Aws{error.category}", message)
        case Category.BLOCKED | Category.TERMINAL:
            summary = stalled(error.code if error.code.isalnum() else f"Aws{error.category}", message)
        case _:
            assert_never(error.category)
    failed = replace_summary({**status, **error.withdrawn}, summary, snapshot.generation, now)
    return {**failed, "observedGeneration": snapshot.generation}, After(FIRST_RETRY[error.category])
