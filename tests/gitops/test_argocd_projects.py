"""What the AppProjects allow is what is to be synced, and nothing else: rendered by the kustomize that Argo CD calls."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from local_cluster.argocd_build import ArgoProgram, find_argocd
from sagemaker_gitops.cli.gitops_story import CONFIRMED
from tests.gitops.customizations import ROOT

ENVIRONMENTS = ("sandbox", "dev", "staging", "prod")
OURS = {"TrainingRun", "ModelEndpoint", "MonitorPolicy"}


def render(folder: Path) -> list[dict[str, Any]]:
    """The objects of a kustomization."""
    done = subprocess.run([find_argocd() / ArgoProgram.KUSTOMIZE, "build", folder], capture_output=True, text=True, check=True)
    return [item for item in yaml.safe_load_all(done.stdout) if item]


def allowed(project: dict[str, Any]) -> set[tuple[str, str]]:
    """(group, kind) that an AppProject names."""
    spec = project["spec"]
    return {(item["group"], item["kind"]) for item in (*spec["clusterResourceWhitelist"], *spec["namespaceResourceWhitelist"])}


def group_kind(item: dict[str, Any]) -> tuple[str, str]:
    group, _, _ = item["apiVersion"].rpartition("/")
    return group, item["kind"]


def found(objects: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    return next(item for item in objects if (item["kind"], item["metadata"]["name"]) == (kind, name))


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_platform_may_sync_what_it_ships_and_trains_nothing(environment: str) -> None:
    """CRDs, the operator of the environment, and the teams' folders."""
    objects = render(ROOT / "argocd" / "environments" / environment)
    project = allowed(found(objects, "AppProject", "sagemaker-gitops-platform"))
    overlay = ROOT / found(objects, "Application", "sagemaker-gitops-operator")["spec"]["source"]["path"]
    assert overlay == ROOT / "manifests" / "overlays" / environment
    crds = [yaml.safe_load(path.read_text()) for path in (ROOT / "crds").glob("*.yaml")]
    shipped = [*crds, *render(overlay), *render(ROOT / "argocd" / "teams")]
    assert {group_kind(item) for item in shipped} <= project
    assert not {kind for _, kind in project} & {*OURS, "Secret", "Pod"}


def test_a_team_may_sync_its_kinds_and_code_and_nothing_cluster_wide() -> None:
    project = found(render(ROOT / "argocd" / "teams"), "AppProject", "team-a")
    assert project["spec"]["clusterResourceWhitelist"] == []
    assert allowed(project) == {("", "ConfigMap"), *(("sagemaker-gitops.dev", kind) for kind in OURS)}
    assert [item["namespace"] for item in project["spec"]["destinations"]] == ["team-a"]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_ours_is_the_last_wave_and_endpoints_go_only_when_confirmed(environment: str) -> None:
    """No PruneLast (it would be a wave after ours), no ignoreDifferences anywhere, no team can leave the annotations out."""
    objects = render(ROOT / "argocd" / "environments" / environment)
    teams = found(objects, "ApplicationSet", "sagemaker-gitops-teams")["spec"]
    assert teams["preservedFields"] == {"annotations": [CONFIRMED]}
    spec = teams["template"]["spec"]
    assert not [option for option in spec["syncPolicy"]["syncOptions"] if option.startswith("PruneLast")]
    assert "ignoreDifferences" not in yaml.safe_dump_all(objects)
    patches = {
        patch["target"]["kind"]: yaml.safe_load(patch["patch"])["metadata"]["annotations"]
        for patch in spec["source"]["kustomize"]["patches"]
    }
    waves = {kind: words for kind, words in patches.items() if "argocd.argoproj.io/sync-wave" in words}
    assert {kind for kinds in waves for kind in kinds.split("|")} == {*OURS, "ConfigMap"}
    assert {words["argocd.argoproj.io/sync-wave"] for words in waves.values()} == {"100"}
    assert patches["ModelEndpoint"]["argocd.argoproj.io/sync-options"] == "Prune=confirm,Delete=confirm"


def test_crds_are_never_pruned() -> None:
    """No prune and no finalizer: their Application may go, they stay."""
    crds = found(render(ROOT / "argocd" / "environments" / "prod"), "Application", "sagemaker-gitops-crds")
    assert crds["spec"]["syncPolicy"]["automated"]["prune"] is False
    assert "finalizers" not in crds["metadata"]
