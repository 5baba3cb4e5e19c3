"""From a breach to one retrain and no more: episodes, limits that AWS remembers, the ratchet, and what CloudWatch is told."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from sagemaker_gitops.core.kinds.training_run.retrain import retrain_of
from sagemaker_gitops.core.naming import digest
from sagemaker_gitops.core.plan import After
from sagemaker_gitops.core.resource import Key, Snapshot
from tests.unit.aws.monitor_world import World, report
from tests.unit.aws.passes import operations

RUN = Key("TrainingRun", "team-a", "fees")
ALARM: dict[str, Any] = {
    "name": "high",
    "check": "loss",
    "operator": ">",
    "threshold": {"initial": 0.24, "ratchet": {"rate": 0.5, "onlyIfBetter": True}},
    "evaluationPeriods": 2,
    "datapointsToAlarm": 2,
    "treatMissingData": "notBreaching",
}


def retraining(**given: Any) -> dict[str, Any]:
    return {"retrain": {"trainingRunRef": {"name": "fees"}, "cooldown": "3h"} | given}


class Loop(World):
    """A policy that asks for retrains, and the TrainingRun that heeds them."""

    def __init__(self, *, alarm: dict[str, Any] | None = None, tenant: dict[str, Any] | None = None, **retrain: Any) -> None:
        super().__init__(tenant, alarms=[ALARM | (alarm or {})], onBreach=retraining(**retrain))
        self.run_is("Succeeded", model="fees/1")
        self.turn()

    def run_is(self, phase: str, **status: Any) -> None:
        """The TrainingRun's status; what is not said stays."""
        before = self.references.objects.get(RUN)
        told = dict(
            before.status if before else {"provenance": {"inputs": [{"name": "raw", "uri": "s3://team-a-ml/raw/", "digest": "old"}]}}
        )
        self.references.objects[RUN] = Snapshot(RUN, "r", "1", 1, status=told | {"phase": phase} | status)

    def hour(self, value: float | None, *, state: str = "Available") -> None:
        """The next hour's traffic is checked and finds this."""
        self.aws.now = _half_past(self.aws.now)
        self.aws.captured(self.aws.now - timedelta(minutes=10))
        self.checked(report(value, state=state))
        self.turn()

    @property
    def asked(self) -> dict[str, Any]:
        return dict(self.status.get("retrain") or {})

    def heed(self, *, job: bool = True) -> str:
        """The TrainingRun takes the request up, as its own code would; the name of the episode."""
        request = retrain_of(self.references.objects[RUN], [self.snapshot])
        assert request is not None
        self.run_is("Running", retrain=request.as_status())
        if job:
            tags = request.tags | {"sagemaker-gitops.dev/install": "test"}
            self.aws.trained[f"team-a-fees-train-{len(self.aws.trained)}"] = (self.aws.now, tags)
        return request.episode

    def trained(self, version: int | None = None, phase: str = "Succeeded") -> None:
        """Its run ends."""
        steps = (
            [{"name": "register", "arn": f"arn:aws:sagemaker:eu-central-1:123456789012:model-package/fees/{version}"}] if version else []
        )
        told = {"model": f"fees/{version}", "steps": steps} if version else {}
        self.run_is(phase, finishedAt=f"{self.aws.now:%Y-%m-%dT%H:%M:%SZ}", **told)

    def breach(self) -> str:
        """Two bad hours, and the episode that is asked for."""
        self.hour(0.31)
        self.hour(0.32)
        assert self.asked, self.status
        return str(self.asked["episode"])


def _half_past(moment: datetime) -> datetime:
    """The first :30 after `moment`."""
    found = moment.replace(minute=30, second=0, microsecond=0)
    return found if found > moment else found + timedelta(hours=1)


