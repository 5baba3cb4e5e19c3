"""`engine: ModelMonitor`, pass by pass: one definition, one schedule, its executions in the same status, whatever is lost on the way."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from sagemaker_gitops.api.monitor_policy import MonitorPolicySpec
from sagemaker_gitops.api.parse import ValidationFailed, read
from sagemaker_gitops.core.errors import AwsFailure, Category
from sagemaker_gitops.core.kinds.monitor_policy.engine_requests import expression
from sagemaker_gitops.core.plan import After
from sagemaker_gitops.core.transitions import Transition, transitions
from tests.unit.aws.monitor_engine_world import BIAS, CLARIFY, DRIFTED, MONITORED, QUALITY, Monitored
from tests.unit.aws.monitor_world import ENDPOINT, SPEC, failure
from tests.unit.aws.passes import Crash

CREATES = ["CreateDataQualityJobDefinition", "CreateMonitoringSchedule"]
UPDATES = ["CreateDataQualityJobDefinition", "UpdateMonitoringSchedule", "DeleteDataQualityJobDefinition"]
ALARM = {"name": "drifted", "check": "inputs", "operator": ">", "threshold": {"initial": 0}}
ELEVEN, TWELVE = datetime(2026, 11, 21, 11, tzinfo=UTC), datetime(2026, 11, 21, 12, tzinfo=UTC)


def made(**spec: Any) -> Monitored:
    """Its schedule runs."""
    world = Monitored(**spec)
    world.settle()
    assert world.aws.mutations() == CREATES
    return world


def test_a_definition_and_its_schedule_are_made_once() -> None:
    """Both tagged, the schedule in AWS's words; at rest nothing is made, and status names both."""
    world = made()
    world.settle()
    assert world.aws.mutations() == CREATES
    (definition,) = world.aws.definitions.values()
    tags = {item["Key"].rpartition("/")[2]: item["Value"] for item in world.schedule["Tags"]}
    assert (tags["install"], tags["namespace"], tags["name"], tags["kind"]) == ("test", "team-a", "fees", "MonitorPolicy")
    assert definition["DataQualityBaselineConfig"]["ConstraintsResource"] == {"S3Uri": "s3://team-a-ml/baselines/fees/constraints.json"}
    image = "048819808253.dkr.ecr.eu-central-1.amazonaws.com/sagemaker-model-monitor-analyzer"
    assert definition["DataQualityAppSpecification"] == {"ImageUri": image}
    assert world.schedule["MonitoringScheduleConfig"] == {
        "ScheduleConfig": {"ScheduleExpression": "cron(0 * ? * * *)"},
        "MonitoringJobDefinitionName": definition["JobDefinitionName"],
        "MonitoringType": "DataQuality",
    }
    assert world.status["jobDefinition"] == definition["JobDefinitionName"]
    assert world.status["monitoringSchedule"] == world.schedule["MonitoringScheduleName"]
    assert world.conditions() == {"Ready": "True Scheduled"}
    assert world.status["effective"]["image"] == image


@pytest.mark.parametrize(("part", "spec"), [("DataQuality", {}), ("ModelQuality", QUALITY), ("ModelBias", BIAS)])
@pytest.mark.parametrize("at", [0, 1])
@pytest.mark.parametrize("moment", ["crash_before", "crash_after"])
@pytest.mark.parametrize("wiped", [False, True])
def test_a_crash_at_a_create_makes_nothing_twice(part: str, spec: dict[str, Any], at: int, moment: str, wiped: bool) -> None:
    """Of every type of definition."""
    world = Monitored(CLARIFY, **spec)
    creates = [f"Create{part}JobDefinition", "CreateMonitoringSchedule"]
    world.crashed(creates[at], moment, wiped=wiped)
    world.settle()
    assert (len(world.aws.definitions), len(world.aws.schedules), world.aws.mutations()) == (1, 1, creates)
    assert world.conditions() == {"Ready": "True Scheduled"}


