"""The monitoring demo for a team that does nothing but commit: the sample comes by a commit, and a commit is the approval."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sagemaker_gitops.cli.demo_monitoring import NAME, SAMPLE, Loop
from sagemaker_gitops.cli.gitops_repository import Repository
from sagemaker_gitops.cli.gitops_sandbox import DEPLOY
from sagemaker_gitops.cli.sandbox import ROOT

POLICY = ("MonitorPolicy", NAME)
FOLDER = str(SAMPLE.relative_to(ROOT))
LIST_FILE, RUN_FILE = f"{DEPLOY}/kustomization.yaml", f"{FOLDER}/training-run.yaml"
ENDPOINT_FILE, POLICY_FILE = f"{FOLDER}/model-endpoint.yaml", f"{FOLDER}/monitor-policy.yaml"
NEWEST, PINNED = (
    "{trainingRunRef: {name: fees}} # its newest version, once somebody has approved it",
    "{package: {group: fees, version: 1}}",
)


@dataclass(slots=True)
class CommittedLoop(Loop):
    """`commit` makes a commit of the team's clone, returns once Argo CD has synced it, and tells its id."""

    team: Repository = field(kw_only=True)
    commit: Callable[[str], str] = field(kw_only=True)
    revision: str = ""

    def bring(self) -> None:
        """What an evaluation has gated may be pinned; which version serves is in the endpoint's file from the start."""
        self.team.copy(SAMPLE, FOLDER)
        self.team.edit(RUN_FILE, {"approval: Manual": "approval: Auto"})
        self.team.edit(ENDPOINT_FILE, {NEWEST: PINNED})
        self.team.edit(POLICY_FILE, {'  schedule: {cron: "30 * * * *", timeZone: Europe/Zurich}\n': "", "window: 1h": "window: 1m"})
        self.team.edit(LIST_FILE, {"components:": f"  - ../../{FOLDER}\ncomponents:"})
        self.revision = self.commit("Train, serve and watch fees")

    def waits(self) -> str:
        """The endpoint waits for nothing: its file names the version."""
        return f"{ENDPOINT_FILE} pins version 1"

    def approve(self, version: str) -> None:
        """The first version is pinned from the start."""
        if version != "1":
            self.team.edit(ENDPOINT_FILE, {"version: 1": f"version: {version}"})
            self.revision = self.commit(f"Serve version {version} of fees")
