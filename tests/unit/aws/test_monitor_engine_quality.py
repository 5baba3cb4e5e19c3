"""`engine: ModelMonitor` for the quality of a model: its definition, ground truth, the numbers of AWS's statistics, a change of type."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.aws.monitor_engine_world import QUALITY, Monitored
from tests.unit.aws.passes import Crash
from tests.unit.aws.test_monitor_engine_passes import ELEVEN

CREATES = ["CreateModelQualityJobDefinition", "CreateMonitoringSchedule"]
WRONG = {"metric_name": "rmse", "constraint_check_type": "GreaterThanThreshold", "description": "Metric rmse with 3.5 was above 2"}
STATISTICS = {
    "regression_metrics": {
        "rmse": {"value": 3.5, "standard_deviation": 0.1},
        "r2": {"value": "NaN"},
        "mae": {"value": 2.5},
        "new_metric_of_aws": {"value": 1.0},
    },
    "binary_classification_metrics": {"auc": {"value": 0.9}},
}


def made(**spec: Any) -> Monitored:
    """Its schedule runs."""
    world = Monitored(**(QUALITY | spec))
    world.settle()
    assert world.aws.mutations() == CREATES
    return world


def test_the_definition_says_the_problem_the_truth_and_where_the_prediction_is() -> None:
    """Late truth moves the window back by whole hours; a model's quality has constraints, and no statistics to compare with."""
    world = made(
        schedule={"cron": "0 */6 * * *"}, overrides={"createModelQualityJobDefinition": {"StoppingCondition": {"MaxRuntimeInSeconds": 60}}}
    )
    (definition,) = world.aws.definitions.values()
    assert definition["ModelQualityBaselineConfig"] == {"ConstraintsResource": {"S3Uri": "s3://team-a-ml/baselines/fees/constraints.json"}}
    assert definition["ModelQualityAppSpecification"]["ProblemType"] == "Regression"
    assert definition["ModelQualityJobInput"] == {
        "EndpointInput": {
            "EndpointName": definition["ModelQualityJobInput"]["EndpointInput"]["EndpointName"],
            "LocalPath": "/opt/ml/processing/input/endpoint",
            "InferenceAttribute": "0",
            "StartTimeOffset": "-PT8H",
            "EndTimeOffset": "-PT2H",
        },
        "GroundTruthS3Input": {"S3Uri": "s3://team-a-ml/actuals/fees"},
    }
    assert definition["StoppingCondition"] == {"MaxRuntimeInSeconds": 60}
    assert world.schedule["MonitoringScheduleConfig"]["MonitoringType"] == "ModelQuality"
    assert world.status["jobDefinition"] == definition["JobDefinitionName"]


def test_a_classifier_says_its_probability_and_truth_that_is_never_late_moves_nothing() -> None:
    check = {"name": "inputs", "type": "ModelQuality", "problemType": "BinaryClassification"}
    truth = {"s3Uri": "s3://team-a-ml/actuals/fees/", "idField": "eventId"}
    world = made(checks=[check | {"probabilityAttribute": "1", "probabilityThreshold": 0.7}], groundTruth=truth)
    (definition,) = world.aws.definitions.values()
    given = definition["ModelQualityJobInput"]["EndpointInput"]
    assert (given["ProbabilityAttribute"], given["ProbabilityThresholdAttribute"]) == ("1", 0.7)
    assert not {"InferenceAttribute", "StartTimeOffset", "EndTimeOffset"} & given.keys()


@pytest.mark.parametrize(
    ("check", "told", "column"),
    [
        ({}, [("violations", 1.0), ("rmse", 3.5), ("mae", 2.5), ("r2", None)], "inputs=1"),
        ({"metrics": ["rmse"]}, [("violations", 1.0), ("rmse", 3.5)], "inputs=3.5"),
    ],
)
def test_violations_and_the_numbers_behind_them_are_told(check: dict[str, Any], told: list[Any], column: str) -> None:
    """Those that the check names, or all that we know by AWS's names; the alarm looks at one, of the window that truth has reached."""
    alarm = {"name": "wrong", "check": "inputs", "metric": "rmse", "operator": ">", "threshold": {"initial": 2}}
    world = made(checks=[QUALITY["checks"][0] | check], alarms=[alarm])
    world.at(11, 5)
    world.aws.executed(ELEVEN, "CompletedWithViolations", [WRONG], STATISTICS)
    world.turn()
    last = world.status["lastCheck"]
    assert last["window"] == {"start": "2026-11-21T08:00:00Z", "end": "2026-11-21T09:00:00Z"}
    assert [(item["name"], float(item["value"]) if "value" in item else None) for item in last["metrics"]] == told
    assert world.status["metric"] == column
    (violation,) = world.status["violations"]
    assert (violation["feature"], violation["constraint"]) == ("rmse", "GreaterThanThreshold")
    assert (world.status["phase"], world.conditions()["Breached"]) == ("Breached", "True AlarmOn")


@pytest.mark.parametrize("crash", ["", "CreateModelQualityJobDefinition", "UpdateMonitoringSchedule", "DeleteDataQualityJobDefinition"])
@pytest.mark.parametrize("moment", ["crash_before", "crash_after"])
def test_another_type_of_check_takes_the_definition_of_the_one_before_away(crash: str, moment: str) -> None:
    """The schedule stays, and points at a definition of the other type."""
    world = Monitored()
    world.settle()
    before = ["CreateDataQualityJobDefinition", "CreateMonitoringSchedule"]
    assert world.aws.mutations() == before
    world.edit(**QUALITY)
    if crash:
        world.crashed(crash, moment)
    world.settle()
    edited = [*before, "CreateModelQualityJobDefinition", "UpdateMonitoringSchedule", "DeleteDataQualityJobDefinition"]
    assert world.aws.mutations() == edited
    assert list(world.aws.kinds.values()) == ["ModelQuality"]


@pytest.mark.parametrize("wiped", [False, True])
def test_deletion_takes_the_schedule_and_then_the_definition_of_its_type(wiped: bool) -> None:
    world = made()
    world.delete()
    if wiped:
        world.wipe()
    assert world.gone()
    assert world.aws.mutations() == [*CREATES, "DeleteMonitoringSchedule", "DeleteModelQualityJobDefinition"]


def test_a_definition_of_this_type_that_is_not_ours_is_left_alone() -> None:
    world = Monitored(**QUALITY)
    with pytest.raises(Crash):
        world.turn(crash_after=CREATES[0])
    world.aws.tags = {path: [] if path.startswith("model-quality-job-definition") else tags for path, tags in world.aws.tags.items()}
    world.restart()
    world.settle()
    assert world.aws.mutations() == CREATES[:1]
    assert world.conditions()["Stalled"] == "True NameConflict"
