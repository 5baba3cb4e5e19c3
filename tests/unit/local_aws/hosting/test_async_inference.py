"""InvokeEndpointAsync: a queue with capacity and expiry, results and failures in S3, notices in SNS, backlog in CloudWatch."""

from __future__ import annotations

import base64
import json
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hosting_kit import HostingKit, only_variant
from service_kit import ACCOUNT, BUCKET, until

RAISES = "def model_fn(f): return 0\ndef transform_fn(m, data, c, a): raise ValueError('no ' + data)\n"
# Answers once the file exists, so that a test decides when requests end.
GATED = """
import os, time
def model_fn(folder):
    return None
def transform_fn(model, data, content_type, accept):
    with open("{gate}.seen", "a") as seen:
        seen.write("x")
    while not os.path.exists("{gate}"):
        time.sleep(0.01)
    return data, "text/plain"
"""


class Topics:
    """A success and an error topic, both read from one queue."""

    def __init__(self, kit: HostingKit) -> None:
        self._sqs = kit.client("sqs")
        name = kit.name("notices")
        self._queue = self._sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = self._sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        sns = kit.client("sns")
        self.config = {}
        for member in ("SuccessTopic", "ErrorTopic"):
            topic = sns.create_topic(Name=f"{name}-{member}")["TopicArn"]
            sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
            self.config[member] = topic

    def receive(self) -> dict[str, Any]:
        """The next notice."""
        found: list[dict[str, Any]] = []

        def look() -> bool:
            for each in self._sqs.receive_message(QueueUrl=self._queue).get("Messages", ()):
                self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=each["ReceiptHandle"])
                found.append(json.loads(each["Body"]))
            return bool(found)

        until(look, "a notice")
        return found[0]


def config(kit: HostingKit, model: str, client: dict[str, int] | None = None, **output: Any) -> str:
    asynchronous: dict[str, Any] = {"OutputConfig": {"S3OutputPath": f"s3://{BUCKET}/async/out"} | output}
    if client is not None:
        asynchronous["ClientConfig"] = client
    return kit.config(kit.variant(model=model), AsyncInferenceConfig=asynchronous)


def ask(kit: HostingKit, name: str, body: str = "7", **changes: Any) -> dict[str, Any]:
    location = kit.put(f"async/in/{kit.name('in')}.csv", body)
    request = {"EndpointName": name, "InputLocation": location, "ContentType": "text/csv"} | changes
    request = {member: value for member, value in request.items() if value is not None}
    answer: dict[str, Any] = kit.client("sagemaker-runtime").invoke_endpoint_async(**request)
    return answer | {"InputLocation": location}


def there(kit: HostingKit, uri: str) -> bool:
    prefix = uri.removeprefix(f"s3://{BUCKET}/")
    return kit.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=prefix)["KeyCount"] > 0


def scale(kit: HostingKit, name: str, count: int) -> None:
    change = [{"VariantName": "AllTraffic", "DesiredInstanceCount": count}]
    kit.client("sagemaker").update_endpoint_weights_and_capacities(EndpointName=name, DesiredWeightsAndCapacities=change)
    kit.settled(name)


def metric(kit: HostingKit, endpoint: str, name: str, variant: str | None = None) -> list[float]:
    """Every value of a metric so far, smallest first."""
    dimensions = [{"Name": "EndpointName", "Value": endpoint}]
    if variant is not None:
        dimensions.append({"Name": "VariantName", "Value": variant})
    now = kit.world.clock.now()
    points = kit.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/SageMaker",
        MetricName=name,
        Dimensions=dimensions,
        StartTime=now - timedelta(hours=8),
        EndTime=now + timedelta(hours=1),
        Period=60,
        Statistics=["Maximum"],
    )["Datapoints"]
    return sorted(point["Maximum"] for point in points)


def tick(kit: HostingKit) -> None:
    kit.world.clock.advance(kit.world.settings["endpoints.backlogSeconds"])


