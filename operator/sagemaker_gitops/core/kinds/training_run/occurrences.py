"""The transitions of a TrainingRun that people are told of. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from sagemaker_gitops.core.conditions import moment
from sagemaker_gitops.core.kinds.training_run.run import REGISTER
from sagemaker_gitops.core.kinds.training_run.situation import TERMINAL_PHASES
from sagemaker_gitops.core.notifications import Occurrence, ready_of

TOLD_PHASES = ("Succeeded", "Failed", "GateRejected")
AWAITING = "PendingManualApproval"


def occurrences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Occurrence]:
    """The end of a run, told once for what was asked for: specHash, which an edit, a rerun and a retrain change."""
    phase, asked = str(after.get("phase") or ""), str(after.get("specHash") or "")
    if phase not in TOLD_PHASES or (before.get("phase"), before.get("specHash")) == (phase, asked) or not _news(before, after):
        return
    reason, message = ready_of(after)
    url = _console_url(after)
    yield Occurrence(phase, asked, reason, message, url)
    model = str(after.get("model") or "")
    if phase == "Succeeded" and _approval(after) == AWAITING:
        yield Occurrence("AwaitingApproval", model, "AwaitingApproval", f"{model} waits for somebody to approve or reject it", url)


def _news(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Not an end that AWS had seen before this status began: a lost status, or a cluster rebuilt from git, finds every job finished.

    After another run that ended under this very status it is news, whenever its jobs ran: an edit of a gate runs none.
    """
    if before.get("phase") in TERMINAL_PHASES and before.get("specHash") != after.get("specHash"):
        return True
    ended, began = _ended(after), moment(after.get("startedAt"))
    return ended is None or began is None or ended >= began


def _ended(status: Mapping[str, Any]) -> datetime | None:
    """When AWS says that the last job of the run ended; None where the run has ended without one."""
    steps = [step for step in status.get("steps") or () if isinstance(step, Mapping)]
    if not any(step.get("state") == "Failed" for step in steps) and status.get("phase") == "Failed":
        return None
    return max((at for at in (moment(step.get("finishedAt")) for step in steps) if at is not None), default=None)


def _approval(status: Mapping[str, Any]) -> str:
    register = next((step for step in status.get("steps") or () if isinstance(step, Mapping) and step.get("name") == REGISTER), {})
    return str((register.get("outputs") or {}).get("approval") or "")


def _console_url(status: Mapping[str, Any]) -> str:
    """The step that the run ended with, or the last one that has a page."""
    steps = [step for step in status.get("steps") or () if isinstance(step, Mapping) and step.get("consoleUrl")]
    named = [step for step in steps if step.get("name") == status.get("step")]
    return str((named or steps)[-1]["consoleUrl"]) if steps else ""
