"""More than five hundred hostile resources: refused at admission, and without the policies no AWS call leaves the tenant either."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from local_aws.client import AdminClient
from sagemaker_gitops.cli.local_account import client
from sagemaker_gitops.cli.sandbox import Sandbox
from sagemaker_gitops.core.resource import PAUSE
from tests.system.api_server import ApiServer, made, path_of
from tests.system.fence_cases import BASES, TENANT
from tests.system.hostile import FOREIGN, Hostile, hostile
from tests.system.stack import ROLE

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]
SETTLED = 300.0


@dataclass(slots=True)
class Attacked:
    """A sandbox after everything was tried: HTTP status by attempt."""

    sandbox: Sandbox
    attempts: list[Hostile]
    answers: dict[str, int]

    @property
    def taken(self) -> list[Hostile]:
        return [item for item in self.attempts if self.answers[item.name] < 300]

    def calls(self) -> list[dict[str, Any]]:
        """Every call of the operator on behalf of an object."""
        entries = AdminClient(self.sandbox.aws_url).ledger(limit=1_000_000)
        return [entry for entry in entries if entry["sessionTags"].get("name")]


@pytest.fixture(scope="module", params=[True, False], ids=["policies-on", "policies-off"])
def attacked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    """All attempts of a data scientist of team-a, and time for the operator to act on what was taken."""
    with Sandbox(tmp_path_factory.mktemp("hostile"), admission=request.param) as sandbox:
        server = ApiServer(sandbox.kubeconfig.parent)
        _prepare(sandbox, server, admission=request.param)
        done = Attacked(sandbox, hostile(), {})
        for item in done.attempts:
            path = path_of(item.kind, item.namespace) + "?fieldValidation=Strict"
            done.answers[item.name] = server.call("POST", path, item.body, "data-scientist", "application/yaml")[0]
        _settle(server)
        yield done


def _prepare(sandbox: Sandbox, server: ApiServer, *, admission: bool) -> None:
    """Tenant team-a as the cases know it, the code that the runs name, and the data scientist's rights in team-a alone."""
    sandbox.kubectl("create", "namespace", "team-b")
    client(sandbox.aws_url, "s3").put_object(Bucket="team-a-ml", Key="raw/data.csv", Body=b"1\n")
    code = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "code", "namespace": "team-a"}}
    tenant = made("Tenant", TENANT, "team-a")
    for item in (tenant, code | {"data": {"train.py": "print()", "prepare.py": "print()"}}):
        sandbox.kubectl("apply", "-f", "-", stdin=json.dumps(item))
    sandbox.kubectl("create", "rolebinding", "edit", "-n", "team-a", "--clusterrole=sagemaker-gitops-edit", "--user=data-scientist")
    deadline = time.monotonic() + 30
    for kind, base in BASES.items():
        foreign = made(kind, base | {"executionRoleArn": "arn:aws:iam::123456789012:role/team-b/x"}, "probe")
        while admission and server.create(foreign)[0] == 201:
            assert time.monotonic() < deadline, "the policies have no effect"
            time.sleep(0.2)


def _settle(server: ApiServer) -> None:
    """Until the operator has said of every object what it thinks of it, and nothing runs."""
    deadline = time.monotonic() + SETTLED
    while True:
        items = [item for kind in BASES for item in server.call("GET", path_of(kind, "team-a"))[1]["items"]]
        paused = {item["metadata"]["name"] for item in items if PAUSE in item["metadata"].get("annotations", {})}
        open_ = {item["metadata"]["name"] for item in items if item.get("status", {}).get("phase") in (None, "Running")} - paused
        if not open_:
            return
        assert time.monotonic() < deadline, sorted(open_)[:10]
        time.sleep(1.0)


def test_nineteen_of_twenty_are_refused_at_admission(attacked: Attacked) -> None:
    """With the policies; schema and CEL alone leave the tenant's fence to the operator."""
    share = 1 - len(attacked.taken) / len(attacked.attempts)
    taken = Counter(item.sort for item in attacked.taken)
    assert len(attacked.attempts) >= 500
    assert not [item for item in attacked.attempts if item.sort == "collision" and item not in attacked.taken]
    if attacked.sandbox.admission:
        assert share >= 0.95, taken


def test_no_call_leaves_the_tenant(attacked: Attacked) -> None:
    """Nothing is made for a hostile object, nothing of somebody else's is read, and no other role is used."""
    hostile_names = {item.name for item in attacked.taken if not item.inside}
    calls = attacked.calls()
    made_ = [(entry["operation"], entry["sessionTags"]["name"]) for entry in calls if entry["creating"] and entry["accepted"]]
    assert [call for call in made_ if call[1] in hostile_names] == []
    assert {entry["caller"].rsplit("/", 1)[0] for entry in calls} <= {
        ROLE.replace(":iam:", ":sts:").replace(":role/", ":assumed-role/"),
        ROLE,
    }
    assert [entry for entry in calls if any(word in entry["resource"] for word in FOREIGN)] == []
    assert {entry["resource"].split("/", 1)[0] for entry in calls if entry["service"] == "s3"} <= {"team-a-ml", "arn:aws:s3:::team-a-ml"}


def test_names_that_look_alike_share_nothing(attacked: Attacked) -> None:
    """Two objects whose names differ in the last of 150 letters have jobs of their own."""
    made_: dict[str, set[str]] = {}
    for entry in attacked.calls():
        if entry["operation"] == "CreateTrainingJob" and entry["accepted"]:
            made_.setdefault(entry["resource"], set()).add(entry["sessionTags"]["name"])
    assert len(made_) >= sum(item.sort == "collision" for item in attacked.attempts)
    assert all(len(owners) == 1 for owners in made_.values())


def test_every_refusal_of_the_operator_says_why(attacked: Attacked) -> None:
    """What came past admission is Stalled with the field, not silently waiting."""
    server = ApiServer(attacked.sandbox.kubeconfig.parent)
    names = {item.name for item in attacked.taken if not item.inside}
    for kind in BASES:
        for item in server.call("GET", path_of(kind, "team-a"))[1]["items"]:
            if item["metadata"]["name"] in names and item["status"]["phase"] == "Invalid":
                stalled = next(entry for entry in item["status"]["conditions"] if entry["type"] == "Stalled")
                assert stalled["reason"] in ("TenantPolicy", "InvalidSpec", "InvalidRequest")
                assert stalled["message"].startswith(("spec.", "Create", "Start"))