def test_a_result_lies_where_the_answer_said(kit: HostingKit) -> None:
    """202 with the place of the result; the object holds the container's body; the success topic is told in AWS's form."""
    topics = Topics(kit)
    name = kit.serving(config(kit, kit.model("m"), S3FailurePath=f"s3://{BUCKET}/async/bad", NotificationConfig=topics.config))
    answer = ask(kit, name, InferenceId="mine-1")
    assert (answer["ResponseMetadata"]["HTTPStatusCode"], answer["InferenceId"]) == (202, "mine-1")
    assert answer["OutputLocation"].startswith(f"s3://{BUCKET}/async/out/")
    assert answer["FailureLocation"].endswith("-error.out")
    notice = topics.receive()
    assert kit.read(answer["OutputLocation"]) == b"m:7"
    times = {member: notice.pop(member) for member in ("eventTime", "receivedTime")}
    assert times["receivedTime"] <= times["eventTime"]
    assert notice == {
        "awsRegion": "eu-central-1",
        "invocationStatus": "Completed",
        "requestParameters": {"contentType": "text/csv", "endpointName": name, "inputLocation": answer["InputLocation"]},
        "responseParameters": {"contentType": "text/plain", "outputLocation": answer["OutputLocation"]},
        "inferenceId": "mine-1",
        "eventVersion": "1.0",
        "eventSource": "aws:sagemaker",
        "eventName": "InferenceResult",
    }
    assert not there(kit, answer["FailureLocation"])


def test_a_failure_is_kept_and_told(kit: HostingKit) -> None:
    """What the container said in S3FailurePath, the reason in the message, the response in it where it was asked for."""
    topics = Topics(kit)
    notify = topics.config | {"IncludeInferenceResponseIn": ["ERROR_NOTIFICATION_TOPIC"]}
    name = kit.serving(config(kit, kit.model(script=RAISES), S3FailurePath=f"s3://{BUCKET}/async/bad", NotificationConfig=notify))
    answer = ask(kit, name)
    notice = topics.receive()
    assert notice["invocationStatus"] == "Failed"
    assert notice["failureReason"].startswith('Received server error (500) from primary with message "no 7')
    assert notice["requestParameters"] == {"endpointName": name, "inputLocation": answer["InputLocation"]}
    stored = kit.read(answer["FailureLocation"])
    assert stored.startswith(b"no 7")
    assert base64.b64decode(notice["responseBody"]["content"]) == stored
    assert not there(kit, answer["OutputLocation"])


@pytest.mark.parametrize("location", [f"s3://{BUCKET}/absent", "s3://no-such-bucket/x"])
def test_an_input_that_is_not_there_fails(kit: HostingKit, location: str) -> None:
    """After it was accepted, as on AWS."""
    topics = Topics(kit)
    name = kit.serving(config(kit, kit.model(), NotificationConfig=topics.config))
    ask(kit, name, InputLocation=location)
    assert location in topics.receive()["failureReason"]


def test_the_role_must_be_allowed_to_read_and_write(kit: HostingKit) -> None:
    """The model's execution role, not the caller's."""
    topics = Topics(kit)
    name = kit.serving(config(kit, kit.model(), NotificationConfig=topics.config))
    kit.world.identity.deny("jobs", "s3:PutObject")
    answer = ask(kit, name)
    assert topics.receive()["failureReason"] == f"Failed to upload the response to {answer['OutputLocation']}."
    assert not there(kit, answer["OutputLocation"])


def test_without_instances_requests_wait(kit: HostingKit) -> None:
    """HasBacklogWithoutCapacity says so; they are worked off in full once there is an instance."""
    name = kit.serving(config(kit, kit.model("m")))
    scale(kit, name, 0)
    answers = [ask(kit, name, str(number)) for number in range(3)]
    tick(kit)
    until(lambda: metric(kit, name, "HasBacklogWithoutCapacity")[-1:] == [1.0], "HasBacklogWithoutCapacity")
    assert metric(kit, name, "ApproximateBacklogSize")[-1] == 3
    assert metric(kit, name, "ApproximateAgeOfOldestRequest")[-1] >= 59
    assert not any(there(kit, answer["OutputLocation"]) for answer in answers)
    scale(kit, name, 1)
    until(lambda: all(there(kit, answer["OutputLocation"]) for answer in answers), "the results")
    tick(kit)
    until(lambda: metric(kit, name, "InvocationsProcessed", "AllTraffic")[-1:] == [1.0], "InvocationsProcessed")
    assert [kit.read(answer["OutputLocation"]) for answer in answers] == [b"m:0", b"m:1", b"m:2"]


def test_capacity_is_concurrency_times_instances(kit: HostingKit, tmp_path: Path) -> None:
    """At 2 instances with 1 invocation each, the third waits; the backlog is told per instance."""
    gate = tmp_path / "gate"
    seen = tmp_path / "gate.seen"
    name = kit.serving(config(kit, kit.model(script=GATED.format(gate=gate)), client={"MaxConcurrentInvocationsPerInstance": 1}))
    scale(kit, name, 2)
    answers = [ask(kit, name, str(number)) for number in range(3)]
    until(lambda: seen.exists() and seen.read_text() == "xx", "two requests under way")
    tick(kit)
    until(lambda: metric(kit, name, "ApproximateBacklogSizePerInstance")[-1:] == [1.5], "the backlog per instance")
    assert seen.read_text() == "xx"
    gate.touch()
    until(lambda: all(there(kit, answer["OutputLocation"]) for answer in answers), "the results")


