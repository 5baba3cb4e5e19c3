"""A MonitorPolicy over an endpoint that is not ours: looked at before each check, inside the Tenant's fence, never changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sagemaker_gitops.core.plan import After
from tests.tenants import TEAM_A
from tests.unit.aws.monitor_world import AWS_ENDPOINT, CAPTURE, World, report
from tests.unit.aws.passes import operations

NAME = "by-hand"
ARN = f"arn:aws:sagemaker:eu-central-1:123456789012:endpoint/{NAME}"
READS = ("Describe", "List", "Head", "Get", "PutObject", "PutMetricData", "CreateProcessingJob")
MADE = datetime(2026, 11, 1, tzinfo=UTC)


def foreign(variant: str | None = None, **endpoint: Any) -> World:
    """The endpoint by-hand with two variants, at 10:30, with a captured file of each of 10:20."""
    target = {"endpointName": NAME} | ({"variant": variant} if variant else {})
    world = World(tenant={"allow": TEAM_A["allow"] | {"endpointNames": [NAME, "another"]}}, target=target)
    variants = [{"VariantName": "one", "CurrentWeight": 1.0}, {"VariantName": "two", "CurrentWeight": 3.0}]
    world.aws.endpoints[NAME] = {
        "EndpointArn": ARN,
        "EndpointConfigName": "by-hand-config",
        "EndpointStatus": "InService",
        "ProductionVariants": variants,
        "LastModifiedTime": MADE,
        "DataCaptureConfig": {"EnableCapture": True, "DestinationS3Uri": f"s3://team-a-ml/{CAPTURE}"},
    } | endpoint
    world.aws.models = {"one": "m-1", "two": "m-2"}
    for version in (1, 2, 3):
        world.aws.objects[f"evaluations/{version}/baseline.json"] = b"{}"
    captures(world, datetime(2026, 11, 21, 10, 20, tzinfo=UTC))
    world.turn()
    world.at(10, 30)
    return world


def captures(world: World, at: datetime) -> None:
    for variant in ("one", "two"):
        world.aws.objects[f"{CAPTURE}{NAME}/{variant}/{at:%Y/%m/%d/%H}/{at:%M-%S}.jsonl"] = b"{}\n"


def test_it_is_looked_at_when_a_check_is_due_and_only_read() -> None:
    world = foreign()
    assert world.aws.calls == []
    assert world.conditions() == {"Ready": "True Scheduled"}
    entry = world.checked(report())
    assert (entry["endpoint"], entry["variant"], entry["model"]) == (NAME, "two", "fees/2")
    assert world.status["target"] == f"{NAME}/two"
    job = next(iter(world.aws.jobs.values()))
    inputs = {item["InputName"]: item["S3Input"]["S3Uri"] for item in job["ProcessingInputs"]}
    assert inputs["baseline"] == "s3://team-a-ml/evaluations/2/baseline.json"
    before = len(world.aws.calls)
    world.turn()
    assert len(world.aws.calls) == before
    assert all(name.startswith(READS) for name, _ in world.aws.calls)


def test_the_variant_that_is_named_is_checked() -> None:
    assert foreign("one").checked(report())["model"] == "fees/1"


def test_a_variant_that_is_not_there_is_named_with_those_that_are() -> None:
    world = foreign("three")
    world.turn()
    assert world.conditions()["Stalled"] == "True InvalidTarget"
    assert "spec.target.variant: endpoint by-hand serves no variant three, but one, two: name one of them" in world.message()


@pytest.mark.parametrize(
    ("endpoint", "words"),
    [
        ({"DataCaptureConfig": {"EnableCapture": True, "DestinationS3Uri": "s3://team-b-ml/x/"}}, "allows s3Prefixes [s3://team-a-ml/]"),
        (
            {"DataCaptureConfig": {"EnableCapture": True, "DestinationS3Uri": "s3://team-a-ml-evil/"}},
            "captures its data where it may not be read",
        ),
        ({"EndpointArn": ARN.replace("123456789012", "999999999999")}, "is not in account 123456789012"),
        ({"EndpointArn": ARN.replace("eu-central-1", "us-east-1")}, "and region eu-central-1"),
        ({"EndpointArn": ""}, "is not in account"),
    ],
)
def test_the_fence_holds_before_anything_of_it_is_read(endpoint: dict[str, Any], words: str) -> None:
    world = foreign(**endpoint)
    made = world.turn()
    assert world.conditions()["Stalled"] == "True InvalidTarget"
    assert world.message().startswith("spec.target.endpointName: ")
    assert words in world.message()
    assert [name for name, _ in world.aws.calls] == ["DescribeEndpoint"]
    assert made.requeue == After(300.0)


@pytest.mark.parametrize(
    ("endpoint", "words"),
    [
        ({"EndpointStatus": "Failed"}, "endpoint by-hand is Failed, and not in service"),
        ({"DataCaptureConfig": {}}, "captures no data yet: add DataCaptureConfig"),
    ],
)
def test_what_is_not_ready_is_waited_for(endpoint: dict[str, Any], words: str) -> None:
    world = foreign(**endpoint)
    made = world.turn()
    assert world.conditions()["Ready"] == "False DependencyNotReady"
    assert words in world.message()
    assert made.requeue == After(60.0)


def test_one_that_does_not_exist_is_waited_for_with_where_it_was_looked_for() -> None:
    world = foreign()
    del world.aws.endpoints[NAME]
    world.turn()
    assert "there is no endpoint by-hand in account 123456789012, region eu-central-1" in world.message()


def test_another_model_is_another_check_and_what_was_answered_before_the_change_is_left_out() -> None:
    world = foreign()
    world.checked(report())
    changed = datetime(2026, 11, 21, 11, 15, tzinfo=UTC)
    world.aws.models = {"one": "m-1", "two": "m-3"}
    world.aws.endpoints[NAME]["LastModifiedTime"] = changed
    captures(world, changed + timedelta(minutes=5))
    world.at(11, 30)
    assert world.checked(report())["model"] == "fees/3"
    assert world.status["modelSince"] == "2026-11-21T11:15:00Z"
    configs = [item for key, item in world.aws.objects.items() if key.endswith("config.json")]
    assert any(b'"start": "2026-11-21T11:15:00Z"' in item for item in configs)


def test_a_restart_between_intent_and_create_makes_the_same_job() -> None:
    world = foreign()
    made = world.turn()
    (name,) = world.aws.jobs
    world.aws.jobs.clear()
    world.restart()
    assert "CreateProcessingJob" in operations(made)
    assert "CreateProcessingJob" in operations(world.turn())
    assert list(world.aws.jobs) == [name]


def test_an_endpoint_that_is_ours_is_not_confused_with_it() -> None:
    """What the last check of another target found says nothing of this one."""
    world = foreign()
    world.checked(report())
    world.edit(target={"endpointName": "another"})
    world.turn()
    assert world.status["target"] == "another"
    assert AWS_ENDPOINT not in str(world.aws.calls)


def test_a_name_that_the_tenant_does_not_give_is_refused_without_a_call() -> None:
    world = World(target={"endpointName": NAME})
    world.at(10, 30)
    world.turn()
    assert world.conditions()["Stalled"] == "True TenantPolicy"
    assert 'spec.target.endpointName: "by-hand" is not allowed: Tenant team-a allows endpointNames nothing' in world.message()
    assert world.aws.calls == []
