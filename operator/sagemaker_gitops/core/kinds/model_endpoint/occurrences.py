"""The transitions of a ModelEndpoint that people are told of. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sagemaker_gitops.core.kinds.model_endpoint.parking import PARKED, parking_of
from sagemaker_gitops.core.notifications import Occurrence, ready_of

TOLD_OUTCOMES: Mapping[str, str] = {"Succeeded": "InService", "RolledBack": "RolledBack", "Failed": "Failed"}

UNDER_WAY = ("InProgress", "Running")


def occurrences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Occurrence]:
    """What came of an update, a smoke test or a batch job that this status announced, and parking. A lost status announced none: what
    serves is no news then.
    """
    reason, message = ready_of(after)
    url = str(after.get("consoleUrl") or "")
    update, earlier = _of(after, "update"), _of(before, "update")
    outcome = TOLD_OUTCOMES.get(str(update.get("outcome") or ""))
    if outcome is not None and (_asked(update) != _asked(earlier) or update.get("outcome") != earlier.get("outcome")):
        said = ("InService", f"{update.get('config')} serves: {after.get('split')}") if outcome == "InService" else (reason, message)
        yield Occurrence(outcome, "/".join(_asked(update)), *said, url)
    smoke, batch = _of(after, "smokeTest"), _of(after, "batch")
    if _has_failed(_of(before, "smokeTest"), smoke, "key"):
        told = f"{smoke.get('config')}: {smoke.get('message')}"
        yield Occurrence("Failed", f"smoke-test/{smoke.get('key')}/{smoke.get('startedAt')}", "SmokeTestFailed", told, url)
    if _has_failed(_of(before, "batch"), batch, "jobName"):
        told = f"{batch.get('jobName')}: {_of(batch, 'failure').get('message')}"
        yield Occurrence("Failed", f"batch/{batch.get('jobName')}", "BatchFailed", told, str(batch.get("consoleUrl") or ""))
    if after.get("phase") == PARKED and before.get("phase") != PARKED:
        yield Occurrence(PARKED, str(parking_of(after).get("since") or ""), reason, message, url)


def _has_failed(before: Mapping[str, Any], after: Mapping[str, Any], identity: str) -> bool:
    """Whether this status saw it under way, and now sees its failure: one that AWS had ended long ago is no news."""
    same = bool(after.get(identity)) and before.get(identity) == after[identity]
    return same and before.get("state") in UNDER_WAY and after.get("state") == "Failed"


def _of(status: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    found = status.get(field)
    return found if isinstance(found, Mapping) else {}


def _asked(update: Mapping[str, Any]) -> tuple[str, str]:
    return str(update.get("config") or ""), str(update.get("attemptedAt") or "")
