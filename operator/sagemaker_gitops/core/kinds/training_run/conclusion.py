"""The end of a run whose paid steps have all succeeded: judge the model, register it, say so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sagemaker_gitops.core.actions import Action
from sagemaker_gitops.core.conditions import Condition, ready, reconciling, stalled
from sagemaker_gitops.core.kinds.training_run import status as said
from sagemaker_gitops.core.kinds.training_run.gates import GateResult, judge
from sagemaker_gitops.core.kinds.training_run.registration import create_package, create_package_group, package_metrics
from sagemaker_gitops.core.kinds.training_run.run import REGISTER, TRAIN, Progress, Run
from sagemaker_gitops.core.kinds.training_run.situation import Pass, tell, with_history
from sagemaker_gitops.core.plan import After, Done, Plan

LISTED_WITHIN = 5.0  # seconds between two looks for a package that was asked for


def conclude(here: Pass, run: Run, progress: Progress) -> Plan:
    """All paid steps succeeded: judge, register, say so."""
    metrics = _metrics(here, progress)
    results = judge(run.spec, metrics, here.facts.champion)
    numbers = _numbers(here, run, results, metrics)
    evaluation = here.facts.evaluation
    if run.spec.gates and not all(result.passed for result in results):
        return _rejected(here, run, progress, results, numbers, evaluation.problem if evaluation else "")
    gate = said.gate_entry(results) if run.spec.gates else None
    passed = [Condition("GatePassed", "True", "Passed", "; ".join(r.message for r in results))] if gate else []
    if run.spec.register_ is None:
        return _succeeded(here, run, progress, gate, None, passed, numbers)
    if here.facts.registered is None:
        return _register(here, run, progress, gate, passed, numbers, metrics)
    package = here.facts.registered
    registered = Condition("Registered", "True", "Registered", f"{package.group}/{package.version} ({package.approval})")
    return _succeeded(
        here,
        run,
        progress,
        gate,
        said.register_entry(package),
        [*passed, registered],
        {**numbers, "model": f"{package.group}/{package.version}"},
    )


def _succeeded(
    here: Pass,
    run: Run,
    progress: Progress,
    gate: Mapping[str, Any] | None,
    register: Mapping[str, Any] | None,
    conditions: Sequence[Condition],
    fields: Mapping[str, Any],
) -> Plan:
    status = tell(
        here,
        run,
        progress,
        "Succeeded",
        [*ready("Succeeded", "every step is done"), *conditions],
        gate=gate,
        register=register,
        fields=fields,
    )
    return Plan(with_history(here, run, status), Done())


def _register(
    here: Pass,
    run: Run,
    progress: Progress,
    gate: Mapping[str, Any] | None,
    passed: Sequence[Condition],
    numbers: Mapping[str, Any],
    metrics: Mapping[str, float],
) -> Plan:
    actions: list[Action] = [] if here.facts.group_exists else [create_package_group(run)]
    actions.append(create_package(run, progress, package_metrics(run, metrics)))
    status = tell(
        here,
        run,
        progress,
        "Running",
        [*reconciling("Running", "register"), *passed],
        gate=gate,
        register={"state": "InProgress"},
        fields=numbers,
    )
    return Plan(status, After(LISTED_WITHIN if _asked_before(here) else 0), tuple(actions))


def _asked_before(here: Pass) -> bool:
    """The package was asked for and is not listed yet: lists lag behind creates by up to a minute."""
    steps = here.snapshot.status.get("steps") or ()
    return any(isinstance(step, Mapping) and (step.get("name"), step.get("state")) == (REGISTER, "InProgress") for step in steps)


def _rejected(here: Pass, run: Run, progress: Progress, results: Sequence[GateResult], numbers: Mapping[str, Any], problem: str) -> Plan:
    """A rejected model with an approved champion is a result, not a failure (requirements 2.7); without one nothing can serve."""
    message = "; ".join(result.message for result in results if not result.passed) + (f" ({problem})" if problem else "")
    summary = ready("GateRejected", message) if here.facts.champion is not None else stalled("GateRejected", message)
    conditions = [*summary, Condition("GatePassed", "False", "Rejected", message)]
    status = tell(here, run, progress, "GateRejected", conditions, gate=said.gate_entry(results), fields=numbers)
    return Plan(with_history(here, run, status), Done())


def _metrics(here: Pass, progress: Progress) -> dict[str, float]:
    """Training's own final metrics, then the evaluation's, which win."""
    trained = progress.succeeded(TRAIN)
    evaluated = here.facts.evaluation.metrics if here.facts.evaluation else {}
    return {**(trained.metrics if trained else {}), **evaluated}


def _numbers(here: Pass, run: Run, results: Sequence[GateResult], metrics: Mapping[str, float]) -> dict[str, Any]:
    """The METRIC, CHAMPION and GATE columns: the first gate's metric, else the first training metric."""
    name = results[0].metric if results else next((m.name for m in run.spec.train.metrics), "")
    champions = [result.champion for result in results if result.champion is not None]
    champion = champions[0] if champions else (here.facts.champion.metrics.get(name) if here.facts.champion else None)
    return {
        "metric": f"{name}={metrics[name]:.4g}" if name in metrics else None,
        "champion": f"{champion:.4g}" if champion is not None else None,
        "gate": ("Passed" if all(result.passed for result in results) else "Rejected") if results else None,
        "model": None,
    }
