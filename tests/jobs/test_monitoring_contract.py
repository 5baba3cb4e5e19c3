"""Both sides of docs/decisions/0011: every check that a MonitorPolicy accepts is one that the job understands."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from monitoring_world import World

from check_config import parse
from drift import METHODS
from quality_metrics import METRICS
from sagemaker_gitops.api.monitor_check import Check, Drift
from sagemaker_gitops.core.kinds.training_run.run import content_of


def test_the_choices_are_the_same() -> None:
    """Methods of drift and problem types."""
    assert set(get_args(Drift.model_fields["method"].annotation)) == set(METHODS)
    (problems, _) = get_args(Check.model_fields["problem_type"].annotation)
    assert set(get_args(problems)) == set(METRICS)


@pytest.mark.parametrize(
    "check",
    [
        *(
            {"name": "inputs", "type": "DataQuality", "drift": {"method": method, "threshold": 0.2}, "completeness": 0.99}
            for method in METHODS
        ),
        *({"name": "errors", "type": "ModelQuality", "problemType": problem, "metrics": list(METRICS[problem])} for problem in METRICS),
        {"name": "parity", "type": "Bias", "facet": "region", "label": "approved", "metrics": ["DPPL", "DI"]},
        {"name": "why", "type": "Explainability", "image": "explainer:1.0", "threshold": 0.8},
        {"name": "why", "type": "Explainability", "image": "explainer:1.0", "entryPoint": "explain.py"},
        {"name": "why", "type": "Explainability", "entryPoint": "explain.py"},
        {"name": "why", "type": "Explainability", "predictor": "score.py", "samples": 50},
        {"name": "loss", "type": "Custom", "entryPoint": "quantile_loss.py", "metric": "mean_weighted_quantile_loss"},
    ],
)
def test_a_check_of_a_policy_is_understood(world: World, check: dict[str, Any]) -> None:
    """As the operator writes it into config.json."""
    (found,) = parse({**world.config, "checks": [content_of(Check.model_validate(check))]}).checks
    assert found.name == check["name"]
