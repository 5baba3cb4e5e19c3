"""The CloudWatch alarms that a policy asks for: made when they are missing or other than wanted, taken away when nobody wants them. Pure.

status.cloudWatchAlarms is the identity of what CloudWatch was last told: only when that changes, it is asked what it has.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sagemaker_gitops.core import naming
from sagemaker_gitops.core.actions import Action
from sagemaker_gitops.core.kinds.model_endpoint.alarms import delete_alarm, same
from sagemaker_gitops.core.kinds.monitor_policy.publish import put_alarm, wanted_alarms
from sagemaker_gitops.core.kinds.monitor_policy.situation import CHANGING, Pass, watched_of


def wanted(here: Pass) -> dict[str, dict[str, Any]]:
    """None before the first check, which says what the alarms look at."""
    last = here.recorded.last
    return wanted_alarms(here, {**last, "alarms": here.snapshot.status.get("alarms")}) if watched_of(last) is not None else {}


def out_of_line(here: Pass) -> bool:
    """Whether CloudWatch has to be asked."""
    return here.snapshot.status.get("cloudWatchAlarms") != _identity(wanted(here))


def in_line(here: Pass) -> tuple[tuple[Action, ...], Mapping[str, Any]]:
    """The calls, and what status says afterwards; before the first call of a change, that there is one. The observer has found only alarms
    that are ours.
    """
    found = here.facts.alarms
    if found is None:
        return (), {}
    needed = wanted(here)
    puts = tuple(
        put_alarm(here, name, settings) for name, settings in needed.items() if name not in found or not same(found[name], settings)
    )
    if puts and here.snapshot.status.get("cloudWatchAlarms") != CHANGING:
        return (), {"cloudWatchAlarms": CHANGING}
    return (*puts, *(delete_alarm(name) for name in sorted(found.keys() - needed.keys()))), {"cloudWatchAlarms": _identity(needed)}


def _identity(needed: Mapping[str, Any]) -> str | None:
    return naming.content_key(needed) if needed else None
