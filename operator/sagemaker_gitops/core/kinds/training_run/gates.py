"""Whether a model may be registered: a chain of comparisons in which anything missing or not a number fails (H14)."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import assert_never

from sagemaker_gitops.api.training_rules import champion_goal
from sagemaker_gitops.api.training_run import DEFAULT_MIN_DELTA, Gate, TrainingRunSpec
from sagemaker_gitops.core.kinds.training_run.facts import (
    Champion,
    ChampionFact,
    ChampionPending,
    Evaluation,
    NoChampion,
    NoSuchVariant,
)

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


@dataclass(frozen=True, slots=True)
class Rival:
    """What champion gates compare with. `evaluation` is the champion's own on this run's test data, None when there was none."""

    champion: ChampionFact
    is_own: bool = False
    evaluation: Evaluation | None = None


def judge(spec: TrainingRunSpec, metrics: Mapping[str, float], rival: Rival) -> tuple[GateResult, ...]:
    """Every gate's result, in the order of the spec."""
    return tuple(_judge_one(gate, metrics, rival, champion_goal(spec, gate) == "Minimize") for gate in spec.gates)


def _judge_one(gate: Gate, metrics: Mapping[str, float], rival: Rival, minimise: bool) -> GateResult:
    value = metrics.get(gate.metric)
    if value is None:
        known = ", ".join(sorted(metrics)[:10]) or "none"
        return GateResult(gate.metric, False, f"metric {gate.metric} is missing; the evaluation wrote: {known}")
    if not math.isfinite(value):
        return GateResult(gate.metric, False, f"metric {gate.metric} is {value}, not a number to compare")
    if gate.champion is not None:
        return _against_champion(gate, value, rival, minimise)
    assert gate.operator is not None, "the schema's exactly-one-of"
    assert gate.value is not None, "operator and value come together"
    passed = OPERATORS[gate.operator](value, gate.value)
    return GateResult(gate.metric, passed, f"{gate.metric}={value:g} {'is' if passed else 'is not'} {gate.operator} {gate.value:g}", value)


def _against_champion(gate: Gate, value: float, rival: Rival, minimise: bool) -> GateResult:
    assert gate.champion is not None
    champion = rival.champion
    match champion:
        case NoChampion():
            return GateResult(gate.metric, True, f"{gate.metric}={value:g}; {champion.message}", value)
        case ChampionPending() | NoSuchVariant():
            return GateResult(gate.metric, False, champion.message, value)
        case Champion():
            pass
        case _:
            assert_never(champion)
    if rival.is_own:
        return GateResult(gate.metric, True, f"{gate.metric}={value:g}; champion {champion.label} is this very model", value, value)
    evaluated = gate.champion.reevaluate
    if evaluated and (rival.evaluation is None or rival.evaluation.problem):
        problem = rival.evaluation.problem if rival.evaluation else "there is no result"
        return GateResult(gate.metric, False, f"champion {champion.label} could not be evaluated on the same test data: {problem}", value)
    other = (rival.evaluation.metrics if evaluated and rival.evaluation else champion.metrics).get(gate.metric)
    if other is None or not math.isfinite(other):
        fix = "" if evaluated else "; reevaluate: true would measure it"
        return GateResult(gate.metric, False, f"champion {champion.label} has no usable metric {gate.metric}{fix}", value)
    gain = other - value if minimise else value - other
    least = gate.champion.min_delta or DEFAULT_MIN_DELTA
    passed = gain >= least or math.isclose(gain, least, rel_tol=ROUNDING, abs_tol=ROUNDING)
    verdict = "is" if passed else "is not"
    where = " on the same test data" if evaluated else ""
    message = f"{gate.metric}={value:g} {verdict} better than champion {champion.label} ({other:g}) by at least {least:g}{where}"
    return GateResult(gate.metric, passed, message, value, other)
