"""`make demo-gitops`, step by step and in its order: commits, and what Argo CD, the operator and AWS make of them.

The steps check what they promise themselves (cli/gitops_story.py); here is what is counted on top. One sandbox; each step needs the ones
before it.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from sagemaker_gitops.cli import gitops_application as argocd
from sagemaker_gitops.cli.gitops_sandbox import APPLICATIONS, DEPLOY, GitOpsSandbox, kustomization
from sagemaker_gitops.cli.gitops_story import ENDPOINT, LIST_FILE, RUN, STEPS, WORDS, Story
from sagemaker_gitops.cli.sandbox import ROOT

HOSTILE: dict[str, dict[str, Any]] = {
    "Tenant": {
        "apiVersion": "sagemaker-gitops.dev/v1alpha1",
        "kind": "Tenant",
        "metadata": {"name": "team-a-too"},
        "spec": yaml.safe_load((ROOT / "manifests" / "samples" / "tenant" / "tenant.yaml").read_text())["spec"],
    },
    "AppProject": {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AppProject",
        "metadata": {"name": "wide", "namespace": "argocd"},
        "spec": {"sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": "*"}]},
    },
    "ClusterRoleBinding": {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "team-a-is-admin"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "data-scientists"}],
    },
    "Secret": {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "loot", "namespace": "team-a"}, "stringData": {"key": "x"}},
    "ConfigMap elsewhere": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "loot", "namespace": "sagemaker-gitops"}},
}

pytestmark = pytest.mark.capability("G21")


def test_the_platform_comes_from_git(sandbox: GitOpsSandbox) -> None:
    """CRDs, rights, tenant and team: one Application was applied, all else follows."""
    for name in (*APPLICATIONS, "team-a"):
        state = argocd.read(sandbox, name)
        assert state is not None
        assert (state.sync, state.health) == ("Synced", "Healthy"), state
    assert sandbox.kubectl("get", "tenant", "team-a", "-o", "name").strip()


def test_a_folder_that_renders_nothing_prunes_nothing(sandbox: GitOpsSandbox, story: Story) -> None:
    """A wrong path or an empty list in git: Argo CD would have to delete everything that it has synced, and does not (no allowEmpty)."""
    names = ("get", "configmaps", "-n", "team-a", "-l", "sagemaker-gitops.dev/source=true", "-o", "name")
    before = sandbox.kubectl(*names)
    sandbox.team.write(LIST_FILE, kustomization())
    revision = sandbox.team.commit("Somebody's mistake")

    def said() -> str:
        found = json.loads(sandbox.kubectl("get", "applications.argoproj.io", "team-a", "-n", argocd.NAMESPACE, "-o", "json"))
        return " ".join(item["message"] for item in found["status"].get("conditions", ()))

    eventually(lambda: "wipe out all resources" in said(), 120.0)
    assert sandbox.kubectl(*names) == before != ""
    reverted = sandbox.team.revert(revision)
    argocd.until(sandbox, "team-a", lambda state: state.revision == reverted and state.settled, "the sync of the revert", 120.0)
    assert sandbox.kubectl(*names) == before


def test_the_trio_goes_from_progressing_to_healthy(story: Story) -> None:
    """Each paid call once: one preparation, one training, one evaluation, one version, one endpoint."""
    seen = story.commit_the_trio()
    assert "Degraded" not in seen.healths
    assert seen.created["sagemaker:CreateTrainingJob"] == seen.created["sagemaker:CreateEndpoint"] == 1
    assert set(seen.created.values()) == {1}


@pytest.mark.capability("H4")
def test_a_broken_script_is_degraded_with_awss_reason(story: Story, told: list[str]) -> None:
    """One training that failed, nothing else; the sync itself succeeded, so no later commit is held back. People are told once."""
    seen = story.break_the_script()
    eventually(lambda: len(told) == 1)
    assert "TrainingRun team-a/digits failed. AlgorithmError: " in told[0]
    assert WORDS in told[0]
    assert seen.created == Counter({"sagemaker:CreateTrainingJob": 1})
    assert seen.state.operation == "Succeeded"
    assert seen.state.resources[RUN][1].startswith("AlgorithmError: ")
    assert set(seen.facts["endpoint"]) == {"Healthy"}


def test_a_revert_is_healthy_and_free(story: Story) -> None:
    assert story.revert().created == Counter()


def test_another_version_is_rolled_out_by_a_commit(story: Story) -> None:
    """The first commit trains, without a second preparation of the data; the second makes a model and a config and trains nothing."""
    seen = story.roll_out_another_version()
    assert seen.facts["trained"]["sagemaker:CreateTrainingJob"] == 1
    assert "glue:StartJobRun" not in seen.facts["trained"]
    assert seen.created == Counter({"sagemaker:CreateModel": 1, "sagemaker:CreateEndpointConfig": 1})
    assert "Degraded" not in seen.healths


def test_a_monitored_forecast_is_healthy(story: Story) -> None:
    """One training, one check, and a policy that has never been anything but well."""
    seen = story.watch_a_forecast()
    assert "Degraded" not in seen.healths
    assert seen.created["sagemaker:CreateTrainingJob"] == seen.created["sagemaker:CreateEndpoint"] == 1
    assert seen.facts["policy"][-1] == "Healthy"


@pytest.mark.capability("G9", "G11")
def test_a_breach_is_degraded_until_it_is_over(story: Story, told: list[str]) -> None:
    """One retrain, no endpoint touched, and people are told of the breach."""
    seen = story.drift()
    assert seen.healths[-1] == seen.facts["policy"][-1] == "Degraded"
    assert seen.created["sagemaker:CreateTrainingJob"] == seen.created["sagemaker:CreateModelPackage"] == 1
    assert seen.created["sagemaker:CreateEndpointConfig"] == 0
    eventually(lambda: len(told) > 1)
    assert "team-a/fees is breached. Breached: loss-too-high" in told[1]


def test_the_commit_that_pins_the_new_version_ends_the_breach(story: Story) -> None:
    """It trains nothing, and what the whole loop has created is what the demo without git creates."""
    seen = story.approve_by_a_commit()
    assert seen.healths[0] == "Degraded"
    assert seen.healths[-1] == "Healthy"
    assert seen.created["sagemaker:CreateTrainingJob"] == 0
    assert seen.created["sagemaker:CreateModel"] == seen.created["sagemaker:CreateEndpointConfig"] == 1


def test_at_rest_nobody_writes(story: Story) -> None:
    """Self-heal is on, and Argo CD compares every five seconds without ever seeing a difference."""
    seen = story.rest()
    assert seen.facts["comparisons"] > seen.facts["seconds"] / 10
    assert seen.state.resources[ENDPOINT][0] == "Healthy"


def test_a_pruned_endpoint_goes_on_serving(story: Story) -> None:
    assert story.prune_the_endpoint().created == Counter()


def test_an_endpoint_that_is_put_back_is_found_again(story: Story) -> None:
    assert story.put_it_back().created == Counter()


def test_who_edits_past_git_is_undone(story: Story) -> None:
    """Self-heal puts the spec of the commit back; no AWS call creates anything."""
    ledger = story.ledger.position()
    patch = json.dumps({"spec": {"rollout": {"waitInterval": "11s"}}})
    story.sandbox.kubectl("patch", "mep", "digits", "-n", "team-a", "--type=merge", "-p", patch)
    eventually(lambda: story.sandbox.get("modelendpoint", "digits")["spec"]["rollout"]["waitInterval"] == "10s")
    assert story.ledger.created(ledger) == Counter()


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_team_syncs_nothing_but_its_own_kinds_into_its_own_namespace(story: Story, kind: str) -> None:
    """The AppProject refuses the commit as a whole and names what it refuses; a revert is all it takes."""
    sandbox, hostile = story.sandbox, HOSTILE[kind]
    sandbox.team.write(f"{DEPLOY}/hostile.yaml", json.dumps(hostile))
    sandbox.team.edit(LIST_FILE, {"namespace: team-a\n": "", "resources:\n": "resources:\n  - hostile.yaml\n"})
    revision = sandbox.team.commit(f"A {kind}, nobody will see it")
    state = argocd.until(sandbox, "team-a", lambda found: bool(found.refused), f"the refusal of {kind}", 120.0)
    assert all("not permitted in project" in words or "not part of the allowed" in words for words in state.refused), state.refused
    name, namespace = hostile["metadata"]["name"], hostile["metadata"].get("namespace", "default")
    assert not sandbox.kubectl("get", hostile["kind"], name, "-n", namespace, "--ignore-not-found", "-o", "name").strip()
    story.settled(sandbox.team.revert(revision), "Healthy")


def test_people_are_told_once_and_of_nothing_else(told: list[str]) -> None:
    """The failed run and the breach were the only things that somebody had to know."""
    assert len(told) == len(set(told))
    assert [words for words in told[1:] if "team-a/fees is breached" not in words] == []


def test_every_step_of_the_demo_is_a_test() -> None:
    """A step that is added there is added here."""
    text = Path(__file__).read_text()
    assert [step.__name__ for _, step in STEPS if f"story.{step.__name__}()" not in text] == []


def eventually(holds: Callable[[], bool], seconds: float = 60.0) -> None:
    """Until it holds; AssertionError when it does not in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.3)