def test_violations_are_told_and_are_a_breach() -> None:
    """The number of violations is the metric of the check: in status, in CloudWatch, for the alarm."""
    world = made(alarms=[ALARM])
    world.at(11, 5)
    world.aws.executed(ELEVEN, "CompletedWithViolations", [DRIFTED])
    assert world.turn().requeue == After(1.0)
    last = world.status["lastCheck"]
    assert (last["state"], last["moment"], last["data"]["captured"]) == ("Succeeded", "2026-11-21T11:00:00Z", 40)
    assert last["window"] == {"start": "2026-11-21T10:00:00Z", "end": "2026-11-21T11:00:00Z"}
    assert [(item["name"], float(item["value"])) for item in last["metrics"]] == [("violations", 1.0)]
    (told,) = world.status["violations"]
    assert (told["check"], told["feature"], told["constraint"]) == ("inputs", "amount", "baseline_drift_check")
    assert world.aws.metrics[0]["MetricName"] == "inputs/violations"
    assert (world.status["phase"], world.conditions()["Breached"]) == ("Breached", "True AlarmOn")
    world.turn()
    world.at(12, 5)
    world.aws.executed(TWELVE)
    world.turn()
    world.turn()
    assert (world.status["phase"], world.conditions()["Breached"]) == ("Passing", "False Good")
    assert [item["moment"] for item in world.status["checks"]] == ["2026-11-21T12:00:00Z", "2026-11-21T11:00:00Z"]
    assert world.aws.count("PutMetricData") == 2
    assert world.aws.mutations() == CREATES


def test_executions_are_heeded_in_their_order_once_they_have_ended() -> None:
    """One that runs is waited for, and so is one that AWS does not show yet."""
    world = made()
    world.at(11, 5)
    assert world.turn().requeue == After(300.0)
    world.aws.executed(ELEVEN, "InProgress")
    world.aws.executed(TWELVE)
    assert world.turn().requeue == After(300.0)
    assert "lastCheck" not in world.status
    world.aws.executed(ELEVEN)
    world.turn()
    assert world.status["lastCheck"]["moment"] == "2026-11-21T11:00:00Z"
    world.turn()
    assert world.status["lastCheck"]["moment"] == "2026-11-21T12:00:00Z"


def test_check_now_is_told_that_it_does_nothing() -> None:
    """With a reason and the fix, as one Event, for as long as the annotation stands; nothing is called for it."""
    world = made()
    before = world.status
    world.check_now("please")
    world.settle()
    assert world.conditions() == {"Ready": "True Scheduled", "CheckedNow": "False NotWithModelMonitor"}
    said = world.message("CheckedNow")
    assert said.startswith("sagemaker-gitops.dev/check-now=please does nothing: SageMaker Model Monitor checks by its schedule alone; ")
    assert "the next execution is due at 2026-11-21T11:00:00Z. To check now, leave spec.engine out" in said
    assert transitions(before, world.status) == [Transition("Warning", "NotWithModelMonitor", said)]
    assert world.aws.mutations() == CREATES
    before = world.status
    world.check_now("again")
    world.settle()
    assert "check-now=again does nothing" in world.message("CheckedNow")
    assert transitions(before, world.status) == []
    world.check_now("")
    world.settle()
    assert world.conditions() == {"Ready": "True Scheduled"}


def test_check_now_that_our_engine_has_heeded_is_not_held_against_model_monitor() -> None:
    """The annotation stays in the manifest when the engine is changed."""
    world = made()
    world.snapshot = replace(world.snapshot, status=world.status | {"lastHandledCheckNow": "first"})
    world.check_now("first")
    world.settle()
    assert "CheckedNow" not in world.conditions()


@pytest.mark.parametrize(
    ("status", "reason", "phase", "condition"),
    [
        ("Failed", "Job inputs had no data", "NoData", {"Ready": "False NoData", "DataAvailable": "False NoData"}),
        ("Failed", "AlgorithmError: no constraints", "CheckFailed", {"Ready": "False ClientError", "Stalled": "True ClientError"}),
        ("Stopped", "by hand", "CheckFailed", {"Ready": "False Stopped", "Stalled": "True Stopped"}),
    ],
)
def test_an_execution_that_found_nothing_says_why(status: str, reason: str, phase: str, condition: dict[str, str]) -> None:
    world = made()
    world.at(11, 5)
    world.aws.executed(ELEVEN, status, FailureReason=reason)
    world.turn()
    assert world.status["phase"] == phase
    assert condition.items() <= world.conditions().items()


