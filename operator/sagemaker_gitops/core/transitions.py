"""What changed between two statuses, said once: Kubernetes Events and step metrics come from here.

Pure. An event is a transition, never a state: equal statuses give none (failure-modes.md G5).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sagemaker_gitops.core.conditions import READY, STALLED, bounded

EventType = Literal["Normal", "Warning"]
FAILED_PHASES = frozenset({"Failed", "Invalid", "Error"})
_TROUBLED = {STALLED: "True", READY: "Unknown", "Drifted": "True", "BatchFailed": "True", "Notified": "False", "CheckedNow": "False"}


@dataclass(frozen=True, slots=True)
class Transition:
    """One Kubernetes Event. `type` and `reason` are its fields, `message` at most 1,000 characters."""

    type: EventType
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class StepTransition:
    """A step of status.steps that is in another state than before."""

    step: str
    state: str


def transitions(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Transition]:
    """One event per fact that changed: a condition's status or reason, or else the phase.

    Conditions that carry the same reason are the same fact (Ready and Reconciling, Ready and Stalled), and so is the
    phase that changes with them. A condition that disappears is not news.
    """
    found: dict[str, Transition] = {}
    for condition in _changed_conditions(old, new):
        reason = condition.get("reason", "")
        event = Transition(_severity(condition), reason, bounded(condition.get("message", "")))
        if reason not in found or event.type == "Warning":
            found[reason] = event
    phase = new.get("phase", "")
    if phase and phase != old.get("phase") and not found:
        found[phase] = Transition("Warning" if phase in FAILED_PHASES else "Normal", phase, _summary(new))
    return list(found.values())


def step_transitions(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[StepTransition]:
    """The steps whose state changed, in the order of status.steps."""
    before = {step.get("name"): step.get("state") for step in old.get("steps", ())}
    return [
        StepTransition(step["name"], step["state"])
        for step in new.get("steps", ())
        if step.get("state") and before.get(step.get("name")) != step["state"]
    ]


def _changed_conditions(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    before = {condition["type"]: condition for condition in _conditions(old)}
    return [
        condition
        for condition in _conditions(new)
        if (condition.get("status"), condition.get("reason")) != _stated(before.get(condition["type"]))
    ]


def _conditions(status: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return status.get("conditions") or ()


def _stated(condition: Mapping[str, Any] | None) -> tuple[Any, Any]:
    return (None, None) if condition is None else (condition.get("status"), condition.get("reason"))


def _severity(condition: Mapping[str, Any]) -> EventType:
    troubled = _TROUBLED.get(condition["type"])
    somebody_has_to_act = condition.get("status") != "True" and str(condition.get("reason", "")).endswith("Missing")
    return "Warning" if condition.get("status") == troubled or somebody_has_to_act else "Normal"


def _summary(status: Mapping[str, Any]) -> str:
    messages = {condition["type"]: condition.get("message", "") for condition in _conditions(status)}
    return bounded(messages.get(READY) or str(status.get("phase", "")))
