"""What `demo-gitops` shows and tests/gitops asserts: a team that does nothing but commit, and what Argo CD says of it.

Each step commits, waits until Argo CD and the operator are at rest, checks, and returns what was seen; CommandError when it is not as
promised. The steps build on each other, in the order of STEPS; another kind is another step.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sagemaker_gitops.cli import gitops_application as argocd
from sagemaker_gitops.cli.errors import CommandError
from sagemaker_gitops.cli.gitops_application import State, Watch
from sagemaker_gitops.cli.gitops_audit import foreign_writes, position
from sagemaker_gitops.cli.gitops_sandbox import DEPLOY, TEAM, GitOpsSandbox, kustomization
from sagemaker_gitops.cli.gitops_watch import POLICY, CommittedLoop
from sagemaker_gitops.cli.ledger import Ledger
from sagemaker_gitops.cli.local_account import ACCOUNT, client
from sagemaker_gitops.cli.sandbox import NAMESPACE, ROOT

ROLE = f"arn:aws:iam::{ACCOUNT}:role/sagemaker-gitops-team-a"
SAMPLE = "manifests/samples/digits"
RUN, ENDPOINT = ("TrainingRun", "digits"), ("ModelEndpoint", "digits")
TRAINING = "jobs/training/train.py"
ENDPOINT_FILE, RUN_FILE, LIST_FILE = f"{DEPLOY}/model-endpoint.yaml", f"{SAMPLE}/training-run.yaml", f"{DEPLOY}/kustomization.yaml"
WORDS = "the labels of the third file are missing"
SECONDS, REST_SECONDS, SETTLED = 240.0, 60.0, 10.0
CONFIRMED = "argocd.argoproj.io/deletion-approved"

MODEL_ENDPOINT = """apiVersion: sagemaker-gitops.dev/v1alpha1
kind: ModelEndpoint
metadata:
  name: digits
