"""Batch jobs of a ModelEndpoint on the real API server and the local AWS, which runs the model's container over the objects."""

from __future__ import annotations

import json
import time
import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.system.endpoints import Endpoints
from tests.system.stack import Stack, condition

# Answers each line of CSV with its number of fields, plus a constant that tells models apart.
COUNTS = """
import time
def model_fn(folder):
    return CONSTANT
def transform_fn(model, data, content_type, accept):
    time.sleep(SECONDS)
    return "".join(str(len(line.split(",")) + model) + "\\n" for line in data.splitlines()), "text/csv"
"""
BROKEN = """
def model_fn(folder):
    return 0
def transform_fn(model, data, content_type, accept):
    raise ValueError("no such column: amount")
"""
CREATES = Counter({"sagemaker:CreateModel": 1, "sagemaker:CreateTransformJob": 1})


def counts(constant: int = 0, seconds: float = 0.0) -> str:
    return COUNTS.replace("CONSTANT", str(constant)).replace("SECONDS", str(seconds))


class Batches(Endpoints):
    """ModelEndpoints with batch, with and without an endpoint."""

    def lines(self, *lines: str) -> str:
        """A folder with one object."""
        prefix = f"customers/{uuid.uuid4().hex[:8]}/"
        self.write(f"s3://team-a-ml/{prefix}", *lines)
        return f"s3://team-a-ml/{prefix}"

    def write(self, folder: str, *lines: str) -> None:
        key = folder.removeprefix("s3://team-a-ml/") + "customers.csv"
        self.stack.client("s3").put_object(Bucket="team-a-ml", Key=key, Body="".join(f"{line}\n" for line in lines).encode())

    def batch(self, name: str, folder: str, *variants: dict[str, Any], deletionPolicy: str | None = None, **batch: Any) -> None:  # noqa: N803
        given = {"input": folder, "output": f"s3://team-a-ml/predictions/{name}/", "contentType": "text/csv", "splitType": "Line"}
        spec: dict[str, Any] = {"batch": given | batch} | ({"variants": list(variants)} if variants else {})
        spec |= {"deletionPolicy": deletionPolicy} if deletionPolicy else {}
        metadata = {"name": name, "namespace": self.stack.namespace}
        self.stack.apply({"apiVersion": "sagemaker-gitops.dev/v1alpha1", "kind": "ModelEndpoint", "metadata": metadata, "spec": spec})

    def until_batch(self, name: str, holds: Callable[[dict[str, Any]], bool], seconds: float = 60.0) -> dict[str, Any]:
        return dict(self.until(name, lambda status: holds(status.get("batch") or {}), seconds)["batch"])

    def done(self, name: str) -> dict[str, Any]:
        return self.until_batch(name, lambda batch: batch.get("state") in ("Succeeded", "Failed", "Stopped"))

    def results(self, batch: dict[str, Any]) -> str:
        key = f"{batch['output'].removeprefix('s3://team-a-ml/')}customers.csv.out"
        body: bytes = self.stack.client("s3").get_object(Bucket="team-a-ml", Key=key)["Body"].read()
        return body.decode()

    def jobs(self, name: str) -> int:
        return self.stack.accepted(name, "CreateTransformJob")

    def annotate(self, name: str, nonce: str) -> None:
        self.stack.sandbox.kubectl(
            "annotate", "--overwrite", "mep", name, "-n", self.stack.namespace, f"sagemaker-gitops.dev/rerun={nonce}"
        )

    def wipe(self, name: str) -> None:
        patch = ("patch", "mep", name, "-n", self.stack.namespace, "--subresource=status", "--type=merge", "-p", '{"status":null}')
        self.stack.sandbox.kubectl(*patch)


@pytest.fixture
def batches(stack: Stack) -> Batches:
    return Batches(stack)


def pinned(group: str, version: int = 1) -> dict[str, Any]:
    return {"package": {"group": group, "version": version}}


@pytest.mark.capability("F7")
def test_predictions_for_a_whole_data_set_without_an_endpoint(batches: Batches) -> None:
    """One model, one job, joined results; Ready because it ended well; afterwards AWS is left alone."""
    batches.register("alone", counts())
    folder = batches.lines("1,anna,7", "2,bert,8")

    def predict() -> None:
        batches.batch("alone", folder, model=pinned("alone"), joinSource="Input", inputFilter="$[1:]", outputFilter="$[0,-1]")
        batches.done("alone")

    assert batches.stack.created_by(predict) == CREATES
    status = batches.status("alone")
    assert (status["phase"], condition(status, "Ready")["reason"], status["batch"]["model"]) == ("Succeeded", "Succeeded", "alone/1")
    assert batches.results(status["batch"]) == "1,2\n2,2\n"
    assert "url" not in status
    assert not {call for call in batches.stack.asked_for("alone") if "Endpoint" in call}
    batches.stack.quiet()
    before = batches.stack.asked_for("alone")
    time.sleep(5)
    assert batches.stack.asked_for("alone") == before


