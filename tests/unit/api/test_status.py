"""api/status.py: a status never outgrows its limit."""

from __future__ import annotations

import json
from typing import Any

from sagemaker_gitops.api.status import SIZE_LIMIT, TrainingRunStatus, fitted

STEP = {
    "name": "train",
    "type": "TrainingJob",
    "state": "Succeeded",
    "awsName": "team-a-digits-train-k5tq3vwx2a",
    "outputs": {"model": "s3://b/m"},
}


def _past(number: int) -> dict[str, Any]:
    return {"specHash": f"{number:010d}", "phase": "Succeeded", "metric": "accuracy=0.97", "startedAt": "2026-11-21T10:00:00Z"}


def test_oldest_history_goes_first() -> None:
    """10,000 runs are cut to the newest that fit; nothing else is touched."""
    status = {"phase": "Succeeded", "steps": [STEP], "history": [_past(number) for number in range(10_000)]}
    made = fitted(status)
    assert len(json.dumps(made)) <= SIZE_LIMIT
    assert made["history"] == status["history"][: len(made["history"])]
    assert len(made["history"]) > 100
    assert made["steps"] == [STEP]


def test_small_status_is_unchanged() -> None:
    """What fits is written as it is."""
    status = {"phase": "Running", "steps": [STEP], "history": [_past(1)]}
    assert fitted(status) == status


def test_explanations_go_before_identities() -> None:
    """When history is not enough, metrics, inputs, log lines and effective go; names, outputs and conditions stay."""
    large = STEP | {"metrics": {"a": "x" * 30_000}, "inputs": {"b": "x" * 30_000}}
    conditions = [{"type": "Ready", "status": "False", "reason": "AlgorithmError"}]
    failure = {"step": "train", "reason": "AlgorithmError", "logTail": ["x" * 30_000]}
    made = fitted({"steps": [large], "conditions": conditions, "failure": failure, "effective": {"x": "x" * 60_000}, "history": [_past(1)]})
    assert len(json.dumps(made)) <= SIZE_LIMIT
    assert made["steps"] == [STEP]
    assert made["conditions"] == conditions
    assert made["failure"]["reason"] == "AlgorithmError"


def test_status_of_the_operator_is_valid() -> None:
    """The model takes a status as the operator writes it."""
    status = {
        "observedGeneration": 1,
        "phase": "Succeeded",
        "specHash": "a",
        "steps": [STEP],
        "history": [_past(1)],
        "queue": {"position": 2},
    }
    assert TrainingRunStatus.model_validate(status, by_name=False).phase == "Succeeded"
