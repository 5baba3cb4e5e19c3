"""Whether a model may be registered: a chain of comparisons in which anything missing or not a number fails (H14)."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sagemaker_gitops.api.training_rules import champion_goal
from sagemaker_gitops.api.training_run import DEFAULT_MIN_DELTA, Gate, TrainingRunSpec
from sagemaker_gitops.core.kinds.training_run.facts import Package

OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
}


ROUNDING = 1e-9  # 0.3 - 0.2 is a little less than 0.1 in binary


@dataclass(frozen=True, slots=True)
class GateResult:
    """One gate with its numbers. value is None when the metric is missing or not finite."""

    metric: str
    passed: bool
    message: str
    value: float | None = None
    champion: float | None = None


def judge(spec: TrainingRunSpec, metrics: Mapping[str, float], champion: Package | None) -> tuple[GateResult, ...]:
    """Every gate's result, in the order of the spec."""
    return tuple(_judge_one(gate, metrics, champion, champion_goal(spec, gate) == "Minimize") for gate in spec.gates)


def _judge_one(gate: Gate, metrics: Mapping[str, float], champion: Package | None, minimise: bool) -> GateResult:
    value = metrics.get(gate.metric)
    if value is None:
        known = ", ".join(sorted(metrics)[:10]) or "none"
        return GateResult(gate.metric, False, f"metric {gate.metric} is missing; the evaluation wrote: {known}")
    if not math.isfinite(value):
        return GateResult(gate.metric, False, f"metric {gate.metric} is {value}, not a number to compare")
    if gate.champion is not None:
        return _against_champion(gate, value, champion, minimise)
    assert gate.operator is not None, "the schema's exactly-one-of"
    assert gate.value is not None, "operator and value come together"
    passed = OPERATORS[gate.operator](value, gate.value)
    return GateResult(gate.metric, passed, f"{gate.metric}={value:g} {'is' if passed else 'is not'} {gate.operator} {gate.value:g}", value)


def _against_champion(gate: Gate, value: float, champion: Package | None, minimise: bool) -> GateResult:
    assert gate.champion is not None
    if champion is None:
        return GateResult(gate.metric, True, f"{gate.metric}={value:g}; no approved version to compare with", value)
    other = champion.metrics.get(gate.metric)
    named = f"{champion.group}/{champion.version}"
    if other is None or not math.isfinite(other):
        return GateResult(gate.metric, False, f"champion {named} has no usable metric {gate.metric}", value)
    gain = other - value if minimise else value - other
    least = gate.champion.min_delta or DEFAULT_MIN_DELTA
    passed = gain >= least or math.isclose(gain, least, rel_tol=ROUNDING, abs_tol=ROUNDING)
    verdict = "is" if passed else "is not"
    message = f"{gate.metric}={value:g} {verdict} better than champion {named} ({other:g}) by at least {least:g}"
    return GateResult(gate.metric, passed, message, value, other)
