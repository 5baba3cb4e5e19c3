"""The end of a run whose paid steps have all succeeded: judge the model, register it, say so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, assert_never

from sagemaker_gitops.api.training_rules import champions
from sagemaker_gitops.core.actions import Action
from sagemaker_gitops.core.conditions import Condition, ready, reconciling, stalled
from sagemaker_gitops.core.kinds.training_run import status as said
from sagemaker_gitops.core.kinds.training_run.champion import findings, is_own
from sagemaker_gitops.core.kinds.training_run.facts import (
    Absent,
    Active,
    Champion,
    ChampionPending,
    Evaluation,
    Failed,
    Foreign,
    Succeeded,
    Unknown,
    Unseen,
    Unstarted,
)
from sagemaker_gitops.core.kinds.training_run.gates import GateResult, Rival, judge
from sagemaker_gitops.core.kinds.training_run.registration import create_package, create_package_group, package_metrics
from sagemaker_gitops.core.kinds.training_run.requests import creating_actions
from sagemaker_gitops.core.kinds.training_run.run import REGISTER, TRAIN, Progress, Run
from sagemaker_gitops.core.kinds.training_run.situation import (
    UNKNOWN_STATE_DELAY,
    Pass,
    every_entry,
    name_conflict,
    passed_before,
    second_evaluation,
    tell,
    with_history,
)
from sagemaker_gitops.core.plan import After, Done, OnEvent, Plan

LISTED_WITHIN = 5.0  # seconds between two looks for a package that was asked for
CHAMPION_DELAY = 60.0


def conclude(here: Pass, run: Run, progress: Progress) -> Plan:
    """All paid steps of the run succeeded: evaluate the champion where that is asked for, judge, register, say so."""
    before = passed_before(here, run)
    if before is not None:
        told = {name: before[name] for name in ("state", "message") if name in before}
        return _registered(here, run, progress, told, [Condition("GatePassed", "True", "Passed", told.get("message", ""))], {})
    waiting = _await_champion(here, run, progress)
    if waiting is not None:
        return waiting
    metrics = _metrics(here, progress)
    rival = _rival(here, run, progress)
    results = judge(run.spec, metrics, rival)
    numbers = _numbers(run, results, metrics, rival)
    if run.spec.gates and not all(result.passed for result in results):
        return _rejected(here, run, progress, results, numbers, rival)
    gate = said.gate_entry(results) if run.spec.gates else None
    passed = [Condition("GatePassed", "True", "Passed", "; ".join(r.message for r in results))] if gate else []
    if run.spec.register_ is None:
        return _succeeded(here, run, progress, gate, None, passed, numbers)
    if here.facts.registered is None:
        return _register(here, run, progress, gate, passed, numbers, metrics)
    return _registered(here, run, progress, gate, passed, numbers)


def _await_champion(here: Pass, run: Run, progress: Progress) -> Plan | None:
    """What the gates have to wait for, or refuse, before they can be judged."""
    champion, refused = here.facts.champion, findings(run.spec, here.facts.champion, run.tenant)
    if refused:
        message = "; ".join(str(finding) for finding in refused)
        return Plan(here.say("Invalid", stalled("InvalidSpec", message), steps=every_entry(here, run, progress)), OnEvent())
    if isinstance(champion, ChampionPending) and champions(run.spec):
        return Plan(tell(here, run, progress, "Running", reconciling("AwaitingChampion", champion.message)), After(CHAMPION_DELAY))
    second = second_evaluation(here, run, progress)
    if second is None:
        return None
    attempt, fact = second
    said_so = reconciling("Running", f"{attempt.step.name}: {attempt.aws_name}")
    match fact:
        case Unseen() | Absent():
            actions = creating_actions(run, progress, attempt)
            return Plan(tell(here, run, progress, "Running", said_so, creating=True), OnEvent(), actions)
        case Active():
            return Plan(tell(here, run, progress, "Running", said_so), OnEvent())
        case Unknown():
            return Plan(tell(here, run, progress, "Running", said_so), After(UNKNOWN_STATE_DELAY))
        case Foreign():
            return Plan(tell(here, run, progress, "Failed", name_conflict(attempt.aws_name, fact)), Done())
        case Succeeded() | Failed():
            return None
        case Unstarted():
            raise AssertionError("only a Glue job can be unstarted")
        case _:
            assert_never(fact)


def _rival(here: Pass, run: Run, progress: Progress) -> Rival:
    second, evaluation = second_evaluation(here, run, progress), here.facts.champion_evaluation
    if second is not None and isinstance(second[1], Failed):
        evaluation = Evaluation({}, f"{second[0].step.name} ({second[0].aws_name}): {second[1].reason}")
    return Rival(here.facts.champion, is_own(run, here.facts.champion, progress), evaluation)


def _registered(
    here: Pass, run: Run, progress: Progress, gate: Mapping[str, Any] | None, passed: Sequence[Condition], numbers: Mapping[str, Any]
) -> Plan:
    package = here.facts.registered
    assert package is not None
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


def _rejected(here: Pass, run: Run, progress: Progress, results: Sequence[GateResult], numbers: Mapping[str, Any], rival: Rival) -> Plan:
    """A rejected model beside a champion is a result, not a failure (requirements 2.7); without one nothing can serve.

    A champion that could not be measured is a failure: nobody knows which model is better.
    """
    problem = here.facts.evaluation.problem if here.facts.evaluation else ""
    message = "; ".join(result.message for result in results if not result.passed) + (f" ({problem})" if problem else "")
    second = second_evaluation(here, run, progress)
    broken = rival.evaluation is not None and bool(rival.evaluation.problem)
    beside = isinstance(rival.champion, Champion) and not broken
    summary = ready("GateRejected", message) if beside else stalled("GateRejected", message)
    conditions = [*summary, Condition("GatePassed", "False", "Rejected", message)]
    failure = said.failure_entry(second[0], second[1]) if second is not None and isinstance(second[1], Failed) else None
    status = tell(here, run, progress, "GateRejected", conditions, gate=said.gate_entry(results), fields=numbers, failure=failure)
    return Plan(with_history(here, run, status), Done())


def _metrics(here: Pass, progress: Progress) -> dict[str, float]:
    """Training's own final metrics, then the evaluation's, which win."""
    trained = progress.succeeded(TRAIN)
    evaluated = here.facts.evaluation.metrics if here.facts.evaluation else {}
    return {**(trained.metrics if trained else {}), **evaluated}


def _numbers(run: Run, results: Sequence[GateResult], metrics: Mapping[str, float], rival: Rival) -> dict[str, Any]:
    """The METRIC, CHAMPION and GATE columns: the first gate's metric, else the first training metric."""
    name = results[0].metric if results else next((m.name for m in run.spec.train.metrics), "")
    compared = [result.champion for result in results if result.champion is not None]
    known = rival.champion if isinstance(rival.champion, Champion) else None
    champion = compared[0] if compared else (known.metrics.get(name) if known and not champions(run.spec) else None)
    return {
        "metric": f"{name}={metrics[name]:.4g}" if name in metrics else None,
        "champion": f"{champion:.4g}" if champion is not None else None,
        "championModel": known.label if known and champions(run.spec) else None,
        "gate": ("Passed" if all(result.passed for result in results) else "Rejected") if results else None,
        "model": None,
    }
