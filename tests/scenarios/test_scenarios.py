"""What users may rely on, said in YAML: tests/scenarios/training_run/*.yaml, one test per document.

A failing scenario names what a user would notice. The checks that hold for every plan are in tests/properties.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from sagemaker_gitops.api.parse import read
from sagemaker_gitops.api.status import TrainingRunStatus
from sagemaker_gitops.core.actions import Action, AwsRequest
from sagemaker_gitops.core.merge_patch import pruned
from sagemaker_gitops.core.plan import After, Plan, Requeue
from tests.scenarios.scenario_files import BASES, Expect, Scenario, all_scenarios, scenarios_of
from tests.scenarios.scenario_world import planned

SCENARIOS = all_scenarios()
ANY = "*"  # there, whatever it is
CONTAINS = "~"  # a text that contains the rest

SMALLEST: dict[str, Any] = {
    "name": "smallest",
    "reason": "the smallest scenario there can be",
    "given": {"base": "train"},
    "now": "2026-11-21T10:00:00Z",
    "expect": {"actions": ["CreateTrainingJob"], "requeue": "OnEvent", "phase": "Running"},
}


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS.keys())
def test_scenario(scenario: Scenario) -> None:
    """The plan says and does what the scenario expects, and the API server would keep every word of it."""
    snapshot, made = planned(scenario)
    read(TrainingRunStatus, pruned(made.status))
    assert problems(scenario.expect, made) == []
    if scenario.expect.finalizer is None and not snapshot.deleting:
        assert made.finalizer or not snapshot.has_finalizer, "a finalizer is given back although nothing is being deleted"


def test_there_are_enough_scenarios() -> None:
    """A folder that is not found would otherwise be a green run."""
    assert len(SCENARIOS) >= 45


def test_the_smallest_scenario_is_one() -> None:
    """So that the refusals below are about what they change."""
    (scenario,) = scenarios_of(yaml.safe_dump(SMALLEST))
    assert problems(scenario.expect, planned(scenario)[1]) == []


@pytest.mark.parametrize(
    "broken",
    [
        SMALLEST | {"comment": "unknown key"},
        SMALLEST | {"given": {"base": "train", "job": {}}},
        SMALLEST | {"given": {"base": "train", "jobs": {"gate": "active"}}},
        SMALLEST | {"given": {"base": "train", "jobs": {"train": {"kind": "failed", "class": "Stopped"}}}},
        SMALLEST | {"expect": {}},
        SMALLEST | {"expect": {"actions": [], "requeue": "Done"}},
        SMALLEST | {"expect": SMALLEST["expect"] | {"conditions": {}}},
        SMALLEST | {"expect": SMALLEST["expect"] | {"status": None}},
        SMALLEST | {"expect": SMALLEST["expect"] | {"condition": {"Ready": "True Succeeded"}}},
        SMALLEST | {"reason": ""},
    ],
)
def test_a_careless_scenario_is_refused(broken: dict[str, Any]) -> None:
    """An unknown key or an empty expectation would be a test that tests nothing."""
    with pytest.raises(ValidationError):
        scenarios_of(yaml.safe_dump(broken))


def test_a_job_that_the_run_never_comes_to_is_refused() -> None:
    """A fact that no plan can see would be a promise that nobody checked."""
    (scenario,) = scenarios_of(yaml.safe_dump(SMALLEST | {"given": {"base": "train", "jobs": {"train": ["active", "active"]}}}))
    with pytest.raises(AssertionError, match="never comes to"):
        planned(scenario)


@pytest.mark.parametrize(
    ("expected", "word"),
    [
        ({"actions": []}, "actions"),
        ({"actions": [{"CreateTrainingJob": {"StoppingCondition": {"MaxRuntimeInSeconds": 1}}}]}, "MaxRuntimeInSeconds"),
        ({"actions": [{"CreateTrainingJob": {"RoleArn": None}}]}, "RoleArn"),
        ({"requeue": "Done"}, "requeue"),
        ({"phase": "Failed"}, "phase"),
        ({"finalizer": False}, "finalizer"),
        ({"steps": {"train": "Pending"}}, "steps"),
        ({"status": {"step": "prepare"}}, "step"),
        ({"conditions": {"Ready": "True Succeeded"}}, "Ready"),
        ({"conditions": {"Ready": {"is": "False Running", "says": "nonsense"}}}, "nonsense"),
        ({"conditions": {"Ready": "False Running"}}, "Reconciling"),
    ],
)
def test_a_wrong_expectation_is_noticed(expected: dict[str, Any], word: str) -> None:
    """Each kind of expectation can fail."""
    (scenario,) = scenarios_of(yaml.safe_dump(SMALLEST | {"expect": SMALLEST["expect"] | expected}))
    assert any(word in text for text in problems(scenario.expect, planned(scenario)[1]))


def test_every_base_is_used() -> None:
    """A base that no scenario starts from is dead text."""
    assert {scenario.given.base for scenario in SCENARIOS.values()} == set(BASES["specs"])


def problems(expect: Expect, made: Plan) -> list[str]:
    """Everything in which the plan is not what was expected."""
    found = _actions(expect, made.actions)
    if _shown(made.requeue) != _wanted(expect):
        found.append(f"requeue: {_shown(made.requeue)}, expected {_wanted(expect)}")
    if expect.finalizer is not None and made.finalizer is not expect.finalizer:
        found.append(f"finalizer: {made.finalizer}, expected {expect.finalizer}")
    if expect.phase is not None and made.status.get("phase") != expect.phase:
        found.append(f"phase: {made.status.get('phase')}, expected {expect.phase}")
    states = {step["name"]: step["state"] for step in made.status.get("steps", ())}
    if expect.steps is not None and states != expect.steps:
        found.append(f"steps: {states}, expected {expect.steps}")
    if expect.status is not None:
        found += _differences(expect.status, pruned(made.status), "status")
    return found + _conditions(expect, made)


def _actions(expect: Expect, actions: tuple[Action, ...]) -> list[str]:
    wanted = [(name, members) for item in expect.actions for name, members in item.items()]
    names, expected = [_name(action) for action in actions], [name for name, _ in wanted]
    if names != expected:
        return [f"actions: {names}, expected {expected}"]
    return [text for (name, members), action in zip(wanted, actions, strict=True) for text in _differences(members, _members(action), name)]


def _name(action: Action) -> str:
    return action.operation if isinstance(action, AwsRequest) else "UploadSource"


def _members(action: Action) -> Mapping[str, Any]:
    """A request's members, its tags as a map; for an upload the place and the names of the files."""
    if not isinstance(action, AwsRequest):
        return {"uri": action.uri, "files": sorted(action.files), "kmsKeyArn": action.kms_key_arn}
    tags = action.parameters.get("Tags", {})
    mapped = {item["Key"]: item["Value"] for item in tags} if isinstance(tags, list) else tags
    return {**action.parameters, "Tags": mapped}


