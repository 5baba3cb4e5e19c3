"""ci/: what the examples for users run is run here as it stands there; what logs in, installs or comments is a stand-in."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from sagemaker_gitops.cli.gitops_sandbox import DEPLOY, kustomization
from sagemaker_gitops.cli.main import COMMANDS
from sagemaker_gitops.cli.sandbox import ROOT
from tests.system.stack import Stack

GITHUB, GITLAB = "github-workflow.yml", "gitlab-ci.yml"
STAND_INS = ("git", "uv", "aws", "gh", "curl")
RUN = "manifests/samples/digits/training-run.yaml"


def _read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.load((ROOT / "ci" / name).read_text(), yaml.BaseLoader)  # `on` is no boolean there either
    return found


@dataclass(frozen=True, slots=True)
class Job:
    """What a runner executes: each script in a shell of its own, the later ones only if the ones before succeeded or `always` is theirs."""

    variables: Mapping[str, str]
    scripts: tuple[tuple[str, bool], ...]


def _github(job: str) -> Job:
    whole = _read(GITHUB)
    steps = [step for step in whole["jobs"][job]["steps"] if "run" in step]
    return Job(whole["env"], tuple((step["run"], "always()" in step.get("if", "")) for step in steps))


def _gitlab(job: str) -> Job:
    whole = _read(GITLAB)
    found = whole[job]
    lines = [line for item in (*found.get("before_script", ()), *found["script"]) for line in ([item] if isinstance(item, str) else item)]
    return Job(whole["variables"] | found.get("variables", {}), (("\n".join(lines), False),))


JOBS = {"github": _github, "gitlab": _gitlab}


@dataclass(slots=True)
class Runner:
    """A checkout of a team's repository, and a PATH on which the commands of STAND_INS only note how they were called."""

    stack: Stack
    folder: Path

    @property
    def checkout(self) -> Path:
        return self.folder / "checkout"

    def prepare(self) -> None:
        for name in ("jobs", "manifests/components", "manifests/samples/digits"):
            shutil.copytree(ROOT / name, self.checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
        (self.checkout / DEPLOY).mkdir(parents=True)
        (self.checkout / DEPLOY / "kustomization.yaml").write_text(kustomization("../../manifests/samples/digits"))
        (self.folder / "bin").mkdir()
        for name in STAND_INS:
            self._program(name, f'echo "{name} $*" >> {self.folder}/called\ncp plan.md {self.folder}/comment 2> /dev/null || true')
        self._program("sagemaker-gitops", f'exec {sys.executable} -m sagemaker_gitops "$@"')

    def _program(self, name: str, text: str) -> None:
        (self.folder / "bin" / name).write_text(f"#!/bin/bash\n{text}\n")
        (self.folder / "bin" / name).chmod(0o755)

    def run(self, job: Job) -> int:
        """The exit code that the job ends with: of the first script that fails."""
        code = 0
        for script, always in job.scripts:
            if code and not always:
                continue
            done = subprocess.run(
                ["bash", "-e", "-o", "pipefail", "-c", script], cwd=self.checkout, env=self._environment(job), check=False
            )
            code = code or done.returncode
        return code

    def _environment(self, job: Job) -> dict[str, str]:
        path = f"{self.folder}/bin:{Path(self.stack.sandbox.kubectl_path).parent}:{os.environ['PATH']}"
        given = {"AWS_TOKEN": "x", "AWS_WEB_IDENTITY_TOKEN_FILE": str(self.folder / "token"), "PULL_REQUEST": "7", "PLAN_TOKEN": "x"}
        given |= {
            "RUNNER_TEMP": str(self.folder),
            "GITHUB_PATH": str(self.folder / "path"),
            "CI_API_V4_URL": "https://gitlab",
            "CI_PROJECT_ID": "1",
            "CI_MERGE_REQUEST_IID": "7",
        }
        return {**os.environ, **job.variables, **given, **self.stack.sandbox.environment(), "PATH": path}

    @property
    def called(self) -> list[str]:
        return (self.folder / "called").read_text().splitlines()

    @property
    def comment(self) -> str:
        return (self.folder / "comment").read_text()


@pytest.fixture
def runner(stack: Stack, tmp_path: Path) -> Runner:
    found = Runner(stack, tmp_path)
    found.prepare()
    stack.client("s3").put_object(Bucket="team-a-ml", Key="raw/digits/data.csv", Body=b"0,1,2\n")
    return found


@pytest.mark.parametrize("system", JOBS)
def test_lint_lets_the_sample_pass_and_a_mistake_not(runner: Runner, system: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Without credentials; the words are the operator's."""
    job = JOBS[system]("lint")
    assert runner.run(job) == 0
    run = runner.checkout / RUN
    run.write_text(run.read_text().replace("entryPoint: train.py", "entryPoint: tain.py"))
    assert runner.run(job) == 1
    assert "tain.py is not in the source" in capfd.readouterr().out


@pytest.mark.parametrize("system", JOBS)
def test_plan_is_a_comment_and_creates_nothing(runner: Runner, system: str) -> None:
    """The comment is there whatever the plan says; the job fails when something is to be mended."""
    job, codes = JOBS[system]("plan"), []
    created = runner.stack.created_by(lambda: codes.append(runner.run(job)))
    assert (codes, created) == ([0], Counter())
    assert "TrainingRun/team-a/digits: " in runner.comment
    assert "would call " in runner.comment
    assert runner.comment.count("```") == 2
    assert runner.called[-1].startswith("gh pr comment 7 " if system == "github" else "curl --fail")
    run = runner.checkout / RUN
    run.write_text(run.read_text().replace("approval: Manual", "approval: Perhaps"))
    assert runner.run(job) == 1
    assert "spec.register.approval" in runner.comment


@pytest.mark.parametrize("system", JOBS)
def test_every_command_line_is_ours(system: str) -> None:
    """A command that is renamed is renamed there too."""
    text = "\n".join(script for name in ("lint", "plan") for script, _ in JOBS[system](name).scripts)
    named = [line.partition("sagemaker-gitops ")[2].split()[0] for line in text.splitlines() if "sagemaker-gitops " in line]
    assert set(named) == {"lint", "plan"}
    assert set(named) <= COMMANDS.keys()


def test_forks_get_no_credentials() -> None:
    """The jobs that log in are for branches of the repository itself, and a workflow grants nothing that is not said."""
    github, gitlab = _read(GITHUB), _read(GITLAB)
    assert github["permissions"] == {}
    assert "pull_request_target" not in github["on"]
    assert github["jobs"]["plan"]["if"] == "github.event.pull_request.head.repo.full_name == github.repository"
    assert "id-token" not in github["jobs"]["lint"]["permissions"]
    assert gitlab["plan"]["rules"] == [{"if": "$CI_MERGE_REQUEST_SOURCE_PROJECT_ID == $CI_PROJECT_ID"}]
