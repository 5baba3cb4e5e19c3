"""Guardrails over real traffic: an alarm that failing invocations set off rolls a canary back and is heard as an event."""

from __future__ import annotations

import contextlib
import json
import threading
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hosting_kit import HostingKit
from service_kit import ACCOUNT, until

FAILS = """
def model_fn(folder):
    return None
def input_fn(data, content_type):
    return data
def predict_fn(data, model):
    raise ValueError("broken")
def output_fn(prediction, accept):
    return prediction, "text/plain"
"""


def canary(alarm: str) -> dict[str, Any]:
    routing = {"Type": "CANARY", "WaitIntervalInSeconds": 1800, "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 50}}
    return {
        "BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing, "TerminationWaitInSeconds": 0},
        "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": alarm}]},
    }


def errors(kit: HostingKit, endpoint: str, **changes: Any) -> str:
    """An alarm on the share of 5xx answers of a minute; its name."""
    name = kit.name("errors")
    request = {
        "AlarmName": name,
        "Namespace": "AWS/SageMaker",
        "MetricName": "Invocation5XXErrors",
        "Dimensions": [{"Name": "EndpointName", "Value": endpoint}, {"Name": "VariantName", "Value": "AllTraffic"}],
        "Statistic": "Average",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 0.1,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
    }
    kit.client("cloudwatch").put_metric_alarm(**(request | changes))
    return name


def invoke_until(kit: HostingKit, endpoint: str, over: threading.Event) -> None:
    """Traffic that takes errors as they come."""
    client = kit.once("sagemaker-runtime")
    while not over.is_set():
        with contextlib.suppress(client.exceptions.ModelError):
            client.invoke_endpoint(EndpointName=endpoint, Body="x", ContentType="text/csv")


def test_failing_invocations_roll_a_canary_back(kit: HostingKit) -> None:
    """Half the traffic fails in the new fleet: the alarm rings, the old config serves on, the event is in the queue."""
    old = kit.config(kit.variant(model=kit.model("old"), InitialInstanceCount=2))
    name = kit.serving(old)
    alarm = errors(kit, name)
    sqs, events = kit.client("sqs"), kit.client("events")
    url = sqs.create_queue(QueueName=alarm)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    pattern = {"source": ["aws.cloudwatch"], "detail": {"alarmName": [alarm], "state": {"value": ["ALARM"]}}}
    events.put_rule(Name=alarm, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=alarm, Targets=[{"Id": "queue", "Arn": arn}])
    broken = kit.config(kit.variant(model=kit.model(script=FAILS), InitialInstanceCount=2))
    kit.world.clock.speed = 120
    kit.update(name, broken, DeploymentConfig=canary(alarm))
    over = threading.Event()
    thread = threading.Thread(target=invoke_until, args=(kit, name, over))
    thread.start()
    try:
        described = kit.settled(name)
    finally:
        over.set()
        thread.join()
    assert (described["EndpointStatus"], described["EndpointConfigName"]) == ("InService", old)
    assert "FailureReason" not in described
    assert kit.invoke(name)["text"] == "old:x"
    heard: list[dict[str, Any]] = []
    until(lambda: bool(heard.extend(sqs.receive_message(QueueUrl=url).get("Messages", ())) or heard), "the event")
    event = json.loads(heard[0]["Body"])
    assert (event["detail-type"], event["detail"]["alarmName"]) == ("CloudWatch Alarm State Change", alarm)
    assert event["detail"]["previousState"]["value"] in ("OK", "INSUFFICIENT_DATA")
    assert "was greater than the threshold (0.1)" in event["detail"]["state"]["reason"]


def test_the_new_fleet_alone_can_be_watched(kit: HostingKit) -> None:
    """By EndpointConfigName: errors of the old fleet do not roll the new one back."""
    name = kit.serving(kit.config(kit.variant(model=kit.model(script=FAILS), InitialInstanceCount=2)))
    good = kit.config(kit.variant(model=kit.model("good"), InitialInstanceCount=2))
    both = [{"Name": "EndpointName", "Value": name}, {"Name": "VariantName", "Value": "AllTraffic"}]
    alarm = errors(kit, name, Dimensions=[*both, {"Name": "EndpointConfigName", "Value": good}])
    for _ in range(3):
        with pytest.raises(ClientError, match="ModelError"):
            kit.once("sagemaker-runtime").invoke_endpoint(EndpointName=name, Body="x")
    kit.world.clock.speed = 600
    kit.update(name, good, DeploymentConfig=canary(alarm))
    assert kit.settled(name)["EndpointConfigName"] == good


def test_an_alarm_that_does_not_exist_is_refused(kit: HostingKit) -> None:
    """It would never ring; the endpoint is left alone."""
    kit.world.settings["endpoints.startServers"] = 0
    old = kit.config()
    name = kit.serving(old)
    with pytest.raises(ClientError, match=r"Could not find CloudWatch alarm\(s\) nobody of AutoRollbackConfiguration"):
        kit.update(name, kit.config(), DeploymentConfig=canary("nobody"))
    assert (kit.described(name)["EndpointStatus"], kit.described(name)["EndpointConfigName"]) == ("InService", old)
    assert "LastDeploymentConfig" not in kit.described(name)


def test_the_execution_role_must_see_the_alarms(kit: HostingKit) -> None:
    """cloudwatch:DescribeAlarms of the model's role."""
    kit.world.settings["endpoints.startServers"] = 0
    name = kit.serving()
    alarm = errors(kit, name)
    kit.world.identity.deny(f"arn:aws:iam::{ACCOUNT}:role/jobs", "cloudwatch:DescribeAlarms")
    with pytest.raises(ClientError, match="role/jobs needs the cloudwatch:DescribeAlarms permission"):
        kit.update(name, kit.config(), DeploymentConfig=canary(alarm))
