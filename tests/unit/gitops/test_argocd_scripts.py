"""Argo CD's health and action scripts on every fixture, in Lua 5.1 without the libraries that Argo CD does not open.

tests/gitops runs the same fixtures through Argo CD's own binary.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lupa.lua51 as lupa
import pytest

from sagemaker_gitops.api.kinds import KINDS
from sagemaker_gitops.core.resource import ANNOTATIONS
from tests.gitops.customizations import (
    CUSTOMIZATIONS,
    ROOT,
    ActionCase,
    DiscoveryCase,
    HealthCase,
    action_cases,
    discovery_cases,
    health_cases,
    label,
    load,
    without_time,
)
from tests.gitops.lua import run

OURS = CUSTOMIZATIONS / "sagemaker-gitops.dev"
KINDS_WITH_STATUS = ("TrainingRun", "ModelEndpoint", "MonitorPolicy")


@pytest.mark.parametrize("case", list(health_cases()), ids=label)
@pytest.mark.capability("G21")
def test_health(case: HealthCase) -> None:
    """Status and message of every fixture."""
    assert run(case.script, load(case.input)) == {"status": case.status, "message": case.message}


@pytest.mark.parametrize("case", list(discovery_cases()), ids=label)
def test_which_actions_are_offered(case: DiscoveryCase) -> None:
    """Nothing that would do nothing, and nothing that approves."""
    found = run(case.script, load(case.input))
    assert {name for name, action in found.items() if not action["disabled"]} == case.enabled
    assert set(found) == case.known
    assert not [name for name in found if "approve" in name or "reject" in name]


@pytest.mark.parametrize("case", list(action_cases()), ids=label)
def test_actions(case: ActionCase) -> None:
    """Each sets the annotation that the operator reads."""
    assert without_time(run(case.script, load(case.input))) == without_time(load(case.expected))


@pytest.mark.parametrize("case", list(action_cases()), ids=label)
def test_an_action_changes_annotations_that_the_operator_knows_and_nothing_else(case: ActionCase) -> None:
    """An action that touched the spec would make the Application OutOfSync, and self-heal would undo it."""
    before, after = load(case.input), run(case.script, load(case.input))
    old, new = (item["metadata"].pop("annotations", {}) for item in (before, after))
    assert before == after
    changed = {name for name in {*old, *new} if old.get(name) != new.get(name)}
    assert changed
    assert changed <= set(ANNOTATIONS)


def test_every_action_is_discovered_and_tested() -> None:
    """A script that discovery does not name can never be called."""
    scripts = {(path.parts[-4], path.parts[-2]) for path in OURS.glob("*/actions/*/action.lua")}
    assert {(path.parts[-3], name) for path in OURS.glob("*/actions/discovery.lua") for name in run(path, _smallest())} == scripts
    assert {(case.script.parts[-4], case.name) for case in action_cases()} == scripts


def test_every_kind_has_a_health_script() -> None:
    """A kind without one counts as healthy from the start."""
    assert {path.parent.name for path in OURS.glob("*/health.lua")} >= set(KINDS)


def test_every_fixture_is_tested() -> None:
    """None lies about without an expectation."""
    assert {case.input for case in health_cases()} == set(CUSTOMIZATIONS.glob("*/*/testdata/*.yaml"))


@pytest.mark.parametrize("path", sorted(OURS.glob("*/testdata/*.yaml")), ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_fixtures_are_what_the_operator_writes(path: Path) -> None:
    """Specs and statuses that the CRDs would prune or refuse prove nothing."""
    body = load(path)
    if body["kind"] not in KINDS:
        pytest.skip(f"{body['kind']} is not in the API yet")
    kind = KINDS[body["kind"]]
    kind.spec.model_validate(body["spec"])
    kind.status.model_validate(body.get("status", {}))


@pytest.mark.parametrize("kind", KINDS_WITH_STATUS)
def test_words_about_an_older_generation_never_count(kind: str) -> None:
    """Whatever the old status says: a commit is Progressing until the operator has seen it (argo-cd#23578)."""
    for path in sorted((OURS / kind / "testdata").glob("*.yaml")):
        body = load(path)
        body["metadata"]["generation"] += 1
        assert run(OURS / kind / "health.lua", body)["status"] == "Progressing", path.name


@pytest.mark.parametrize("kind", KINDS_WITH_STATUS)
@pytest.mark.parametrize("status", [{}, {"observedGeneration": 1}, {"observedGeneration": 1, "conditions": []}, {"phase": "Running"}])
def test_a_status_with_holes_is_progressing(kind: str, status: dict[str, Any]) -> None:
    """A script that fails makes the whole Application Unknown."""
    body = {"kind": kind, "metadata": {"generation": 1}, "spec": {}, "status": status}
    assert run(OURS / kind / "health.lua", body)["status"] == "Progressing"


def test_every_way_to_stand_still_has_a_fixture() -> None:
    """A new reason for which the operator neither moves nor fails needs a decision: Suspended, or Healthy with a message."""
    tested = {
        item["reason"]
        for path in OURS.glob("*/testdata/*.yaml")
        for item in load(path).get("status", {}).get("conditions", ())
        if (item["type"], item["status"]) == ("Ready", "False")
    }
    wanted = set(_reasons())
    assert {"Suspended", "AwaitingApproval", "Parked", "Paused", "Released"} <= wanted
    assert wanted <= tested


def test_the_runner_is_as_strict_as_argo_cd(tmp_path: Path) -> None:
    """What gopher-lua does not have there, a script may not use here."""
    for text in ('return ("x"):upper()', 'return string.format("x")', "return math.floor(1.5)", "return io.open('x')", "return os.date()"):
        script = tmp_path / "script.lua"
        script.write_text(text)
        with pytest.raises(lupa.LuaError):
            run(script, {})


def _smallest() -> dict[str, Any]:
    return {"metadata": {"name": "x"}, "spec": {}}


def _reasons() -> Iterator[str]:
    """First arguments of `suspended(...)` in the planner, and of the reconciler's hands-off."""
    constants: dict[str, str] = {}
    calls: list[ast.expr] = []
    for path in sorted((ROOT / "operator" / "sagemaker_gitops").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Assign):
                constants |= dict(_constants(node))
            if isinstance(node, ast.Call):
                name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
                calls += node.args[:1] if name == "suspended" else node.args[1:2] if name == "_hands_off" else []
    for call in calls:
        if isinstance(call, ast.Constant):
            yield str(call.value)
        elif isinstance(call, ast.Name) and call.id in constants:
            yield constants[call.id]


def _constants(node: ast.Assign) -> Iterator[tuple[str, str]]:
    for target in node.targets:
        pairs = [(target, node.value)]
        if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            pairs = list(zip(target.elts, node.value.elts, strict=True))
        for name, value in pairs:
            if isinstance(name, ast.Name) and isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield name.id, value.value