def _differences(expected: Any, actual: Any, path: str) -> list[str]:
    """Where `actual` lacks what is expected: maps may hold more, lists are compared item by item, null means not there."""
    if isinstance(expected, dict) and isinstance(actual, Mapping):
        return [text for key, value in expected.items() for text in _differences(value, actual.get(key), f"{path}.{key}")]
    if isinstance(expected, list) and isinstance(actual, list | tuple) and len(expected) == len(actual):
        return [text for index, value in enumerate(expected) for text in _differences(value, actual[index], f"{path}[{index}]")]
    if expected == ANY:
        same = actual is not None
    elif isinstance(expected, str) and expected.startswith(CONTAINS):
        same = expected[1:] in str(actual)
    else:
        same = expected == actual
    return [] if same else [f"{path}: {actual!r}, expected {expected!r}"]


def _conditions(expect: Expect, made: Plan) -> list[str]:
    if expect.conditions is None:
        return []
    actual = {item["type"]: item for item in made.status.get("conditions", ())}
    found = [
        f"condition {kind} is {actual[kind]}" for kind in ("Reconciling", "Stalled") if kind in actual and kind not in expect.conditions
    ]
    for kind, wanted in expect.conditions.items():
        item = actual.get(kind, {})
        said = f"{item.get('status')} {item.get('reason')}"
        if said != wanted.is_:
            found.append(f"condition {kind}: {said}, expected {wanted.is_}")
        found += [
            f"condition {kind} does not say {text!r}: {item.get('message')}" for text in wanted.says if text not in item.get("message", "")
        ]
    return found


def _shown(requeue: Requeue) -> str:
    return f"After {requeue.seconds:g}" if isinstance(requeue, After) else type(requeue).__name__


def _wanted(expect: Expect) -> str:
    return expect.requeue if isinstance(expect.requeue, str) else f"After {expect.requeue.after:g}"