def test_a_request_expires_in_the_queue(kit: HostingKit) -> None:
    """RequestTTLSeconds of AWS time: then the error topic is told and nothing is invoked."""
    topics = Topics(kit)
    name = kit.serving(config(kit, kit.model("m"), NotificationConfig=topics.config))
    scale(kit, name, 0)
    short, long = ask(kit, name, RequestTTLSeconds=60), ask(kit, name, RequestTTLSeconds=3600)
    tick(kit)
    notice = topics.receive()
    assert (notice["invocationStatus"], notice["inferenceId"]) == ("Failed", short["InferenceId"])
    assert "expired" in notice["failureReason"]
    scale(kit, name, 1)
    assert topics.receive()["inferenceId"] == long["InferenceId"]
    assert not there(kit, short["OutputLocation"])


def test_a_request_may_take_longer_than_a_real_time_one(kit: HostingKit, tmp_path: Path) -> None:
    """InvocationTimeoutSeconds counts, not the minute of InvokeEndpoint; beyond it the request fails."""
    kit.world.settings["endpoints.invocationWallSeconds"] = 0.05
    topics = Topics(kit)
    gate = tmp_path / "gate"
    name = kit.serving(config(kit, kit.model(script=GATED.format(gate=gate)), NotificationConfig=topics.config))
    ask(kit, name, InvocationTimeoutSeconds=1)
    assert "timed out" in topics.receive()["failureReason"]
    threading.Timer(0.3, gate.touch).start()
    answer = ask(kit, name)
    assert topics.receive()["invocationStatus"] == "Completed"
    assert kit.read(answer["OutputLocation"]) == b"7"


def test_a_small_body_needs_no_object(kit: HostingKit) -> None:
    """Body instead of InputLocation, and a place of one's own below S3OutputPath."""
    name = kit.serving(config(kit, kit.model("m")))
    answer = ask(kit, name, InputLocation=None, Body=b"9", S3OutputPathExtension="team/a", Filename="nine.txt")
    assert answer["OutputLocation"] == f"s3://{BUCKET}/async/out/team/a/nine.txt"
    until(lambda: there(kit, answer["OutputLocation"]), "the result")
    assert kit.read(answer["OutputLocation"]) == b"m:9"


def test_each_kind_of_endpoint_has_its_own_operation(kit: HostingKit) -> None:
    """InvokeEndpoint on an asynchronous one and InvokeEndpointAsync on another are ValidationErrors."""
    asynchronous, real_time = kit.serving(config(kit, kit.model())), kit.serving()
    with pytest.raises(ClientError, match=r"\(ValidationError\).*invoke it with InvokeEndpointAsync"):
        kit.invoke(asynchronous)
    with pytest.raises(ClientError, match=r"\(ValidationError\).*has no AsyncInferenceConfig"):
        ask(kit, real_time)
    with pytest.raises(ClientError, match=rf"\(ValidationError\).*Endpoint absent of account {ACCOUNT} not found"):
        ask(kit, "absent")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"InputLocation": None}, "exactly one of InputLocation and Body"),
        ({"Body": b"x"}, "exactly one of InputLocation and Body"),
        ({"InputLocation": "https://host/x"}, "Invalid InputLocation"),
        ({"InputLocation": None, "Body": b"x" * 128_001}, "less than or equal to 128000"),
    ],
)
def test_requests_without_one_readable_input_are_refused(kit: HostingKit, changes: dict[str, Any], message: str) -> None:
    """Before anything is queued."""
    name = kit.serving(config(kit, kit.model()))
    with pytest.raises(ClientError, match=rf"\(ValidationError\).*{message}"):
        ask(kit, name, **changes)


def test_deleting_the_endpoint_forgets_its_queue(kit: HostingKit) -> None:
    """Nothing of it runs later, also when an endpoint of that name comes back."""
    model = kit.model("m")
    name = kit.serving(config(kit, model))
    scale(kit, name, 0)
    answer = ask(kit, name)
    kit.client("sagemaker").delete_endpoint(EndpointName=name)
    until(lambda: not kit.client("sagemaker").list_endpoints(NameContains=name)["Endpoints"], "the deletion")
    kit.serving(config(kit, model), EndpointName=name)
    later = ask(kit, name)
    until(lambda: there(kit, later["OutputLocation"]), "the result")
    assert not there(kit, answer["OutputLocation"])
    assert only_variant(kit.described(name))["CurrentInstanceCount"] == 1
