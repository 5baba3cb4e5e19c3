"""What of the real kinds' statuses is a transition that people are told of: once when it begins, nothing when a status is lost."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from sagemaker_gitops.core.kinds.model_endpoint.facts import EndpointState, NoEndpoint
from sagemaker_gitops.core.kinds.model_endpoint.occurrences import occurrences as endpoint_occurrences
from sagemaker_gitops.core.kinds.monitor_policy.occurrences import occurrences as policy_occurrences
from sagemaker_gitops.core.kinds.training_run.occurrences import occurrences as run_occurrences
from sagemaker_gitops.core.notifications import Occurrence
from sagemaker_gitops.core.plan import Plan
from tests.unit.aws.monitor_world import report
from tests.unit.aws.test_aws_adapter_monitor_breach import Loop
from tests.unit.core.endpoint_case import BEFORE, Case, model

LATER = BEFORE + timedelta(minutes=30)


class Told(Loop):
    """A policy, and what it would have told."""

    def __init__(self, **given: Any) -> None:
        self.told: list[Occurrence] = []
        super().__init__(**given)

    def turn(self, *, crash_before: str = "", crash_after: str = "") -> Plan:
        before = self.status
        made = super().turn(crash_before=crash_before, crash_after=crash_after)
        if before.get("phase"):
            self.told += policy_occurrences(before, self.status)
        return made

    @property
    def names(self) -> list[str]:
        return [item.transition for item in self.told]


def test_a_breach_is_told_when_it_begins_and_its_end_too() -> None:
    world = Told()
    for value in (0.9, 0.9, 0.9, 0.9):
        world.hour(value)
    assert world.names == ["Breached", "RetrainRequested"]
    assert "high" in world.told[0].message
    assert world.told[0].console_url.endswith(world.status["lastCheck"]["jobName"]) or "processing-jobs" in world.told[0].console_url
    world.heed()
    world.run_is("Succeeded", model="fees/2")
    world.serves(2)
    world.turn()
    world.hour(0.1)
    world.hour(0.1)
    assert world.names == ["Breached", "RetrainRequested", "Recovered"]
    assert len({item.identity for item in world.told}) == 3


def test_missing_data_is_told_once_and_again_after_it_came_back() -> None:
    world = Told()
    for value in (0.1, None, None, 0.1, None):
        world.hour(value, state="NoData" if value is None else "Available")
    assert world.names == ["NoData", "NoData"]
    assert world.told[0].identity != world.told[1].identity


def test_a_check_that_fails_is_told_until_one_works() -> None:
    world = Told()
    for _ in range(2):
        world.aws.now += timedelta(hours=1)
        world.aws.captured(world.aws.now - timedelta(minutes=50))
        world.checked(reason="AlgorithmError: ExitCode 1")
    assert world.names == ["Failed"]
    world.hour(0.1)
    assert world.names == ["Failed"]


def test_a_lost_status_of_a_policy_tells_nothing_old() -> None:
    """The check of the same window is found at AWS: what it found is no news."""
    world = Told(alarm={"evaluationPeriods": 1, "datapointsToAlarm": 1})
    world.hour(0.9)
    assert world.names == ["Breached", "RetrainRequested"]
    world.told.clear()
    world.check_now("again")
    world.turn()
    world.aws.end(report(0.9))
    world.turn()
    world.wipe()
    world.turn()
    world.turn()
    world.turn()
    assert "Breached" not in world.names
    assert world.status["phase"] == "Breached"


class Serving(Case):
    """An endpoint, and what it would have told."""

    def __init__(self, **spec: Any) -> None:
        super().__init__(**spec)
        self.told: list[Occurrence] = []

    def decide(self, *given: Any, **more: Any) -> Plan:
        before = dict(self.snapshot.status)
        made = super().decide(*given, **more)
        if before.get("phase"):
            self.told += endpoint_occurrences(before, self.snapshot.status)
        return made

    @property
    def names(self) -> list[str]:
        return [item.transition for item in self.told]


def test_a_rollout_is_told_once_it_serves() -> None:
    case = Serving()
    case.decide(NoEndpoint())
    case.decide(case.live())
    case.decide(case.live())
    assert case.names == ["InService"]
    case.decide(case.live(), model(8))
    case.decide(case.live(model(8), last_modified=LATER), model(8))
    case.decide(case.live(model(8), last_modified=LATER), model(8))
    assert case.names == ["InService", "InService"]
    assert case.told[0].identity != case.told[1].identity
    assert case.config(model(8)) in case.told[1].message


def test_a_rollback_is_told_once_and_what_serves_then_is_not() -> None:
    case = Serving()
    case.decide(NoEndpoint())
    case.decide(case.live())
    case.decide(case.live(), model(8))
    case.decide(case.live(state=EndpointState.BUSY, raw="Updating", pending=case.config(model(8))), model(8))
    for _ in range(3):
        case.decide(case.live(last_modified=LATER), model(8))
    assert case.names == ["InService", "RolledBack"]


def test_an_endpoint_that_serves_is_no_news_to_a_lost_status() -> None:
    """Nor is one that has to wait for its model first, as in a cluster that is rebuilt."""
    case = Serving()
    case.decide(case.live())
    case.decide(case.live())
    assert case.names == []


@pytest.mark.parametrize(
    ("field", "identity", "running", "reason"),
    [("smokeTest", "key", "Running", "SmokeTestFailed"), ("batch", "jobName", "InProgress", "BatchFailed")],
)
def test_a_smoke_test_or_batch_job_that_was_seen_under_way_is_told_when_it_fails(
    field: str, identity: str, running: str, reason: str
) -> None:
    def status(name: str, state: str) -> Mapping[str, Any]:
        return {"phase": "InService", field: {identity: name, "state": state, "message": "no"}}

    def told(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[tuple[str, str]]:
        return [(item.transition, item.reason) for item in endpoint_occurrences(before, after)]

    assert told(status("a", running), status("a", "Failed")) == [("Failed", reason)]
    assert told(status("a", "Failed"), status("a", "Failed")) == []
    assert told({"phase": "Pending"}, status("a", "Failed")) == []
    assert told(status("a", running), status("b", "Failed")) == []
    assert told(status("a", running), status("a", "Passed")) == []


def _run(phase: str, asked: str = "a", *, ended: str = "", began: str = "2026-11-21T10:00:00Z", **more: Any) -> Mapping[str, Any]:
    step = {"name": "train", "state": "Failed" if phase == "Failed" else "Succeeded", "consoleUrl": "https://console/train"}
    steps = [step | ({"finishedAt": ended} if ended else {})] if phase != "Running" else []
    conditions = [{"type": "Ready", "status": "False", "reason": "AlgorithmError", "message": "train: no"}]
    return {"phase": phase, "specHash": asked, "startedAt": began, "steps": steps, "step": "train", "conditions": conditions} | more


AFTER, EARLIER = "2026-11-21T10:05:00Z", "2026-11-21T09:00:00Z"


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (_run("Running"), _run("Failed", ended=AFTER), ["Failed"]),
        (_run("Running"), _run("Succeeded", ended=AFTER), ["Succeeded"]),
        (_run("Running"), _run("Succeeded", ended=EARLIER), []),  # found at AWS by a status that began later
        (_run("Running"), _run("Failed", ended=EARLIER), []),
        (_run("Failed", ended=AFTER), _run("Failed", ended=AFTER), []),
        (_run("Succeeded", ended=AFTER), _run("GateRejected", "b", ended=EARLIER), ["GateRejected"]),  # an edit of a gate runs no job
        (_run("Invalid"), _run("Failed", ended=AFTER), ["Failed"]),
        (_run("Running"), _run("Stopped", ended=AFTER), []),
        (_run("Running"), {**_run("Failed"), "steps": []}, ["Failed"]),  # a name that somebody else has taken
    ],
)
def test_the_end_of_a_run(before: Mapping[str, Any], after: Mapping[str, Any], told: list[str]) -> None:
    found = [*run_occurrences(before, after)]
    assert [item.transition for item in found] == told
    assert all(item.identity == after["specHash"] and item.message == "train: no" for item in found)
