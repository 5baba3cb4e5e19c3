"""`engine: ModelMonitor` for bias: Clarify's image, what it is asked in a file of its own content, ground truth, and the same upkeep."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sagemaker_gitops.api.monitor_check import Check
from sagemaker_gitops.core.kinds.monitor_policy.engine_analysis import analysis_config
from tests.unit.aws.monitor_engine_world import BIAS, CLARIFY, PARITY, Monitored
from tests.unit.aws.test_monitor_engine_passes import ELEVEN

CREATES = ["CreateModelBiasJobDefinition", "CreateMonitoringSchedule"]
UNFAIR = {"facet": "region", "metric_name": "DPPL", "constraint_check_type": "bias_drift_check", "description": "0.4 is not in [-0.1, 0.1]"}


def made(**spec: Any) -> Monitored:
    world = Monitored(CLARIFY, **(BIAS | spec))
    world.settle()
    assert world.aws.mutations() == CREATES
    return world


def analysis(world: Monitored) -> Any:
    """What the definition's ConfigUri holds."""
    (definition,) = world.aws.definitions.values()
    uri: str = definition["ModelBiasAppSpecification"]["ConfigUri"]
    return json.loads(world.aws.objects[uri.removeprefix("s3://team-a-ml/")])


def test_clarify_is_asked_by_a_file_that_is_there_before_the_definition() -> None:
    world = made()
    assert analysis(world) == {
        "headers": ["age", "region", "branch", "groundTruthLabel"],
        "label": "groundTruthLabel",
        "label_values_or_threshold": [1],
        "facet": [{"name_or_index": "region", "value_or_threshold": ["north", 7]}],
    }
    (definition,) = world.aws.definitions.values()
    assert definition["ModelBiasAppSpecification"]["ImageUri"] == CLARIFY == world.status["effective"]["image"]
    assert definition["ModelBiasBaselineConfig"] == {"ConstraintsResource": {"S3Uri": "s3://team-a-ml/baselines/fees/constraints.json"}}
    given = definition["ModelBiasJobInput"]
    assert given["GroundTruthS3Input"] == {"S3Uri": "s3://team-a-ml/actuals/fees"}
    assert (given["EndpointInput"]["InferenceAttribute"], given["EndpointInput"]["EndTimeOffset"]) == ("0", "-PT2H")
    assert world.schedule["MonitoringScheduleConfig"]["MonitoringType"] == "ModelBias"
    order = [name for name, _ in world.aws.calls if name in ("PutObject", *CREATES)]
    assert order == ["PutObject", *CREATES]


def test_a_prediction_that_is_a_probability_is_told_as_one() -> None:
    world = made(checks=[PARITY | {"probabilityThreshold": 0.7}])
    (definition,) = world.aws.definitions.values()
    given = definition["ModelBiasJobInput"]["EndpointInput"]
    assert (given["ProbabilityAttribute"], given["ProbabilityThresholdAttribute"]) == ("0", 0.7)
    assert "InferenceAttribute" not in given


@pytest.mark.parametrize(
    ("more", "facet", "rest"),
    [
        ({"facetThreshold": 40}, {"value_or_threshold": [40]}, {}),
        ({"groupVariable": "branch", "positiveLabels": ["yes", "0.5", "1_000", "nan", "1e999"]}, {}, {"group_variable": "branch"}),
    ],
)
def test_groups_and_outcomes_in_the_words_of_clarify(more: dict[str, Any], facet: dict[str, Any], rest: dict[str, Any]) -> None:
    """Without values each is a group in turn; a label that is a number is one."""
    given = {name: value for name, value in PARITY.items() if name != "facetValues"}
    found = analysis_config(Check.model_validate(given | more))
    assert found["facet"] == [{"name_or_index": "region"} | facet]
    assert found["label_values_or_threshold"] == (["yes", 0.5, "1_000", "nan", "1e999"] if "positiveLabels" in more else [1])
    assert rest.items() <= found.items()


def test_another_group_is_another_definition() -> None:
    """What Clarify is asked is part of its content."""
    world = made()
    world.edit(checks=[PARITY | {"facetValues": ["south"]}])
    world.settle()
    assert world.aws.mutations() == [*CREATES, CREATES[0], "UpdateMonitoringSchedule", "DeleteModelBiasJobDefinition"]
    assert analysis(world)["facet"][0]["value_or_threshold"] == ["south"]


def test_violations_are_told_and_deletion_takes_all_away() -> None:
    """An execution of Clarify has no statistics.json."""
    world = made(alarms=[{"name": "unfair", "check": "inputs", "operator": ">", "threshold": {"initial": 0}}])
    world.at(11, 5)
    world.aws.executed(ELEVEN, "CompletedWithViolations", [UNFAIR])
    del world.aws.objects["out/model-monitoring-2026112111/statistics.json"]
    world.turn()
    assert [(item["name"], float(item["value"])) for item in world.status["lastCheck"]["metrics"]] == [("violations", 1.0)]
    (violation,) = world.status["violations"]
    assert (violation["feature"], violation["constraint"]) == ("DPPL", "bias_drift_check")
    assert world.conditions()["Breached"] == "True AlarmOn"
    world.delete()
    assert world.gone()
    assert world.aws.mutations() == [*CREATES, "DeleteMonitoringSchedule", "DeleteModelBiasJobDefinition"]


def test_an_image_of_clarify_that_the_tenant_does_not_allow_is_refused() -> None:
    world = Monitored(**BIAS)
    world.turn()
    assert world.conditions()["Stalled"] == "True TenantPolicy"
    assert world.aws.calls == []
