"""What is deleted in the wrong order ends, says what it waits for, leaks nothing with Delete and touches nothing with Retain."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
import yaml

from sagemaker_gitops.cli.errors import CommandError
from sagemaker_gitops.cli.local_account import ACCOUNT
from sagemaker_gitops.cli.sandbox import ROOT, Sandbox
from tests.system.endpoints import Endpoints, pinned, serves
from tests.system.stack import Stack, condition

SLOW = {"train.py": "import time\ntime.sleep(600)\n"}
ROLE = f"arn:aws:iam::{ACCOUNT}:role/sagemaker-gitops-team-a"
FINALIZER = "sagemaker-gitops.dev/aws-resources"
pytestmark = pytest.mark.long
KINDS = ("trainingruns", "modelendpoints", "monitorpolicies")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """With the controller-manager, which empties namespaces, and the admission policies, which must not be in the way of a deletion."""
    with Sandbox(tmp_path_factory.mktemp("sandbox"), controller_manager=True) as sandbox:
        yield Stack(sandbox)


@dataclass(slots=True)
class Team:
    """A namespace with a Tenant: a training that runs, an endpoint to delete with its object and one to leave alone."""

    stack: Stack
    job: str = ""

    @property
    def name(self) -> str:
        return self.stack.namespace

    @property
    def endpoints(self) -> Endpoints:
        return Endpoints(self.stack)

    def bind(self, **spec: Any) -> None:
        """Also again."""
        tenant: dict[str, Any] = yaml.safe_load((ROOT / "manifests/samples/tenant/tenant.yaml").read_text())
        tenant["metadata"]["name"] = self.name
        tenant["spec"] |= {"namespaces": [self.name]} | spec
        self.stack.apply(tenant)

    def fill(self) -> None:
        """`goes` and `runs` are to be deleted in AWS, `stays` is to be retained."""
        self.endpoints.register(self.name, serves(1))
        for name, policy in (("goes", "Delete"), ("stays", "Retain")):
            self.endpoints.apply(name, pinned(self.name, 1), deletionPolicy=policy)
        self.stack.run("runs", files=SLOW)
        status = self.stack.until("runs", lambda status: status.get("phase") == "Running")["status"]
        self.job = status["steps"][0]["awsName"]
        for name in ("goes", "stays"):
            self.endpoints.in_service(name)

    def job_state(self) -> str:
        return str(self.stack.client("sagemaker").describe_training_job(TrainingJobName=self.job)["TrainingJobStatus"])

    def serving(self) -> dict[str, str]:
        """Endpoints of this namespace at AWS, and when each changed last."""
        found = self.stack.client("sagemaker").list_endpoints(NameContains=self.name)["Endpoints"]
        return {item["EndpointName"]: str(item["LastModifiedTime"]) for item in found}

    def remains(self) -> dict[str, set[str]]:
        """What AWS holds of `goes` and of `stays`: configs by the object's name."""
        return {name: self.endpoints.configs(name) for name in ("goes", "stays")}

    def gone(self, *kinds: str, seconds: float = 90.0) -> None:
        """Until no object of ours is left."""

        def told() -> str:
            return json.dumps([item.get("status") for item in self.left(*kinds)], indent=1)

        eventually(lambda: not self.left(*kinds), seconds, told)

    def left(self, *kinds: str) -> list[dict[str, Any]]:
        listed = self.stack.sandbox.kubectl("get", ",".join(kinds or KINDS), "-n", self.name, "-o", "json", "--ignore-not-found")
        items: list[dict[str, Any]] = json.loads(listed)["items"] if listed.strip() else []
        return items

    def delete_all(self, *kinds: str) -> None:
        self.stack.sandbox.kubectl("delete", ",".join(kinds or KINDS), "--all", "-n", self.name, "--wait=false")


@pytest.fixture
def team(shared: Stack, request: pytest.FixtureRequest) -> Iterator[Team]:
    name = request.node.originalname.removeprefix("test_").replace("_", "-")[:30].rstrip("-")
    shared.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    found = Team(replace(shared, namespace=name))
    found.bind()
    found.fill()
    yield found
    sagemaker = shared.client("sagemaker")
    for endpoint in found.serving():
        sagemaker.delete_endpoint(EndpointName=endpoint)
    if found.job_state() == "InProgress":
        sagemaker.stop_training_job(TrainingJobName=found.job)


def eventually(holds: Callable[[], bool], seconds: float = 60.0, otherwise: Callable[[], str] = str) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, otherwise()
        time.sleep(0.2)


def _expect_done(team: Team, before: dict[str, str]) -> None:
    """The job is stopped, `goes` left nothing, `stays` is as it was."""
    assert team.job_state() == "Stopped"
    stays = {name: at for name, at in before.items() if "stays" in name}
    assert team.serving() == stays
    assert len(stays) == 1
    remains = team.remains()
    assert remains["goes"] == set()
    assert len(remains["stays"]) == 1


def _reasons(team: Team, type_: str) -> dict[str, str]:
    """Name of each object that is left -> why it is where it is."""
    return {item["metadata"]["name"]: condition(item.get("status", {}), type_).get("reason", "") for item in team.left()}


def test_a_namespace_goes_with_everything_in_it(team: Team) -> None:
    """The code goes before the run, no Event can be written any more, and all the same: what was to be deleted is, and nothing else."""
    before = team.serving()
    team.stack.sandbox.kubectl("delete", "namespace", team.name, "--timeout=120s")
    _expect_done(team, before)
    assert not [event for event in team.stack.all_writes() if event.code == 403 and event.resource != "events"]