def test_one_bad_check_is_no_breach_and_two_are() -> None:
    """M of N; the request says policy, metric, value, threshold and window; the spec of the run is not touched."""
    world = Loop()
    world.hour(0.31)
    assert (world.status["phase"], world.asked) == ("Passing", {})
    assert world.status["breaches"] == "1/2"
    world.hour(0.32)
    assert world.status["phase"] == "Breached"
    assert world.conditions()["Breached"] == "True AlarmOn"
    request = world.asked
    assert request.pop("episode").endswith(".1")
    assert request == {
        "trainingRun": "fees",
        "requestedAt": "2026-11-21T11:31:00Z",
        "policy": "team-a/fees",
        "metric": "loss/wql",
        "value": "0.32",
        "threshold": "0.24",
        "modelKey": world.status["modelKey"],
        "window": {"start": "2026-11-21T10:30:00Z", "end": "2026-11-21T11:30:00Z"},
    }
    assert world.status["retrains"] == "1/3"
    assert (world.status["threshold"], world.status["metric"]) == ("0.24", "loss=0.32")


def test_the_run_is_woken_until_it_has_heeded_and_is_asked_once() -> None:
    world = Loop()
    episode = world.breach()
    assert world.references.woken == []
    for _ in range(3):
        made = world.turn()
        assert made.requeue == After(30.0)
    assert world.references.woken == [RUN] * 3
    world.heed()
    world.turn()
    assert (world.asked["episode"], len(world.references.woken)) == (episode, 3)
    world.hour(0.33)
    world.hour(0.34)
    assert world.asked["episode"] == episode
    assert "its end is waited for" in world.status["episode"]["message"]


def test_a_run_in_flight_is_waited_for() -> None:
    """Somebody's edit trains already: no second run beside it."""
    world = Loop()
    world.run_is("Running")
    world.hour(0.31)
    world.hour(0.32)
    assert world.asked == {}
    assert "TrainingRun fees is Running" in world.status["episode"]["message"]
    assert world.aws.count("ListTrainingJobs") == 0


def test_the_episode_ends_with_the_first_good_check_of_a_newer_model_and_the_threshold_moves_once() -> None:
    """Approved, rolled out, good: the ratchet goes half of the way; at the next check it stays."""
    world = Loop()
    world.breach()
    world.heed()
    world.trained(2)
    world.aws.approval = "PendingManualApproval"
    calls = len(world.aws.calls)
    world.turn()
    assert world.status["episode"]["message"] == "fees/2 awaits approval or its rollout"
    assert "; fees/2 awaits approval or its rollout" in world.message()
    assert len(world.aws.calls) == calls
    world.hour(0.33)
    assert "fees/2 awaits approval or its rollout" in world.status["episode"]["message"]
    world.serves(2)
    world.turn()
    assert world.status["episode"]["message"] == "fees/2 serves: its first good check ends this"
    world.hour(0.1)
    assert "episode" not in world.status
    assert world.status["alarms"][0]["threshold"] == repr(0.1 + 0.5 * (0.24 - 0.1))
    assert world.conditions()["Breached"] == "False Good"
    world.hour(0.02)
    assert world.status["threshold"] == "0.17"
    assert len(world.aws.trained) == 1


def test_the_first_model_moves_no_threshold() -> None:
    world = Loop()
    world.hour(0.1)
    world.hour(0.1)
    assert world.status["threshold"] == "0.24"


def test_a_metric_that_recovers_by_itself_before_anything_was_asked_ends_its_episode() -> None:
    world = Loop()
    world.run_is("Running")
    world.hour(0.31)
    world.hour(0.32)
    assert world.status["episode"]["state"] == "Waiting"
    world.hour(0.1)
    assert "episode" not in world.status
    assert world.asked == {}


def test_a_flapping_metric_asks_once_while_its_retrain_is_pending() -> None:
    """Good on the same model ends nothing after a retrain was asked for."""
    world = Loop(cooldown="0s")
    episode = world.breach()
    world.heed()
    for value in (0.1, 0.31, 0.32, 0.1, 0.33, 0.34):
        world.hour(value)
    assert (world.asked["episode"], len(world.aws.trained)) == (episode, 1)


def test_a_model_that_never_improves_stalls_after_the_limit() -> None:
    """Each of three newer models is as bad: then a person has to look. A good model starts over."""
    world = Loop(cooldown="1h", maxPerDay=10)
    version = 1
    world.breach()
    for _ in range(3):
        world.heed()
        version += 1
        world.trained(version)
        world.serves(version)
        world.turn()
        world.hour(0.31)
        world.hour(0.32)
    assert len(world.aws.trained) == 3
    assert world.conditions()["Stalled"] == "True NoImprovement"
    assert "3 retrains have not made it better" in world.message("Stalled")
    assert len({tags["sagemaker-gitops.dev/retrain-episode"] for _, tags in world.aws.trained.values()}) == 3
    world.hour(0.33)
    assert world.conditions()["Stalled"] == "True NoImprovement"
    world.serves(9)
    world.turn()
    world.hour(0.1)
    assert "Stalled" not in world.conditions()


