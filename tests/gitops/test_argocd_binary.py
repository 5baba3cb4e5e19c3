"""The generated argocd-cm in Argo CD's own Lua: the fixtures again, and the notification triggers and templates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.gitops.argo_binary import SETTINGS, argocd, overrides
from tests.gitops.customizations import (
    ActionCase,
    DiscoveryCase,
    HealthCase,
    action_cases,
    discovery_cases,
    health_cases,
    label,
    load,
)

NOTIFICATIONS = ("--config-map", str(SETTINGS / "argocd-notifications-cm.yaml"), "--secret", ":empty")
ROLLED_BACK = "RolledBack: cfg-2 was rolled back (digits-5xx went off); cfg-1 serves"
FAILED = "AlgorithmError: train (job-1): AlgorithmError: no such column"
BREACHED = "Breached: loss 0.31 > 0.24, 3 of 3 windows"
WANTED = "AwaitingApproval: blue: digits/2 is PendingManualApproval"


@pytest.mark.parametrize("case", list(health_cases()), ids=label)
def test_health_in_argo_cd(case: HealthCase) -> None:
    """STATUS and MESSAGE as Argo CD prints them."""
    assert overrides("health", case.input).strip() == f"STATUS: {case.status}\nMESSAGE: {case.message}".strip()


@pytest.mark.parametrize("case", list(discovery_cases()), ids=label)
def test_offered_actions_in_argo_cd(case: DiscoveryCase) -> None:
    """The table of names and whether they are disabled."""
    rows = [line.split() for line in overrides("list-actions", case.input).splitlines()[1:]]
    assert dict(rows) == {name: str(name not in case.enabled).lower() for name in case.known}


@pytest.mark.parametrize("case", list(action_cases()), ids=label)
def test_actions_in_argo_cd(case: ActionCase) -> None:
    """The difference that an action makes, in the annotations alone."""
    said = overrides("run-action", case.input, case.name)
    changed = [line[1:].strip() for line in said.splitlines() if line.startswith((">", "<"))]
    before, after = (load(path)["metadata"].get("annotations") or {} for path in (case.input, case.expected))
    names = {name for name in {*before, *after} if before.get(name) != after.get(name)}
    assert names
    assert {line.partition(": ")[0].rstrip(":") for line in changed} - {"annotations", "annotations: {}"} == names


def application(path: Path, kind: str, status: str, message: str) -> Path:
    """An Application with one resource, as the controller persists its health."""
    resource: dict[str, Any] = {"group": "sagemaker-gitops.dev", "kind": kind, "namespace": "team-a", "name": "digits"}
    others = [{"kind": "ConfigMap", "namespace": "team-a", "name": "digits-code", "status": "Synced"}]
    body = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": "team-a", "namespace": "argocd"},
        "status": {
            "sync": {"status": "Synced", "revision": "4f2c9e1"},
            "health": {"status": status},
            "resources": [*others, resource | {"health": {"status": status, "message": message}}],
        },
    }
    path.write_text(yaml.safe_dump(body))
    return path


CASES = {
    "rolled-back": ("ModelEndpoint", "Degraded", ROLLED_BACK),
    "failed": ("TrainingRun", "Degraded", FAILED),
    "breach": ("MonitorPolicy", "Degraded", BREACHED),
    "approval-wanted": ("ModelEndpoint", "Healthy", WANTED),
    "": ("ModelEndpoint", "Healthy", "InService: cfg-1 serves"),
}


@pytest.mark.parametrize("trigger", [name for name in CASES if name])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.capability("H4")
def test_each_trigger_fires_for_its_own_case_and_for_no_other(tmp_path: Path, trigger: str, case: str) -> None:
    """Evaluated by Argo CD; the last column is the result."""
    path = application(tmp_path / "application.yaml", *CASES[case])
    said = argocd("notifications", "trigger", "run", f"on-sagemaker-gitops-{trigger}", path, *NOTIFICATIONS)
    assert (said.splitlines()[-1].split()[-1] == "true") is (trigger == case), said


@pytest.mark.parametrize("trigger", [name for name in CASES if name])
def test_each_template_holds_what_argo_cd_shows(tmp_path: Path, trigger: str) -> None:
    """Namespace, name and the reason, rendered by Argo CD."""
    path = application(tmp_path / "application.yaml", *CASES[trigger])
    arguments = ("notifications", "template", "notify", f"sagemaker-gitops-{trigger}", path)
    said = argocd(*arguments, "--recipient", "console:stdout", *NOTIFICATIONS)
    assert "team-a/digits" in said
    assert CASES[trigger][2].replace(">", "\\u003e") in said or CASES[trigger][2] in said
