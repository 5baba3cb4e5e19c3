"""The transitions of a MonitorPolicy that people are told of. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sagemaker_gitops.core.kinds.monitor_policy.situation import BREACHED, DATA_AVAILABLE, REFUSED
from sagemaker_gitops.core.notifications import Occurrence, condition_of, ready_of

NO_HELP = "NoImprovement"  # Stalled's reason
CHECK_FAILED = "CheckFailed"


def occurrences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Occurrence]:
    """What the last check changed, and what was decided about an open breach. While it lasts, it is not told again."""
    check, earlier = _of(after, "lastCheck"), _of(before, "lastCheck")
    if _named(check) != _named(earlier) and _watched(before, check):
        yield from _checked(before, after, "/".join(_named(check)), str(check.get("consoleUrl") or ""))
    asked, url = str(_of(after, "retrain").get("episode") or ""), str(check.get("consoleUrl") or "")
    if asked and asked != _of(before, "retrain").get("episode"):
        run = _of(after, "retrain").get("trainingRun")
        yield Occurrence("RetrainRequested", asked, "RetrainRequested", f"TrainingRun {run} is asked to train again", url)
    stalled = condition_of(after, "Stalled")
    if stalled.get("reason") == NO_HELP and condition_of(before, "Stalled").get("reason") != NO_HELP:
        episode = str(_of(after, "episode").get("id") or "")
        yield Occurrence("RetrainStalled", episode, NO_HELP, str(stalled.get("message") or ""), url)


def _checked(before: Mapping[str, Any], after: Mapping[str, Any], identity: str, url: str) -> Iterator[Occurrence]:
    breached, data = condition_of(after, BREACHED), condition_of(after, DATA_AVAILABLE)
    was, had = condition_of(before, BREACHED).get("status"), condition_of(before, DATA_AVAILABLE).get("status")
    if breached.get("status") == "True" and was != "True":
        yield Occurrence("Breached", identity, str(breached.get("reason") or ""), str(breached.get("message") or ""), url)
    if breached.get("status") == "False" and was == "True":
        yield Occurrence("Recovered", identity, str(breached.get("reason") or ""), str(breached.get("message") or ""), url)
    if data.get("status") == "False" and had != "False":
        yield Occurrence("NoData", identity, str(data.get("reason") or ""), str(data.get("message") or ""), url)
    if after.get("phase") == CHECK_FAILED and before.get("phase") != CHECK_FAILED:
        yield Occurrence("Failed", identity, *ready_of(after), url)


def _watched(before: Mapping[str, Any], check: Mapping[str, Any]) -> bool:
    """Whether this status saw the check under way, or there was no job to see: one that AWS had ended long ago is no news."""
    if not check.get("jobName") or check.get("state") == REFUSED:
        return True
    return bool(_of(before, "running").get("jobName") == check.get("jobName"))


def _named(check: Mapping[str, Any]) -> tuple[str, str, str]:
    return str(check.get("jobName") or ""), str(check.get("moment") or ""), str(check.get("trigger") or "")


def _of(status: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    found = status.get(field)
    return found if isinstance(found, Mapping) else {}