def test_the_cooldown_is_honoured() -> None:
    """The gate refused the new model; the next retrain comes three hours after the first."""
    world = Loop()
    world.breach()
    world.heed()
    world.trained(phase="GateRejected")
    world.hour(0.33)
    assert "cooldown of 3h since the last retrain" in world.status["episode"]["message"]
    assert world.asked["episode"].endswith(".1")
    world.hour(0.33)
    world.hour(0.33)
    assert world.asked["episode"].endswith(".2")


def test_no_more_than_so_many_a_day() -> None:
    world = Loop(cooldown="0s", maxPerDay=2, maxWithoutImprovement=99)
    world.breach()
    for _ in range(6):
        if world.asked["episode"] not in [tags["sagemaker-gitops.dev/retrain-episode"] for _, tags in world.aws.trained.values()]:
            world.heed()
            world.trained(phase="Failed")
        world.hour(0.4)
    assert len(world.aws.trained) == 2
    assert "maxPerDay is 2" in world.status["episode"]["message"]
    assert world.status["retrains"] == "2/2"
    for _ in range(24):
        world.hour(0.4)
    assert world.asked["episode"].endswith(".3")


def test_the_tenants_limit_counts_every_policy() -> None:
    """Two retrains of somebody else's within the day."""
    world = Loop(tenant={"limits": {"maxRetrainsPerDay": 2}})
    tags = {"sagemaker-gitops.dev/install": "test", "sagemaker-gitops.dev/retrain-policy": "team-a/other"}
    for number in (1, 2):
        world.aws.trained[f"team-a-other-train-{number}"] = (world.aws.now, tags | {"sagemaker-gitops.dev/retrain-episode": f"o.{number}"})
    world.hour(0.31)
    world.hour(0.32)
    assert world.asked == {}
    assert "limits.maxRetrainsPerDay: 2" in world.status["episode"]["message"]


def test_without_new_data_nothing_is_trained() -> None:
    world = Loop(requireNewData=True)
    same = digest([["raw/", "v1", "e", 1]])
    world.run_is("Succeeded", provenance={"inputs": [{"name": "raw", "uri": "s3://team-a-ml/raw/", "digest": same}]})
    world.hour(0.31)
    world.hour(0.32)
    assert "hold nothing new" in world.status["episode"]["message"]
    world.aws.raw = "v2"
    world.hour(0.33)
    assert world.asked["episode"].endswith(".1")


def test_a_rejected_candidate_is_waited_for_no_longer() -> None:
    world = Loop(cooldown="0s")
    world.breach()
    world.heed()
    world.trained(2)
    world.aws.approval = "Rejected"
    world.hour(0.33)
    assert world.asked["episode"].endswith(".2")


@pytest.mark.parametrize("wiped", ["after the request", "while it trains", "after it failed"])
def test_a_wiped_status_asks_for_nothing_again_and_forgets_no_limit(wiped: str) -> None:
    """AWS's tags know the retrain: the same episode goes on, with its number, its cooldown and its limit."""
    world = Loop(maxWithoutImprovement=1, cooldown="1h")
    episode = world.breach()
    if wiped != "after the request":
        world.heed()
    if wiped == "after it failed":
        world.trained(phase="GateRejected")
    if wiped == "after the request":
        world.heed()
        world.trained(phase="GateRejected")
    world.wipe()
    world.turn()
    for _ in range(4):
        world.hour(0.35)
    if wiped == "while it trains":
        world.trained(phase="GateRejected")
        world.hour(0.35)
    assert len(world.aws.trained) == 1
    assert world.status["episode"]["id"] == episode.rpartition(".")[0]
    assert world.conditions()["Stalled"] == "True NoImprovement"


