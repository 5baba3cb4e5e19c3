"""Checks of a MonitorPolicy on the real API server and the local AWS: from captured traffic to a verdict (acceptance rows 21 and 22)."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from sagemaker_gitops.core.resource import CHECK_NOW
from tests.system.endpoints import pinned
from tests.system.policies import CAPTURE, Policies, answers
from tests.system.stack import condition

CREATES = Counter({"sagemaker:CreateProcessingJob": 1})


@pytest.mark.capability("G1", "G4", "G9", "G10")
def test_a_policy_waits_for_its_endpoint_and_checks_what_it_captured(policies: Policies) -> None:
    """The policy comes first; without capture it waits on; one job reads the captured answers of the window."""
    policies.policy("early")
    waiting = policies.until_policy("early", lambda status: condition(status, "Ready").get("reason") == "DependencyNotReady")
    assert "there is no ModelEndpoint early" in condition(waiting, "Ready")["message"]
    policies.register("early", answers(0.25))
    policies.apply("early", pinned("early", 1))
    policies.in_service("early")
    policies.until_policy("early", lambda status: "add dataCapture" in condition(status, "Ready").get("message", ""))
    policies.apply("early", pinned("early", 1), dataCapture=CAPTURE)
    policies.until_policy("early", lambda status: status.get("phase") == "Scheduled")
    policies.ask_times("early")

    def check() -> None:
        policies.check("early", "first")

    assert policies.stack.created_by(check) == CREATES
    status = policies.policy_status("early")
    last = status["lastCheck"]
    assert (last["state"], last["model"], last["variant"], last["data"]["captured"]) == ("Succeeded", "early/1", "all", 3)
    assert last["metrics"] == [{"check": "loss", "name": "wql", "value": "0.25", "sampleSize": 3}]
    assert (status["phase"], status["metric"], status["target"]) == ("Passing", "loss=0.25", "early/all")
    assert condition(status, "DataAvailable")["status"] == "True"
    job = policies.stack.client("sagemaker").describe_processing_job(ProcessingJobName=last["jobName"])
    assert job["AppSpecification"]["ImageUri"].startswith("492215442770.dkr.ecr.eu-central-1.amazonaws.com/sagemaker-scikit-learn:")


@pytest.mark.capability("G1")
def test_plan_tells_what_a_check_would_call(policies: Policies) -> None:
    """The job that a check asked for would start, and nothing at rest; nothing of it is done."""
    policies.captured("told", 0.25)
    policies.policy("told")
    policies.until_policy("told", lambda status: status.get("phase") == "Scheduled")
    policies.ask_times("told")
    live = json.loads(policies.stack.sandbox.kubectl("get", "mp", "told", "-n", policies.stack.namespace, "-o", "json"))

    def planned(*given: str) -> list[dict[str, Any]]:
        done = policies.stack.command("plan", "-o", "json", "-n", policies.stack.namespace, *given)
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found

    live["metadata"]["annotations"][CHECK_NOW] = "foreseen"
    edited = policies.stack.sandbox.folder / "told.json"
    edited.write_text(json.dumps(live))
    answers_: list[list[dict[str, Any]]] = []
    made = policies.stack.created_by(lambda: answers_.extend([planned("mp/told"), planned(str(edited))]))
    assert not made
    (at_rest,), (asked,) = answers_
    assert (at_rest["phase"], at_rest["calls"]) == ("Scheduled", [])
    assert [call.partition(" ")[0] for call in asked["calls"]] == ["sagemaker:CreateProcessingJob"]


@pytest.mark.capability("G1")
def test_a_new_model_is_followed(policies: Policies) -> None:
    """Its checks are its own: no answer of the model before is held against it."""
    policies.captured("follow", 0.25, 0.5)
    policies.policy("follow")
    policies.ask_times("follow")
    assert policies.check("follow")["model"] == "follow/1"
    policies.apply("follow", pinned("follow", 2), dataCapture=CAPTURE)
    policies.in_service("follow", "2")
    policies.until_policy("follow", lambda status: status.get("model") == "follow/2")
    policies.ask_times("follow", 2)
    last = policies.check("follow")
    assert (last["model"], last["metrics"][0]["value"], last["data"]["captured"]) == ("follow/2", "0.5", 2)


@pytest.mark.capability("G6", "G4")
def test_no_data_is_neither_good_nor_bad(policies: Policies) -> None:
    """DataAvailable is False, Ready is not True, nothing is stalled, and no job was paid for."""
    policies.captured("silent", 0.25)
    policies.policy("silent")
    policies.until_policy("silent", lambda status: status.get("phase") == "Scheduled")
    last = policies.check("silent")
    status = policies.policy_status("silent")
    assert (last["state"], status["phase"]) == ("NoData", "NoData")
    assert {kind: condition(status, kind).get("status") for kind in ("Ready", "Stalled", "DataAvailable")} == {
        "Ready": "False",
        "Stalled": None,
        "DataAvailable": "False",
    }
    assert policies.checks_of("silent") == 0


@pytest.mark.capability("G10")
def test_nothing_is_checked_twice(policies: Policies) -> None:
    """After a restart of the operator, with a wiped status, and as another object of the same name."""
    policies.captured("once", 0.25)
    policies.policy("once")
    policies.ask_times("once")
    first = policies.check("once", "nonce-1")
    policies.stack.sandbox.restart_operator()
    policies.wipe_policy("once")
    found = policies.until_policy("once", lambda status: status.get("lastCheck", {}).get("state") == "Succeeded")["lastCheck"]
    assert (found["jobName"], found["window"], found["metrics"]) == (first["jobName"], first["window"], first["metrics"])
    policies.delete_policy("once")
    policies.policy("once")
    assert policies.check("once", "nonce-1")["jobName"] == first["jobName"]
    assert policies.checks_of("once") == 1
    assert policies.check("once", "nonce-2")["jobName"] != first["jobName"]


@pytest.mark.capability("G10")
def test_a_failed_check_says_why_and_the_next_one_is_free_of_it(policies: Policies) -> None:
    policies.captured("broken", -1.0, 0.25)
    policies.policy("broken")
    policies.ask_times("broken")
    assert policies.check("broken")["state"] == "Failed"
    status = policies.policy_status("broken")
    assert (status["phase"], condition(status, "Stalled")["reason"]) == ("CheckFailed", "AlgorithmError")
    assert any("a negative loss" in line for line in status["failure"]["logTail"])
    policies.apply("broken", pinned("broken", 2), dataCapture=CAPTURE)
    policies.in_service("broken", "2")
    policies.until_policy("broken", lambda status: status.get("model") == "broken/2")
    policies.ask_times("broken")
    assert policies.check("broken")["state"] == "Succeeded"
    assert condition(policies.policy_status("broken"), "Ready")["status"] == "True"


@pytest.mark.capability("G10")
@pytest.mark.timeout(240)
@pytest.mark.long
def test_a_schedule_with_a_time_zone_checks_by_itself(policies: Policies) -> None:
    """Every minute, by the operator's own clock."""
    policies.captured("clock", 0.25)
    policies.policy("clock", schedule={"cron": "* * * * *", "timeZone": "Europe/Zurich"})
    waiting = policies.until_policy("clock", lambda status: bool(status.get("nextCheck")))
    policies.ask_times("clock")
    ran = policies.until_policy("clock", lambda status: status.get("lastCheck", {}).get("state") == "Succeeded", 100)["lastCheck"]
    assert ran["trigger"] == f"schedule {waiting['nextCheck']}"
    policies.delete_policy("clock")
