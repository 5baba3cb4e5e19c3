"""What the API lets a user write as a check, the job understands: the two sides of docs/decisions/0011 held to each other."""

from __future__ import annotations

from typing import Any, get_args

import pytest

import bias_metrics
import check_config
import drift
import quality_metrics
from sagemaker_gitops.api.monitor_check import METRICS_OF, Check, Drift
from sagemaker_gitops.core.kinds.training_run.run import content_of

ENTRIES: list[dict[str, Any]] = [
    {"type": "DataQuality", "drift": {"method": "PSI", "threshold": 0.2, "features": ["amount"]}, "completeness": 0.99},
    {
        "type": "ModelQuality",
        "problemType": "BinaryClassification",
        "metrics": ["f1"],
        "inferenceAttribute": "score",
        "probabilityAttribute": "p",
        "probabilityThreshold": 0.4,
        "groundTruthAttribute": "paid",
        "positiveLabel": "yes",
    },
    {
        "type": "Bias",
        "facet": "region",
        "facetValues": ["north"],
        "label": "approved",
        "positiveLabels": ["1"],
        "groupVariable": "branch",
        "metrics": ["DPPL", "CDDPL"],
        "inferenceAttribute": "0",
        "probabilityThreshold": 0.5,
    },
    {"type": "Bias", "facet": "age", "facetThreshold": 40},
    {"type": "Explainability", "predictor": "predictor.py", "threshold": 0.8, "samples": 50},
    {"type": "Explainability", "entryPoint": "attributions.py"},
    {"type": "Custom", "entryPoint": "loss.py", "metric": "wql"},
]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["type"])
def test_every_entry_of_the_api_is_understood(entry: dict[str, Any]) -> None:
    """As the operator writes it into config.json."""
    written = content_of(Check.model_validate({"name": "a", **entry}, by_alias=True, by_name=False))
    assert check_config._check(written, "checks[0]").name == "a"


def test_the_words_are_the_same() -> None:
    """Methods of drift, problem types, kinds of checks."""
    assert set(get_args(Drift.model_fields["method"].annotation)) == set(drift.METHODS)
    problems = {word for part in get_args(Check.model_fields["problem_type"].annotation) for word in get_args(part)}
    assert problems == set(quality_metrics.METRICS)
    assert quality_metrics.METRICS | {"Bias": tuple(bias_metrics.METRICS)} == METRICS_OF
    assert set(get_args(Check.model_fields["type"].annotation)) == set(check_config._CHECKS)