def test_a_wiped_status_finds_its_threshold_in_cloudwatch() -> None:
    """0.24 was long ago."""
    world = Loop()
    world.hour(0.2)
    world.serves(2)
    world.turn()
    world.hour(0.1)
    moved = world.status["alarms"][0]["threshold"]
    world.wipe()
    world.turn()
    world.hour(0.16)
    assert world.status["alarms"][0]["threshold"] == moved


def test_no_data_is_neither_a_breach_nor_the_end_of_one() -> None:
    """notBreaching: a missing number is not bad; and an episode needs a number to end."""
    world = Loop()
    world.breach()
    world.heed()
    world.trained(2)
    world.serves(2)
    world.turn()
    for state in ("NoData", "LowMatch"):
        world.hour(None, state=state)
        assert world.status["phase"] == "NoData"
        assert "episode" in world.status


def test_numbers_carry_endpoint_variant_and_model_version() -> None:
    """One call for each check: the number, the threshold, and the mark of a retrain."""
    world = Loop()
    world.breach()
    named = {(item["MetricName"], tuple(sorted(pair["Name"] for pair in item["Dimensions"])), item["Value"]) for item in world.aws.metrics}
    whole = ("Endpoint", "ModelVersion", "Policy", "Variant")
    assert named == {
        ("loss/wql", whole, 0.31),
        ("loss/wql", whole, 0.32),
        ("high/threshold", whole, 0.24),
        ("high/threshold", ("Policy",), 0.24),
        ("high/retrain", whole, 0.32),
    }
    assert world.aws.count("PutMetricData") == 3
    dimensions = {pair["Name"]: pair["Value"] for pair in world.aws.metrics[0]["Dimensions"]}
    assert dimensions == {"Policy": "team-a/fees", "Endpoint": "team-a-fees-4k2mzq", "Variant": "blue", "ModelVersion": "fees/1"}
    assert world.aws.metrics[0]["Timestamp"].isoformat() == "2026-11-21T10:30:00+00:00"


def test_the_cloudwatch_alarm_follows_model_and_threshold_and_goes_with_the_policy() -> None:
    """Made once, changed when it has to be, asked about only then; ours alone are deleted."""
    world = Loop(alarm={"createCloudWatchAlarm": True})
    world.hour(0.2)
    assert (world.status["cloudWatchAlarms"], world.turn().requeue) == ("Changing", After(59 * 60.0))
    (alarm,) = world.aws.alarms.values()
    assert (alarm["Threshold"], alarm["Period"], alarm["EvaluationPeriods"], alarm["DatapointsToAlarm"]) == (0.24, 3600, 2, 2)
    assert (alarm["Statistic"], alarm["ComparisonOperator"], alarm["TreatMissingData"]) == (
        "Maximum",
        "GreaterThanThreshold",
        "notBreaching",
    )
    puts, asks = world.aws.count("PutMetricAlarm"), world.aws.count("DescribeAlarms")
    world.hour(0.2)
    assert (world.aws.count("PutMetricAlarm"), world.aws.count("DescribeAlarms")) == (puts, asks)
    world.serves(2)
    world.turn()
    world.hour(0.1)
    world.turn()
    (alarm,) = world.aws.alarms.values()
    assert alarm["Threshold"] == pytest.approx(0.17)
    assert {"Name": "ModelVersion", "Value": "fees/2"} in alarm["Dimensions"]
    world.aws.alarms["team-a-fees-alarm-other"] = {"AlarmName": "team-a-fees-alarm-other", "Tags": []}
    world.delete()
    assert "DeleteAlarms" in operations(world.turn())
    assert list(world.aws.alarms) == ["team-a-fees-alarm-other"]
    for _ in range(4):
        world.later(minutes=10)
        made = world.turn()
    assert made.finalizer is False


def test_an_alarm_that_cloudwatch_cannot_hold_is_refused_before_any_call() -> None:
    world = World(
        alarms=[ALARM | {"createCloudWatchAlarm": True, "evaluationPeriods": 9, "datapointsToAlarm": 9}],
        schedule={"cron": "0 2 * * *"},
        window="24h",
    )
    world.turn()
    assert world.conditions()["Stalled"] == "True InvalidSpec"
    assert "spec.alarms[0].evaluationPeriods" in world.message()
    assert world.aws.calls == []
