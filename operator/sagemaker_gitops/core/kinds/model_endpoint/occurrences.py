"""The transitions of a ModelEndpoint that people are told of. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sagemaker_gitops.core.kinds.model_endpoint.parking import PARKED, parking_of
from sagemaker_gitops.core.notifications import Occurrence, ready_of

TOLD_OUTCOMES: Mapping[str, str] = {"Succeeded": "InService", "RolledBack": "RolledBack", "Failed": "Failed"}


def occurrences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Occurrence]:
    """What came of an update that this status announced, and parking. A lost status announced none: what serves is no news then."""
    reason, message = ready_of(after)
    url = str(after.get("consoleUrl") or "")
    update, earlier = _update(after), _update(before)
    outcome = TOLD_OUTCOMES.get(str(update.get("outcome") or ""))
    if outcome is not None and (_asked(update) != _asked(earlier) or update.get("outcome") != earlier.get("outcome")):
        told = ("InService", f"{update.get('config')} serves: {after.get('split')}") if outcome == "InService" else (reason, message)
        yield Occurrence(outcome, "/".join(_asked(update)), *told, url)
    if after.get("phase") == PARKED and before.get("phase") != PARKED:
        yield Occurrence(PARKED, str(parking_of(after).get("since") or ""), reason, message, url)


def _update(status: Mapping[str, Any]) -> Mapping[str, Any]:
    found = status.get("update")
    return found if isinstance(found, Mapping) else {}


def _asked(update: Mapping[str, Any]) -> tuple[str, str]:
    return str(update.get("config") or ""), str(update.get("attemptedAt") or "")
