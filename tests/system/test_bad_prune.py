"""Fifty objects pruned by a render that lost them (failure-modes.md M1, S10), under the guard as it is shipped.

AWS loses no more than the limit before somebody agrees; applying the same manifests again takes nothing back and pays for nothing; what was
given up comes back with what it had; what was agreed to goes, once. By the ledger.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from sagemaker_gitops.cli.errors import CommandError
from sagemaker_gitops.cli.sandbox import OPERATOR_SETTINGS, ROOT, Sandbox
from sagemaker_gitops.config import Settings
from tests.system.conftest import least_privilege
from tests.system.endpoints import Endpoints, pinned, serves
from tests.system.stack import Stack, condition

NAMESPACE = "bad-prune"
LIMIT = Settings(install_id="x").deletion_limit
RUNS = tuple(f"run-{number:02}" for number in range(44))
ENDPOINTS = tuple(f"endpoint-{number}" for number in range(6))
AT_STAKE = {*RUNS, *ENDPOINTS}
SCRIPT = "import json, os, time\ntime.sleep(json.loads(os.environ['SM_HPS']).get('seconds', 0))\n"
TAKEN = ("StopTrainingJob", "DeleteEndpoint")
KINDS = "trainingruns,modelendpoints"
ALLOWED = [f"--prune-allowlist=sagemaker-gitops.dev/v1alpha1/{kind}" for kind in ("TrainingRun", "ModelEndpoint")]
Objects = Mapping[str, Mapping[str, Any]]
pytestmark = pytest.mark.long


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """The limit of the installation, and of the Tenant none that fifty objects meet."""
    settings = {name: value for name, value in OPERATOR_SETTINGS.items() if name != "SAGEMAKER_GITOPS_DELETION_LIMIT"}
    with Sandbox(tmp_path, operator_settings=settings) as sandbox:
        shared = Stack(sandbox)
        least_privilege(shared)
        shared.aws.admin("PUT", "settings", {"jobs.maxProcesses": 100})
        tenant: dict[str, Any] = yaml.safe_load((ROOT / "manifests/samples/tenant/tenant.yaml").read_text())
        tenant["metadata"]["name"] = NAMESPACE
        tenant["spec"] |= {"namespaces": [NAMESPACE], "limits": {"maxConcurrentRuns": 100, "maxInstanceCount": 8, "maxRuntime": "24h"}}
        shared.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}, tenant)
        yield replace(shared, namespace=NAMESPACE)


@dataclass(slots=True)
class Team:
    """What is in git, what the cluster has of it, and what AWS was asked."""

    stack: Stack
    git: dict[str, dict[str, Any]] = field(default_factory=dict)
    since: int = 0

    def commit(self) -> None:
        """Fifty objects with something to lose, an ended run and a retained endpoint."""
        code, uri = self.stack.code("code", {"train.py": SCRIPT}), self.stack.data()
        seconds = dict.fromkeys(RUNS, 3600) | {"ended": 0}
        runs = [self._run(name, uri, seconds[name]) for name in seconds]
        policies = dict.fromkeys(ENDPOINTS, "Delete") | {"retained": "Retain"}
        endpoints = [self._endpoint(name, policies[name]) for name in policies]
        for item in runs + endpoints:
            item["metadata"]["labels"] = {"from": "git"}
            self.git[item["metadata"]["name"]] = item
        Endpoints(self.stack).register(NAMESPACE, serves(1))
        self.stack.apply(code, *self.git.values())
        self.until(lambda found: found == {"Running": len(RUNS), "Succeeded": 1, "InService": len(ENDPOINTS) + 1}, self.phases, 300.0)

    def _run(self, name: str, uri: str, seconds: int) -> dict[str, Any]:
        made = self.stack.manifest(name, uri=uri, source={"configMapRef": {"name": "code"}})
        return {**made, "spec": {**made["spec"], "train": {**made["spec"]["train"], "hyperparameters": {"seconds": str(seconds)}}}}

    def _endpoint(self, name: str, policy: str) -> dict[str, Any]:
        spec = {"variants": [pinned(NAMESPACE, 1)], "deletionPolicy": policy}
        kind = {"apiVersion": "sagemaker-gitops.dev/v1alpha1", "kind": "ModelEndpoint"}
        return {**kind, "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec}

    def prune(self) -> None:
        """What a wrong path does: one object is rendered, all others that came from git are deleted."""
        self.since = self.stack.ledger.position()
        left = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "left", "namespace": NAMESPACE, "labels": {"from": "git"}}}
        self.stack.sandbox.kubectl("apply", "-n", NAMESPACE, "--prune", "-l", "from=git", *ALLOWED, "-f", "-", stdin=json.dumps(left))

    def objects(self) -> Objects:
        listed = self.stack.sandbox.kubectl("get", KINDS, "-n", NAMESPACE, "-o", "json")
        return {item["metadata"]["name"]: item for item in json.loads(listed)["items"]}

    def phases(self) -> Counter[str]:
        return Counter(item.get("status", {}).get("phase", "") for item in self.objects().values())

    def held(self) -> set[str]:
        reasons = {name: condition(item.get("status", {}), "Stalled").get("reason") for name, item in self.objects().items()}
        return {name for name, reason in reasons.items() if reason == "DeletionsHeld"}

    def asked(self, *operations: str) -> Counter[tuple[str, str]]:
        """Accepted calls since the prune, by object and operation; no operations: those that create."""
        entries = self.stack.aws.ledger(accepted="true", since=str(self.since), limit=1_000_000)
        chosen = [item for item in entries if (item["operation"] in operations if operations else item["creating"])]
        return Counter((item["sessionTags"].get("name", ""), item["operation"]) for item in chosen)

    def lost(self) -> set[str]:
        """Objects of which AWS was told to stop or delete something."""
        return {name for name, _ in self.asked(*TAKEN)}

    def alive(self) -> int:
        """Jobs that run and endpoints that serve, at AWS."""
        sagemaker = self.stack.client("sagemaker")
        jobs = sagemaker.list_training_jobs(NameContains=NAMESPACE, StatusEquals="InProgress", MaxResults=100)["TrainingJobSummaries"]
        serving = sagemaker.list_endpoints(NameContains=NAMESPACE, StatusEquals="InService", MaxResults=100)["Endpoints"]
        return len(jobs) + len(serving)

    def until(self, holds: Callable[[Any], bool], look: Callable[[], Any], seconds: float = 120.0) -> None:
        deadline = time.monotonic() + seconds
        while not holds(found := look()):
            assert time.monotonic() < deadline, found
            time.sleep(0.5)

    def annotate(self, names: Iterable[str], annotation: str) -> None:
        for kind in ("TrainingRun", "ModelEndpoint"):
            chosen = [name for name in names if self.git[name]["kind"] == kind]
            if chosen:
                self.stack.sandbox.kubectl("annotate", kind, *chosen, "-n", NAMESPACE, "--overwrite", f"sagemaker-gitops.dev/{annotation}")


def _expect_told(team: Team, waiting: set[str]) -> None:
    """Each object says what waits and both ways out, in its conditions and in one Warning event."""
    for name, item in team.objects().items():
        said = {type_: condition(item["status"], type_) for type_ in ("Ready", "Stalled", "DeletionHeld")}
        assert {type_: found["status"] for type_, found in said.items()} == {"Ready": "False", "Stalled": "True", "DeletionHeld": "True"}, (
            name
        )
        for way in (f"more than {LIMIT} objects", "sagemaker-gitops.dev/reconcile-requested-at", 'sagemaker-gitops.dev/release: "true"'):
            assert way in said["Stalled"]["message"], name

    def warned() -> Counter[str]:
        listed = json.loads(team.stack.sandbox.kubectl("get", "events.events.k8s.io", "-n", NAMESPACE, "-o", "json"))["items"]
        return Counter(item["regarding"]["name"] for item in listed if (item["type"], item["reason"]) == ("Warning", "DeletionsHeld"))

    team.until(lambda found: found == Counter(waiting), warned)


def _apply_again(team: Team, waiting: set[str]) -> None:
    """Git is mended: Kubernetes takes no deletion back and makes no second object of a name; nothing is started."""
    before = {name: (item["metadata"]["uid"], item["metadata"]["deletionTimestamp"]) for name, item in team.objects().items()}
    team.stack.apply(*(team.git[name] for name in waiting))
    name = min(waiting)
    with pytest.raises(CommandError, match=f'object is being deleted: .*"{name}" already exists'):
        team.stack.sandbox.kubectl("create", "-f", "-", stdin=json.dumps(team.git[name]))
    time.sleep(5.0)
    assert {name: (item["metadata"]["uid"], item["metadata"]["deletionTimestamp"]) for name, item in team.objects().items()} == before
    assert team.held() == waiting
    assert team.asked() == Counter()


def test_a_prune_of_fifty_costs_no_more_than_the_limit_until_somebody_agrees(stack: Stack) -> None:
    team = Team(stack)
    team.commit()
    alive = team.alive()
    assert alive == len(AT_STAKE) + 1
    team.prune()
    team.until(lambda found: found[0] == found[1] and found[0] <= AT_STAKE, lambda: (set(team.objects()), team.held()))
    waiting, early = team.held(), team.lost()
    assert len(early) <= LIMIT
    assert AT_STAKE - waiting <= early
    _expect_told(team, waiting)
    _apply_again(team, waiting)
    assert (team.lost(), team.alive()) == (early, alive - len(early))

    kept = {*sorted(set(RUNS) - early)[:4], *sorted(set(ENDPOINTS) - early)[:2]}
    team.annotate(kept, "release=true")
    team.until(lambda found: not found & kept, lambda: set(team.objects()))
    stack.apply(*(team.git[name] for name in kept))
    team.until(lambda found: found == {"Running": 4, "InService": 2, "Deleting": len(waiting) - 6}, team.phases)
    assert (team.asked(), team.lost()) == (Counter(), early)

    first = min(waiting & set(ENDPOINTS) - kept)
    assert stack.command("retry", f"mep/{first}", "-n", NAMESPACE).returncode == 0
    team.until(lambda found: found == waiting - {first}, lambda: set(team.objects()))
    assert (team.held(), team.lost()) == (waiting - kept - {first}, early | {first})

    team.annotate(team.held(), f"reconcile-requested-at={time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}")
    team.until(lambda found: found == kept, lambda: set(team.objects()))
    operations = {name: TAKEN[0] if name in RUNS else TAKEN[1] for name in AT_STAKE - kept}
    assert team.asked(*TAKEN) == Counter(operations.items())
    assert (team.alive(), team.asked()) == (len(kept) + 1, Counter())