def test_violations_that_cannot_be_read_are_no_good_check() -> None:
    world = made()
    world.at(11, 5)
    world.aws.executed(ELEVEN, "CompletedWithViolations")
    world.turn()
    assert world.conditions()["Stalled"] == "True ReportUnreadable"


def test_a_window_of_two_models_is_not_held_against_the_newer_one() -> None:
    world = made()
    world.at(11, 5)
    world.aws.executed(ELEVEN)
    world.turn()
    world.at(11, 30)
    world.serves(2)
    world.turn()
    world.at(12, 5)
    world.aws.executed(TWELVE)
    world.turn()
    assert world.status["lastCheck"]["model"] == "fees/1"
    world.at(13, 5)
    world.aws.executed(datetime(2026, 11, 21, 13, tzinfo=UTC))
    world.turn()
    assert world.status["lastCheck"]["model"] == "fees/2"


@pytest.mark.parametrize("crash", ["", *UPDATES])
@pytest.mark.parametrize("moment", ["crash_before", "crash_after"])
def test_an_edit_makes_another_definition_and_deletes_the_one_before(crash: str, moment: str) -> None:
    world = made()
    (before,) = world.aws.definitions
    world.edit(resources={"instanceType": "ml.m5.xlarge"})
    if crash:
        world.crashed(crash, moment)
    world.settle()
    assert world.aws.mutations() == [*CREATES, *UPDATES]
    (after,) = world.aws.definitions
    assert before != after == world.schedule["MonitoringScheduleConfig"]["MonitoringJobDefinitionName"] == world.status["jobDefinition"]
    world.settle()
    assert world.aws.mutations() == [*CREATES, *UPDATES]


def test_another_schedule_is_an_update_of_the_same_definition() -> None:
    world = made()
    world.edit(schedule={"cron": "0 */6 * * *", "timeZone": "UTC"})
    world.settle()
    assert world.aws.mutations() == [*CREATES, "UpdateMonitoringSchedule"]
    assert world.schedule["MonitoringScheduleConfig"]["ScheduleConfig"] == {"ScheduleExpression": "cron(0 0/6 ? * * *)"}


def test_suspend_stops_the_schedule_and_its_end_starts_it() -> None:
    world = made()
    world.edit(suspend=True)
    world.settle()
    assert (world.schedule["MonitoringScheduleStatus"], world.status["phase"]) == ("Stopped", "Suspended")
    world.edit(suspend=None)
    world.settle()
    assert world.aws.mutations() == [*CREATES, "StopMonitoringSchedule", "StartMonitoringSchedule"]


def test_a_schedule_of_an_endpoint_that_is_gone_is_stopped() -> None:
    world = made()
    kept = world.references.objects.pop(ENDPOINT)
    world.settle()
    assert world.aws.mutations() == [*CREATES, "StopMonitoringSchedule"]
    assert world.conditions()["Ready"] == "False DependencyNotReady"
    world.references.objects[ENDPOINT] = kept
    world.settle()
    assert world.aws.mutations() == [*CREATES, "StopMonitoringSchedule", "StartMonitoringSchedule"]


@pytest.mark.parametrize("kind", ["monitoring-schedule", "data-quality-job-definition"])
def test_what_is_not_ours_is_left_alone(kind: str) -> None:
    """A name proves nothing."""
    world = Monitored()
    crash = CREATES[kind == "monitoring-schedule"]
    with pytest.raises(Crash):
        world.turn(crash_after=crash)
    world.aws.tags = {path: [] if path.startswith(kind) else tags for path, tags in world.aws.tags.items()}
    world.restart()
    calls = world.aws.mutations()
    world.settle()
    assert world.aws.mutations() == calls
    assert world.conditions()["Stalled"] == "True NameConflict"


