"""State changes of endpoints and configurations as EventBridge events in an SQS queue."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hosting_kit import HostingKit
from service_kit import until

Poll = Callable[[], list[dict[str, Any]]]


def watch(kit: HostingKit, detail_type: str, member: str, name: str) -> Poll:
    """A function that takes what has arrived and gives every event seen so far."""
    sqs, events, rule = kit.client("sqs"), kit.client("events"), kit.name("rule")
    url = sqs.create_queue(QueueName=rule)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    pattern = {"source": ["aws.sagemaker"], "detail-type": [detail_type], "detail": {member: [name]}}
    events.put_rule(Name=rule, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=rule, Targets=[{"Id": "queue", "Arn": arn}])
    seen: list[dict[str, Any]] = []

    def poll() -> list[dict[str, Any]]:
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", ()):
            seen.append(json.loads(message["Body"]))
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return seen

    return poll


def statuses(events: list[dict[str, Any]]) -> list[str]:
    return [event["detail"]["EndpointStatus"] for event in events]


@pytest.fixture
def name(kit: HostingKit) -> str:
    return kit.name("watched")


def test_every_status_of_an_endpoint_is_an_event(kit: HostingKit, name: str) -> None:
    """Statuses in capitals with underscores, times in milliseconds, tags as a map."""
    poll = watch(kit, "SageMaker Endpoint State Change", "EndpointName", name)
    kit.serving(EndpointName=name, Tags=[{"Key": "team", "Value": "a"}])
    kit.update(name, kit.config())
    described = kit.settled(name)
    kit.client("sagemaker").delete_endpoint(EndpointName=name)
    until(lambda: len(poll()) >= 5, "five events")
    assert sorted(statuses(poll())) == sorted(["CREATING", "IN_SERVICE", "UPDATING", "IN_SERVICE", "DELETING"])
    deleting = next(event for event in poll() if event["detail"]["EndpointStatus"] == "DELETING")
    assert deleting["resources"] == [described["EndpointArn"]]
    detail = deleting["detail"]
    assert (detail["EndpointConfigName"], detail["Tags"]) == (described["EndpointConfigName"], {"team": "a"})
    assert detail["CreationTime"] == int(described["CreationTime"].timestamp() * 1000)
    assert detail["ProductionVariants"][0]["VariantName"] == "AllTraffic"


def test_a_rollback_is_an_event(kit: HostingKit, name: str) -> None:
    """ROLLING_BACK, then IN_SERVICE with the old configuration."""
    poll = watch(kit, "SageMaker Endpoint State Change", "EndpointName", name)
    old = kit.config()
    kit.serving(old, EndpointName=name)
    kit.fail_next("no capacity")
    kit.update(name, kit.config())
    until(lambda: statuses(poll()).count("IN_SERVICE") == 2, "the end of the rollback")
    assert "ROLLING_BACK" in statuses(poll())
    assert poll()[-1]["detail"]["EndpointConfigName"] == old


def test_the_stages_of_a_deployment_are_events(kit: HostingKit, name: str) -> None:
    """With the VariantStatus of the new fleet in PendingDeploymentSummary."""
    poll = watch(kit, "SageMaker Endpoint Deployment State Change", "EndpointName", name)
    kit.serving(EndpointName=name)
    kit.update(name, kit.config())
    kit.settled(name)

    def stages() -> set[str]:
        pending = [event["detail"].get("PendingDeploymentSummary", {}) for event in poll()]
        return {entry["Status"] for each in pending for variant in each.get("ProductionVariants", ()) for entry in variant["VariantStatus"]}

    until(lambda: stages() == {"Creating", "ActivatingTraffic"}, "the stages")


def test_a_config_is_an_event_at_creation_and_deletion(kit: HostingKit, name: str) -> None:
    """The detail is its description with its tags."""
    poll = watch(kit, "SageMaker Endpoint Config State Change", "EndpointConfigName", name)
    kit.config(EndpointConfigName=name, Tags=[{"Key": "team", "Value": "a"}])
    kit.client("sagemaker").delete_endpoint_config(EndpointConfigName=name)
    until(lambda: len(poll()) >= 2, "two events")
    for event in poll():
        assert event["resources"] == [event["detail"]["EndpointConfigArn"]]
        assert event["detail"]["Tags"] == {"team": "a"}
        assert event["detail"]["ProductionVariants"][0]["InitialInstanceCount"] == 1
