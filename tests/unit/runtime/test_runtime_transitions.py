"""core.transitions: one event per fact that changed."""

from __future__ import annotations

from typing import Any

import pytest

from sagemaker_gitops.core.transitions import StepTransition, Transition, step_transitions, transitions


def status(*conditions: tuple[str, str, str], phase: str = "Training", message: str = "m") -> dict[str, Any]:
    listed = [{"type": type_, "status": state, "reason": reason, "message": message} for type_, state, reason in conditions]
    return {"phase": phase, "conditions": listed}


RUNNING = status(("Ready", "False", "Training"), ("Reconciling", "True", "Training"))


def test_conditions_with_one_reason_are_one_event() -> None:
    """Ready and Reconciling say the same thing; so does the phase that changed with them."""
    assert transitions({}, RUNNING) == [Transition("Normal", "Training", "m")]


def test_equal_statuses_give_no_event() -> None:
    """A message that changes is no transition either."""
    again = status(("Ready", "False", "Training"), ("Reconciling", "True", "Training"), message="other")
    assert transitions(RUNNING, again) == []


def test_a_failure_is_a_warning() -> None:
    """Stalled turns the shared reason into a warning."""
    failed = status(("Ready", "False", "TrainingFailed"), ("Stalled", "True", "TrainingFailed"), phase="Failed")
    assert transitions(RUNNING, failed) == [Transition("Warning", "TrainingFailed", "m")]


def test_ready_unknown_is_a_warning() -> None:
    """A bug of ours is worth a warning."""
    assert transitions(RUNNING, status(("Ready", "Unknown", "InternalError")))[0].type == "Warning"


@pytest.mark.parametrize(("phase", "severity"), [("Failed", "Warning"), ("Succeeded", "Normal")])
def test_a_phase_that_changes_alone_is_an_event(phase: str, severity: str) -> None:
    """Nothing else tells of it."""
    assert transitions(RUNNING, {**RUNNING, "phase": phase}) == [Transition(severity, phase, "m")]  # type: ignore[arg-type]


def test_a_condition_that_disappears_is_no_news() -> None:
    """Reconciling goes away when a run ends; Ready says so already."""
    done = status(("Ready", "True", "Succeeded"))
    assert transitions(RUNNING, done) == [Transition("Normal", "Succeeded", "m")]


def test_messages_are_bounded() -> None:
    """A ten-megabyte error does not become a ten-megabyte event (failure-modes.md G4)."""
    assert len(transitions({}, status(("Ready", "False", "X"), message="e" * 10_000_000))[0].message) == 1000


def test_steps_that_changed_are_listed_in_order() -> None:
    """A new step and a new state count, an unchanged one does not."""
    old = {"steps": [{"name": "prepare", "state": "Succeeded"}, {"name": "train", "state": "Running"}]}
    new = {"steps": [*old["steps"][:1], {"name": "train", "state": "Failed"}, {"name": "evaluate", "state": "Pending"}]}
    assert step_transitions(old, new) == [StepTransition("train", "Failed"), StepTransition("evaluate", "Pending")]


def test_conditions_of_null_are_none() -> None:
    """As the API server may hand them back for a nullable list."""
    assert transitions({"conditions": None}, RUNNING) == [Transition("Normal", "Training", "m")]


def test_a_step_without_a_state_is_no_transition() -> None:
    """It has not been said yet how it is."""
    assert step_transitions({}, {"steps": [{"name": "train"}]}) == []