def test_without_its_tenant_it_waits_and_says_for_whom(team: Team) -> None:
    """There is no role to clean up with. What is retained needs none; the rest waits, calls nothing, and ends when the Tenant is back."""
    before = team.serving()
    team.stack.sandbox.kubectl("delete", "tenant", team.name)
    calls = team.stack.calls_for("goes"), team.stack.calls_for("runs")
    team.delete_all()
    eventually(lambda: _reasons(team, "Stalled") == {"goes": "TenantMissing", "runs": "TenantMissing"})
    for item in team.left():
        message = condition(item["status"], "Stalled")["message"]
        assert f"no single Tenant names namespace {team.name}: restore it" in message
    assert (team.stack.calls_for("goes"), team.stack.calls_for("runs")) == calls
    assert team.serving() == before
    team.bind()
    team.gone()
    _expect_done(team, before)


def test_break_glass_is_recorded(team: Team) -> None:
    """The Tenant is gone for good: who releases an object that is being deleted gets it out of the way, and an Event says so."""
    before = team.serving()
    team.stack.sandbox.kubectl("delete", "tenant", team.name)
    team.delete_all()
    eventually(lambda: _reasons(team, "Stalled") == {"goes": "TenantMissing", "runs": "TenantMissing"})
    team.stack.sandbox.kubectl("annotate", "tr/runs", "mep/goes", "-n", team.name, "sagemaker-gitops.dev/release=true")
    team.gone()
    assert team.serving() == before
    assert team.job_state() == "InProgress"

    def events() -> dict[str, str]:
        listed = json.loads(team.stack.sandbox.kubectl("get", "events.events.k8s.io", "-n", team.name, "-o", "json"))["items"]
        return {item["regarding"]["name"]: item["note"] for item in listed if item["reason"] == "Released"}

    eventually(lambda: events().keys() == {"goes", "runs"}, otherwise=lambda: str(events()))
    assert all("the finalizer was given up and AWS is left as it is" in note for note in events().values())


def test_without_credentials_it_waits_and_names_the_role(team: Team) -> None:
    """The role no longer trusts us: every object says so, none is let go, and it goes on by itself."""
    before = team.serving()
    team.bind(externalId="wrong")
    team.delete_all()
    eventually(lambda: set(_reasons(team, "Stalled").values()) == {"AccessDenied"}, otherwise=lambda: str(_reasons(team, "Stalled")))
    assert all(ROLE.rpartition("/")[2] in condition(item["status"], "Stalled")["message"] for item in team.left())
    assert team.serving() == before
    assert team.job_state() == "InProgress"
    team.bind()
    team.gone()
    _expect_done(team, before)


def test_without_the_operator_nothing_goes_and_nothing_is_lost(team: Team) -> None:
    """Finalizers hold what is to be cleaned up until somebody is there who can."""
    before, sandbox = team.serving(), team.stack.sandbox
    assert sandbox.operator is not None
    sandbox._end(sandbox.operator)
    team.delete_all()
    time.sleep(2.0)
    assert {item["metadata"]["name"] for item in team.left()} == {"goes", "runs", "stays"}
    assert all(FINALIZER in item["metadata"]["finalizers"] for item in team.left())
    assert team.serving() == before
    sandbox.start_operator()
    team.gone()
    _expect_done(team, before)


def _delete_crds(team: Team, *kinds: str) -> None:
    """Until they are gone. A watch that finds its CRD gone ends the process: the kubelet starts the next one, which does the rest."""
    crds, sandbox = tuple(f"crd/{kind}.sagemaker-gitops.dev" for kind in kinds), team.stack.sandbox
    sandbox.kubectl("delete", *crds, "--wait=false")
    deadline = time.monotonic() + 300.0
    while sandbox.kubectl("get", *crds, "--ignore-not-found", "-o", "name").strip():
        assert time.monotonic() < deadline, sandbox.kubectl("get", *crds, "--ignore-not-found", "-o", "yaml")
        _as_kubelet(sandbox)
        time.sleep(0.5)


def _as_kubelet(sandbox: Sandbox) -> None:
    """A process that has ended is started again, also one that ends while it starts."""
    if sandbox.operator is None or sandbox.operator.process.poll() is not None:
        with contextlib.suppress(CommandError):
            sandbox.restart_operator()


def test_a_crd_that_is_gone_holds_up_nothing_else(team: Team) -> None:
    """Not even an operator that starts without it; when the CRD is back, its objects are served again."""
    before, sandbox = team.serving(), team.stack.sandbox
    _delete_crds(team, "monitorpolicies")
    sandbox.restart_operator()
    team.delete_all(*KINDS[:2])
    team.gone(*KINDS[:2])
    _expect_done(team, before)

    sandbox.kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
    told = sandbox.operator
    assert told is not None
    eventually(lambda: told.process.poll() not in (None, 0))
    sandbox.restart_operator()
    policy = yaml.safe_load((ROOT / "manifests/samples/fees/monitor-policy.yaml").read_text())
    team.stack.apply(policy | {"metadata": {"name": "back", "namespace": team.name}})
    found = ("get", "mp/back", "-n", team.name, "-o", "jsonpath={.status.phase}")
    eventually(lambda: bool(sandbox.kubectl(*found)))


def test_crds_that_are_deleted_take_their_objects_along_in_order(team: Team) -> None:
    """Last in this module. The API server deletes the objects first, and a CRD is there until its last object has been let go."""
    before = team.serving()
    _delete_crds(team, *KINDS)
    _expect_done(team, before)