spec:
  variants:
    - name: blue
      model: {package: {group: digits, version: 1}} # the pull request decides which version serves
      resources: {instanceCount: 2}
  rollout: {type: Canary, size: 50%, waitInterval: 10s}
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """What one step left: the Application's last state, how its health went, what AWS was asked to create, and what the step adds."""

    state: State
    healths: list[str]
    created: Counter[str]
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Story:
    """The steps in one sandbox. `rest_seconds`: how long nothing may happen."""

    sandbox: GitOpsSandbox
    rest_seconds: float = REST_SECONDS
    broken: str = ""
    endpoint: str = ""
    loop: CommittedLoop = field(init=False)

    def __post_init__(self) -> None:
        self.loop = CommittedLoop(self.sandbox, self.ledger, team=self.sandbox.team, commit=self._commit)

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.sandbox.aws_url, ROLE)

    def commit_the_trio(self) -> Seen:
        """A TrainingRun and the ModelEndpoint that pins the version which that run will register."""
        self._upload()
        team = self.sandbox.team
        team.copy(ROOT / SAMPLE, SAMPLE)
        # What an evaluation has gated may be pinned at once: the approval is the commit that pins it.
        team.edit(RUN_FILE, {"approval: Manual": "approval: Auto"})
        team.write(ENDPOINT_FILE, MODEL_ENDPOINT)
        team.write(LIST_FILE, kustomization(f"../../{SAMPLE}", "model-endpoint.yaml"))
        seen = self._after(team.commit("Train and serve digits"), "Healthy")
        expect(seen.healths[-2:] == ["Progressing", "Healthy"], f"the Application was {seen.healths}, not Progressing and then Healthy")
        expect(self._status("trainingrun")["phase"] == "Succeeded", "the run has not succeeded")
        expect(self._serving() == "1", f"version {self._serving()} serves")
        return seen

    def break_the_script(self) -> Seen:
        """Degraded, with AWS's own reason where Argo CD shows it, and the endpoint untouched."""
        team = self.sandbox.team
        text = team.path(TRAINING).read_text()
        team.write(TRAINING, text.replace("def main(", f'raise ValueError("{WORDS}")\n\n\ndef main(', 1))
        self.broken = team.commit("Read the third file, too")
        seen = self._after(self.broken, "Degraded")
        health, message = seen.state.resources[RUN]
        reason = self._job_failure()
        expect(health == "Degraded", f"the run is {health}")
        expect(WORDS in reason, f"AWS says {reason!r}")
        expect(" ".join(reason.split())[:200] in message, f"Argo CD says {message!r}, AWS {reason!r}")
        expect(seen.state.resources[ENDPOINT][0] == "Healthy", f"the endpoint is {seen.state.resources[ENDPOINT]}")
        return seen

    def revert(self) -> Seen:
        """Healthy again, and nobody pays twice: the names at AWS are made of the content, which is that of the day before."""
        seen = self._after(self.sandbox.team.revert(self.broken), "Healthy")
        expect(not seen.created, f"a revert created {dict(seen.created)}")
        return seen

    def roll_out_another_version(self) -> Seen:
        """Two commits: one trains another model, one pins it. The second changes the endpoint by a canary."""
        team = self.sandbox.team
        team.edit(RUN_FILE, {"n_estimators: 200": "n_estimators: 220"})
        trained = self._after(team.commit("More trees"), "Healthy")
        model = str(self._status("trainingrun")["model"])
        expect(model.endswith("/2"), f"the run has made {model}")
        team.edit(ENDPOINT_FILE, {"version: 1": "version: 2"})
        seen = self._after(team.commit(f"Serve {model}"), "Healthy")
        expect("Progressing" in seen.facts["endpoint"], f"the endpoint was {seen.facts['endpoint']}, never Progressing")
        expect(self._serving() == "2", f"version {self._serving()} serves")
        expect(seen.created["sagemaker:CreateTrainingJob"] == 0, f"the rollout created {dict(seen.created)}")
        return Seen(seen.state, seen.healths, seen.created, {**seen.facts, "trained": dict(trained.created), "model": model})

    def watch_a_forecast(self) -> Seen:
        """A second trio: a forecast, the endpoint that pins its first version, and the MonitorPolicy on it, which says that all is well."""
        ledger = self.ledger.position()
        with Watch(self.sandbox, TEAM) as watch:
            self.loop.serve()
            state = self.settled(self.loop.revision, "Healthy")
        expect(POLICY in state.resources, f"Argo CD knows no health of the MonitorPolicy: {state}")
        return Seen(state, watch.healths(), self.ledger.created(ledger), {"policy": watch.healths(POLICY)})

    def drift(self) -> Seen:
        """The world changes its pace: three bad checks are a breach, a breach is Degraded, and one retrain later it still is."""
        ledger = self.ledger.position()
        with Watch(self.sandbox, TEAM) as watch:
            with self.loop.drifting():
                pass
            breached = argocd.until(self.sandbox, TEAM, lambda state: state.health == "Degraded", f"{TEAM} to be Degraded", SECONDS)
            self.loop.retrain()
            state = self.settled(self.loop.revision, "Degraded")
        for told in (breached, state):
            health, message = told.resources[POLICY]
            expect(health == "Degraded" and message.startswith("Breached: "), f"the policy is {health}: {message}")
        others = {name: health for name, (health, _) in state.resources.items() if name != POLICY}
        expect(set(others.values()) == {"Healthy"}, f"beside the policy {others}")
        return Seen(state, watch.healths(), self.ledger.created(ledger), {"policy": watch.healths(POLICY)})

    def approve_by_a_commit(self) -> Seen:
        """The new version is pinned; it is rolled out, the next check is good, and with it the Application."""
        ledger = self.ledger.position()
        with Watch(self.sandbox, TEAM) as watch:
            self.loop.close()
            state = self.settled(self.loop.revision, "Healthy")
        self.loop.created()
        return Seen(state, watch.healths(), self.ledger.created(ledger), {"policy": watch.healths(POLICY)})

    def rest(self) -> Seen:
        """Argo CD compares and heals every five seconds all the while; there is nothing to heal, and nobody writes."""
        self._settle()
        ledger, audit = self.ledger.position(), position(self.sandbox)
        before = self._state()
        with Watch(self.sandbox, TEAM) as watch:
            time.sleep(self.rest_seconds)
        writes = foreign_writes(self.sandbox, audit)
        expect(not writes, f"at rest there were writes: {writes}")
        syncs = {state.sync for state in watch.states} | {self._state().sync}
        expect(syncs == {"Synced"}, f"at rest the Application was {syncs}")
        expect({state.health for state in watch.states} == {"Healthy"}, f"at rest the Application was {watch.healths()}")
        expect(len(watch.states) > 1, "Argo CD compared nothing")
        created = self.ledger.created(ledger)
        expect(not created, f"at rest {dict(created)} were created")
        facts = {"seconds": self.rest_seconds, "comparisons": len(watch.states), "writes": len(writes)}
        return Seen(before, watch.healths(), created, facts)

    def _settle(self) -> None:
        """Until nobody has written for a while: CloudWatch is told of a moved threshold after the check that says Healthy."""
        deadline = time.monotonic() + SECONDS
        while True:
            audit = position(self.sandbox)
            time.sleep(SETTLED)
            writes = foreign_writes(self.sandbox, audit)
            if not writes:
                return
            expect(time.monotonic() < deadline, f"they go on writing: {writes}")

    def prune_the_endpoint(self) -> Seen:
        """The file goes; Argo CD waits for a confirmation; and then the endpoint goes on serving, for its policy is Retain."""
        team, ledger = self.sandbox.team, self.ledger.position()
        self.endpoint = name = self._status("modelendpoint")["endpointName"]
        before = self._describe()
        team.path(ENDPOINT_FILE).unlink()
        team.edit(LIST_FILE, {"  - model-endpoint.yaml\n": ""})
        revision = team.commit("Somebody's mistake")
        waiting = argocd.until(self.sandbox, TEAM, lambda state: "confirm" in state.message, "Argo CD's question", SECONDS)
        expect(self._status("modelendpoint")["phase"] == "InService", "the ModelEndpoint went without a confirmation")
        self._confirm()
        self._until(lambda: not self._exists("modelendpoint"), "the end of the ModelEndpoint")
        state = self.settled(revision, "Healthy")
        expect(self._describe() == before, f"the endpoint {name} is not what it was")
        deleted = {operation: count for operation, count in self.ledger.calls(ledger).items() if ":Delete" in operation}
        expect(not deleted, f"Retain, and AWS was asked for {deleted}")
        return Seen(state, [], self.ledger.created(ledger), {"asked": waiting.message, "endpoint": name})

    def put_it_back(self) -> Seen:
        """The commit before again: the endpoint is found by its name, and nothing is made."""
        team = self.sandbox.team
        before = self._describe()
        seen = self._after(team.revert("HEAD"), "Healthy")
        expect(not seen.created, f"what was there already was created again: {dict(seen.created)}")
        expect(self._describe() == before, "the endpoint is not what it was")
        return seen

    def _after(self, revision: str, health: str) -> Seen:
        """What happens from a commit until the Application is at rest with it."""
        ledger = self.ledger.position()
        with Watch(self.sandbox, TEAM) as watch:
            state = self.settled(revision, health)
        return Seen(state, watch.healths(), self.ledger.created(ledger), {"endpoint": watch.healths(ENDPOINT), "run": watch.healths(RUN)})

    def _commit(self, message: str) -> str:
        """A commit of the team's that Argo CD has synced."""
        revision = self.sandbox.team.commit(message)
        argocd.until(self.sandbox, TEAM, lambda state: state.revision == revision and state.settled, f"the sync of {message!r}", SECONDS)
        return revision

    def settled(self, revision: str, health: str) -> State:
        """The state once the commit is synced, both sides are at rest, and the health is what it should be."""

        def holds(state: State) -> bool:
            return state.revision == revision and state.settled and state.health == health and self._observed()

        return argocd.until(self.sandbox, TEAM, holds, f"{TEAM} at {revision[:7]} to be {health}", SECONDS)

    def _observed(self) -> bool:
        """Both objects say something about what they are now; Argo CD's own word may be a moment older."""
        state = self._state()
        return all(health not in ("Progressing", "Missing") for health, _ in state.resources.values())

    def _state(self) -> State:
        found = argocd.read(self.sandbox, TEAM)
        if found is None:
            raise CommandError(f"there is no Application {TEAM}")
        return found

    def _status(self, kind: str) -> dict[str, Any]:
        return dict(self.sandbox.get(kind, "digits").get("status", {}))

    def _exists(self, kind: str) -> bool:
        return bool(self.sandbox.kubectl("get", kind, "digits", "-n", NAMESPACE, "--ignore-not-found", "-o", "name").strip())

    def _serving(self) -> str:
        return str(self._status("modelendpoint").get("live", ""))

    def _job_failure(self) -> str:
        """FailureReason of the training job, from AWS."""
        name = next(step["awsName"] for step in self._status("trainingrun")["steps"] if step["name"] == "train")
        found = client(self.sandbox.aws_url, "sagemaker").describe_training_job(TrainingJobName=name)
        return str(found["FailureReason"])

    def _describe(self) -> tuple[str, str, str]:
        """State, config and last change of the endpoint, from AWS."""
        found = client(self.sandbox.aws_url, "sagemaker").describe_endpoint(EndpointName=self.endpoint)
        return found["EndpointStatus"], found["EndpointConfigName"], str(found["LastModifiedTime"])

    def _confirm(self) -> None:
        """What `argocd app confirm-deletion team-a` and the button in the UI do."""
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.sandbox.kubectl("annotate", "--overwrite", "applications.argoproj.io", TEAM, "-n", argocd.NAMESPACE, f"{CONFIRMED}={stamp}")

    def _until(self, holds: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + SECONDS
        while not holds():
            if time.monotonic() > deadline:
                raise CommandError(f"{what} took more than {SECONDS:.0f} s: {self._state()}")
            time.sleep(0.5)

    def _upload(self) -> None:
        command = [sys.executable, str(ROOT / SAMPLE / "upload.py"), "s3://team-a-ml/raw/digits/"]
        subprocess.run(command, env={**os.environ, **self.sandbox.environment()}, check=True, stdout=subprocess.DEVNULL)


def expect(holds: bool, otherwise: str) -> None:
    """CommandError with `otherwise` unless it holds."""
    if not holds:
        raise CommandError(otherwise)


STEPS: Iterable[tuple[str, Callable[[Story], Seen]]] = (
    ("A commit: a TrainingRun, and a ModelEndpoint that pins its first version", Story.commit_the_trio),
    ("A commit: a script that does not work", Story.break_the_script),
    ("git revert", Story.revert),
    ("Two commits: another model, and its version in the endpoint", Story.roll_out_another_version),
    ("A commit: a forecast, the endpoint that pins its first version, and a MonitorPolicy", Story.watch_a_forecast),
    ("Nobody commits, and the world changes its pace", Story.drift),
    ("A commit: the version that the breach has trained", Story.approve_by_a_commit),
    ("Nobody commits", Story.rest),
    ("A commit: the endpoint's file is gone", Story.prune_the_endpoint),
    ("git revert", Story.put_it_back),
)