@pytest.mark.parametrize("operation", ["DescribeMonitoringSchedule", "CreateDataQualityJobDefinition", "CreateMonitoringSchedule"])
def test_an_account_without_model_monitor_is_told_the_way_out(operation: str) -> None:
    world = Monitored()
    world.aws.refuses[operation] = failure(Category.BLOCKED, "AccessDeniedException", operation, "not open to new customers")
    world.turn()
    if operation.startswith("Create"):
        world.turn()
    assert world.conditions()["Stalled"] == "True AccessDeniedException"
    assert "not open to new customers" in world.message()
    assert "leave spec.engine out" in world.message()
    del world.aws.refuses[operation]
    world.settle()
    assert world.conditions() == {"Ready": "True Scheduled"}


@pytest.mark.parametrize("leaves", [False, True])
def test_an_account_that_may_not_even_look_holds_no_policy(leaves: bool) -> None:
    """Neither one that is deleted nor one that follows the advice; where a schedule was seen, it has to be looked for."""
    denied = failure(Category.BLOCKED, "AccessDeniedException", "DescribeMonitoringSchedule")
    world, held = Monitored(), made()
    world.aws.refuses["CreateDataQualityJobDefinition"] = denied
    world.turn()
    for each in (world, held):
        each.aws.refuses["DescribeMonitoringSchedule"] = denied
        each.edit(engine=None, window="1h") if leaves else each.delete()
    if leaves:
        world.settle()
        assert world.conditions() == {"Ready": "True Scheduled"}
    else:
        assert world.gone()
    with pytest.raises(AwsFailure):
        held.turn()


@pytest.mark.parametrize("wiped", [False, True])
def test_deletion_takes_the_schedule_first_and_waits_for_what_runs(wiped: bool) -> None:
    """Somebody else's definition of the same name part stays."""
    world = made()
    world.aws.definitions["team-a-fees-by-hand"] = {}
    world.aws.executed(ELEVEN, "InProgress")
    world.delete()
    if wiped:
        world.wipe()
    assert not world.gone(3)
    assert world.aws.mutations() == [*CREATES, "StopMonitoringSchedule"]
    world.aws.executed(ELEVEN)
    assert world.gone()
    gone = ["DeleteMonitoringSchedule", "DeleteDataQualityJobDefinition"]
    assert world.aws.mutations() == [*CREATES, "StopMonitoringSchedule", *gone]
    assert (list(world.aws.definitions), world.aws.schedules) == (["team-a-fees-by-hand"], {})


def test_a_retained_policy_touches_nothing() -> None:
    world = made(deletionPolicy="Retain")
    calls = len(world.aws.calls)
    world.delete()
    assert world.gone(1)
    assert len(world.aws.calls) == calls


def test_a_wiped_status_finds_everything_again() -> None:
    world = made()
    world.wipe()
    world.snapshot = replace(world.snapshot, finalizers=())
    world.settle()
    assert world.aws.mutations() == CREATES
    assert world.snapshot.has_finalizer
    assert world.status["jobDefinition"] in world.aws.definitions


def test_leaving_model_monitor_takes_its_schedule_away_first() -> None:
    world = made()
    world.edit(engine=None, window="1h")
    world.settle()
    assert world.aws.mutations() == [*CREATES, "DeleteMonitoringSchedule", "DeleteDataQualityJobDefinition"]
    assert not {"monitoringSchedule", "jobDefinition"} & world.status.keys()
    assert world.conditions() == {"Ready": "True Scheduled"}
    calls = len(world.aws.calls)
    world.settle()
    assert len(world.aws.calls) == calls


@pytest.mark.parametrize(
    ("cron", "words"),
    [
        ("0 * * * *", "cron(0 * ? * * *)"),
        ("0 */6 * * *", "cron(0 0/6 ? * * *)"),
        ("0 5 * * *", "cron(0 5 ? * * *)"),
    ],
)
def test_the_schedule_in_aws_words(cron: str, words: str) -> None:
    assert expression(cron) == words