@pytest.mark.capability("F7")
def test_nothing_is_predicted_twice_unless_a_rerun_asks_for_it(batches: Batches) -> None:
    """Applied again, after a restart of the operator, with a wiped status, and as another object of the same name."""
    batches.register("twice", counts())
    folder = batches.lines("1,2")
    batches.batch("twice", folder, model=pinned("twice"))
    first = batches.done("twice")["jobName"]

    def again() -> None:
        batches.batch("twice", folder, model=pinned("twice"))
        batches.stack.sandbox.restart_operator()
        batches.wipe("twice")
        assert batches.done("twice")["jobName"] == first
        batches.delete("twice")
        batches.batch("twice", folder, model=pinned("twice"))
        assert batches.done("twice")["jobName"] == first

    assert batches.stack.created_by(again) == Counter()
    batches.annotate("twice", "once-more")
    batches.until_batch("twice", lambda batch: batch.get("lastHandledRerun") == "once-more" and batch.get("state") == "Succeeded")
    batches.stack.quiet()
    assert batches.jobs("twice") == 2


@pytest.mark.capability("F7")
@pytest.mark.timeout(240)
@pytest.mark.long
def test_a_schedule_runs_and_says_when_there_is_nothing_new(batches: Batches) -> None:
    """Every minute, by the operator's own clock; only the first has something to do."""
    batches.register("clock", counts())
    batches.batch("clock", batches.lines("1,2"), model=pinned("clock"), schedule={"cron": "* * * * *", "timeZone": "Europe/Zurich"})
    waiting = batches.until_batch("clock", lambda batch: bool(batch.get("nextRun")))
    assert "jobName" not in waiting
    assert condition(batches.status("clock"), "Ready")["reason"] == "Scheduled"
    ran = batches.until_batch("clock", lambda batch: batch.get("state") == "Succeeded", 80)
    assert ran["trigger"] == f"schedule {waiting['nextRun']}"
    batches.until_batch("clock", lambda batch: "nothing new since" in batch.get("message", ""), 80)
    assert batches.jobs("clock") == 1


@pytest.mark.capability("F7")
def test_a_new_model_is_asked_as_soon_as_it_serves(batches: Batches) -> None:
    """And an older one that comes back is not asked again for the same data."""
    batches.register("newmodel", counts(0))
    variant = {"name": "all", "model": {"package": {"group": "newmodel", "approved": "Latest"}}}
    batches.batch("newmodel", batches.lines("1,2"), variant, onNewModel=True)
    first = batches.until_batch("newmodel", lambda batch: batch.get("state") == "Succeeded")
    assert (first["trigger"], batches.results(first)) == ("new model newmodel/1", "2\n")
    second = batches.register("newmodel", counts(100))
    ran = batches.until_batch("newmodel", lambda batch: (batch.get("model"), batch.get("state")) == ("newmodel/2", "Succeeded"))
    assert batches.results(ran) == "102\n"
    assert condition(batches.status("newmodel"), "Ready")["reason"] == "InService"
    batches.approve(second, "Rejected")
    batches.until_batch("newmodel", lambda batch: batch.get("jobName") == first["jobName"])
    assert batches.jobs("newmodel") == 2


@pytest.mark.capability("F7")
def test_a_failed_job_is_told_and_production_stays_ready(batches: Batches) -> None:
    """AWS's reason and the last lines of the log; nothing is tried again by itself, a mended model is asked."""
    batches.register("breaks", BROKEN)
    batches.register("breaks", counts())
    folder = batches.lines("1,2")
    batches.batch("breaks", folder, {"name": "all", "model": pinned("breaks", 1)}, onNewModel=True)
    assert batches.done("breaks")["state"] == "Failed"
    batches.stack.quiet()
    status = batches.status("breaks")
    assert (condition(status, "Ready")["status"], condition(status, "Ready")["reason"]) == ("True", "InService")
    assert condition(status, "BatchFailed")["status"] == "True"
    assert any("no such column: amount" in line for line in status["batch"]["failure"]["logTail"]), json.dumps(status, indent=1)
    assert batches.jobs("breaks") == 1
    batches.batch("breaks", folder, {"name": "all", "model": pinned("breaks", 2)}, onNewModel=True)
    batches.until("breaks", lambda status: condition(status, "BatchFailed").get("status") == "False")


def test_a_running_job_is_stopped_with_its_object(batches: Batches) -> None:
    """deletionPolicy: Delete; the results that are there stay, the model goes."""
    batches.register("stops", counts(seconds=30))
    batches.batch("stops", batches.lines("1,2"), model=pinned("stops"), deletionPolicy="Delete")
    running = batches.until_batch("stops", lambda batch: batch.get("state") == "InProgress")
    batches.stack.wait_for_call("stops", "CreateTransformJob")
    batches.delete("stops")
    sagemaker = batches.stack.client("sagemaker")
    assert sagemaker.describe_transform_job(TransformJobName=running["jobName"])["TransformJobStatus"] == "Stopped"
    assert sagemaker.list_models(NameContains="team-a-stops-model")["Models"] == []


def test_data_outside_of_the_tenant_are_not_read(batches: Batches) -> None:
    """The same fence; no call."""
    batches.register("outside", counts())
    batches.batch("outside", "s3://somebody-else/data/", model=pinned("outside"))
    status = batches.until("outside", lambda status: condition(status, "Stalled").get("reason") == "TenantPolicy")
    assert "spec.batch.input" in condition(status, "Stalled")["message"]
    assert batches.stack.calls_for("outside") == []
