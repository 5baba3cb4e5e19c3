"""`make demo-gitops`, step by step and in its order: commits, and what Argo CD, the operator and AWS make of them.

The steps check what they promise themselves (cli/gitops_story.py); here is what is counted on top. One sandbox; each step needs the ones
before it.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from sagemaker_gitops.cli import gitops_application as argocd
from sagemaker_gitops.cli.gitops_sandbox import APPLICATIONS, GitOpsSandbox
from sagemaker_gitops.cli.gitops_story import ENDPOINT, RUN, STEPS, Story

pytestmark = [pytest.mark.xdist_group("gitops-story"), pytest.mark.capability("G21")]


def test_the_platform_comes_from_git(sandbox: GitOpsSandbox) -> None:
    """CRDs, rights, tenant and team: one Application was applied, all else follows."""
    for name in (*APPLICATIONS, "team-a"):
        state = argocd.read(sandbox, name)
        assert state is not None
        assert (state.sync, state.health) == ("Synced", "Healthy"), state
    assert sandbox.kubectl("get", "tenant", "team-a", "-o", "name").strip()


def test_the_trio_goes_from_progressing_to_healthy(story: Story) -> None:
    """Each paid call once: one preparation, one training, one evaluation, one version, one endpoint."""
    seen = story.commit_the_trio()
    assert "Degraded" not in seen.healths
    assert seen.created["sagemaker:CreateTrainingJob"] == seen.created["sagemaker:CreateEndpoint"] == 1
    assert set(seen.created.values()) == {1}


def test_a_broken_script_is_degraded_with_awss_reason(story: Story) -> None:
    """One training that failed, nothing else; the sync itself succeeded, so no later commit is held back."""
    seen = story.break_the_script()
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


def test_at_rest_nobody_writes(story: Story) -> None:
    """Self-heal is on, and Argo CD compares every five seconds without ever seeing a difference."""
    seen = story.rest()
    assert seen.facts["comparisons"] > seen.facts["seconds"] / 10
    assert seen.state.resources[ENDPOINT][0] == "Healthy"


def test_a_pruned_endpoint_goes_on_serving(story: Story) -> None:
    assert story.prune_the_endpoint().created == Counter()


def test_an_endpoint_that_is_put_back_is_found_again(story: Story) -> None:
    assert story.put_it_back().created == Counter()


def test_every_step_of_the_demo_is_a_test() -> None:
    """A step that is added there is added here."""
    text = Path(__file__).read_text()
    assert [step.__name__ for _, step in STEPS if f"story.{step.__name__}()" not in text] == []