@pytest.mark.parametrize(
    ("edit", "path"),
    [
        ({"schedule": None}, "spec.schedule"),
        ({"schedule": {"cron": "30 * * * *"}}, "spec.schedule"),
        ({"schedule": {"cron": "0 */5 * * *"}}, "spec.schedule"),
        ({"schedule": {"cron": "0 5 * * MON"}}, "spec.schedule"),
        ({"schedule": {"after": {"trainingRunRef": {"name": "fees"}}}}, "spec.schedule"),
        ({"schedule": {"cron": "0 * * * *", "timeZone": "Europe/Zurich"}}, "spec.schedule"),
        ({"target": {"endpointName": "fees-by-hand"}}, "spec.target"),
        ({"target": {"endpointRef": {"name": "fees"}, "variant": "blue"}}, "spec.target"),
        ({"checks": SPEC["checks"], "source": SPEC["source"]}, "spec.checks"),
        ({"checks": [{"name": "inputs", "type": "Explainability", "predictor": "p.py"}], "source": SPEC["source"]}, "spec.checks"),
        ({"checks": [{"name": "inputs", "type": "ModelQuality", "problemType": "Regression"}]}, "spec.checks"),
        ({"checks": [QUALITY["checks"][0] | {"problemType": "Forecast"}]}, "spec.checks"),
        ({"checks": [QUALITY["checks"][0] | {"groundTruthAttribute": "y"}]}, "spec.checks"),
        (QUALITY | {"groundTruth": None}, "spec.groundTruth"),
        (QUALITY | {"groundTruth": QUALITY["groundTruth"] | {"idField": "id"}}, "spec.groundTruth"),
        (QUALITY | {"groundTruth": QUALITY["groundTruth"] | {"maxDelay": "90m"}}, "spec.groundTruth"),
        (QUALITY | {"groundTruth": QUALITY["groundTruth"] | {"minMatched": 5}}, "spec.groundTruth"),
        (QUALITY | {"overrides": {"createDataQualityJobDefinition": {}}}, "spec.overrides"),
        ({"checks": [{"name": "inputs", "type": "DataQuality", "completeness": 0.9}]}, "spec.checks"),
        ({"checks": [{"name": "inputs", "type": "DataQuality", "drift": {"method": "PSI", "threshold": 0.2}}]}, "spec.checks"),
        ({"checks": [{"name": "a", "type": "DataQuality"}, {"name": "b", "type": "DataQuality"}]}, "spec.checks"),
        ({"baseline": None}, "spec.baseline"),
        ({"baseline": {"trainingRunRef": {"name": "fees"}}}, "spec.baseline"),
        ({"baseline": {"s3Uri": "s3://team-a-ml/baseline.json"}}, "spec.baseline"),
        ({"alarms": [ALARM | {"metric": "drift"}]}, "spec.alarms"),
        ({"window": "1h"}, "spec.window"),
        ({"groundTruth": SPEC["groundTruth"]}, "spec.groundTruth"),
        ({"source": SPEC["source"]}, "spec.source"),
        ({"prepare": {"entryPoint": "x.py"}, "source": SPEC["source"]}, "spec.prepare"),
        ({"minSampleSize": 5}, "spec.minSampleSize"),
        ({"overrides": {"createProcessingJob": {"Environment": {"A": "b"}}}}, "spec.overrides"),
        ({"overrides": {"createDataQualityJobDefinition": {"RoleArn": "x"}}}, "spec.overrides.createDataQualityJobDefinition.RoleArn"),
        ({"engine": None, "window": "1h", "overrides": {"createDataQualityJobDefinition": {}}}, "spec.overrides"),
    ],
)
def test_what_has_no_place_in_model_monitor_is_refused(edit: dict[str, Any], path: str) -> None:
    """With the field, and what to do."""
    spec = {name: value for name, value in (MONITORED | edit).items() if value is not None}
    with pytest.raises(ValidationFailed) as refused:
        read(MonitorPolicySpec, spec)
    assert path in dict(refused.value.findings)
    assert any(word in dict(refused.value.findings)[path] for word in ("leave", "write", "is needed by"))


def test_an_override_is_part_of_the_definition() -> None:
    environment = {"DataQualityAppSpecification": {"Environment": {"LOG_LEVEL": "debug"}}}
    world = made(overrides={"createDataQualityJobDefinition": environment})
    (definition,) = world.aws.definitions.values()
    assert definition["DataQualityAppSpecification"]["Environment"] == {"LOG_LEVEL": "debug"}
    assert "ImageUri" in definition["DataQualityAppSpecification"]
