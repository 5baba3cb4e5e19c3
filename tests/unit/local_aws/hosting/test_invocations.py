"""InvokeEndpoint: split, targets, errors and metrics are those of AWS."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hosting_kit import NAMED, HostingKit
from service_kit import ACCOUNT, REGION, until

from local_aws.faults import Script
from local_aws.identity import Role
from local_aws.ledger import Filter

STATUS = """
def model_fn(folder):
    return None
def transform_fn(model, data, content_type, accept):
    raise ValueError("bad row " + data)
"""
SLOW = NAMED.replace('    return f"{model}:{data}"', "    import time\n    time.sleep(5)\n    return data")


def refused(kit: HostingKit, name: str, **changes: Any) -> dict[str, Any]:
    """The answer to an invocation that is refused, after one attempt."""
    with pytest.raises(ClientError) as caught:
        kit.invoke(name, **changes)
    response: dict[str, Any] = caught.value.response
    return response


@pytest.fixture
def split(kit: HostingKit) -> str:
    """An endpoint with the variants a and b, 3 to 1."""
    return kit.serving(kit.config(kit.variant("a", kit.model("a"), InitialVariantWeight=3.0), kit.variant("b", kit.model("b"))))


def test_traffic_is_split_by_weight(kit: HostingKit, split: str) -> None:
    """200 invocations at 3 to 1; the answer says which variant it was."""
    answers = [kit.invoke(split) for _ in range(200)]
    counts = Counter(answer["InvokedProductionVariant"] for answer in answers)
    assert 120 <= counts["a"] <= 180
    assert counts["a"] + counts["b"] == 200
    assert all(answer["text"] == f"{answer['InvokedProductionVariant']}:x" for answer in answers)


def test_a_target_variant_overrides_the_weights(kit: HostingKit, split: str) -> None:
    """Also one of weight 0 could be asked; an unknown one is a ValidationError."""
    assert [kit.invoke(split, TargetVariant="b")["text"] for _ in range(5)] == ["b:x"] * 5
    error = refused(kit, split, TargetVariant="c")["Error"]
    assert error["Code"] == "ValidationError"
    assert "c" in error["Message"]


def test_new_weights_take_effect_without_a_new_config(kit: HostingKit, split: str) -> None:
    """All traffic goes to b when a has weight 0."""
    kit.client("sagemaker").update_endpoint_weights_and_capacities(
        EndpointName=split, DesiredWeightsAndCapacities=[{"VariantName": "a", "DesiredWeight": 0.0}]
    )
    kit.settled(split)
    assert {kit.invoke(split)["text"] for _ in range(20)} == {"b:x"}


def test_a_missing_endpoint_is_a_validation_error(kit: HostingKit) -> None:
    """In AWS's words, with status 400; also while it is created, and when only the case differs."""
    response = refused(kit, "absent")
    assert response["Error"]["Code"] == "ValidationError"
    assert response["Error"]["Message"] == f"Endpoint absent of account {ACCOUNT} not found."
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 400
    kit.world.settings["endpoints.creatingSeconds"] = 60
    name = kit.endpoint()
    assert refused(kit, name)["Error"]["Message"] == f"Endpoint {name} of account {ACCOUNT} not found."
    kit.world.clock.advance(60)
    kit.settled(name)
    assert refused(kit, name.upper())["Error"]["Message"].endswith("not found.")


def test_a_target_model_needs_a_multi_model_endpoint(kit: HostingKit, split: str) -> None:
    """AWS's sentence."""
    error = refused(kit, split, TargetModel="a.tar.gz")["Error"]
    assert error["Message"] == f"Endpoint {split} is not a multi-model endpoint and does not support target model header."


def test_an_error_of_the_model_is_a_model_error(kit: HostingKit) -> None:
    """424 with the container's status and message, and where its log is."""
    name = kit.serving(kit.config(kit.variant(model=kit.model(script=STATUS))))
    response = refused(kit, name, body="7")
    assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == ("ModelError", 424)
    message = response["Error"]["Message"]
    assert message.startswith('Received server error (500) from primary with message "bad row 7')
    console = (
        f"https://{REGION}.console.aws.amazon.com/cloudwatch/home?region={REGION}#logEventViewer:group=/aws/sagemaker/Endpoints/{name}"
    )
    assert message.endswith(f'". See {console} in account {ACCOUNT} for more information.')
    assert response["OriginalStatusCode"] == 500
    assert "bad row 7" in response["OriginalMessage"]
    assert response["LogStreamArn"] == f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/sagemaker/Endpoints/{name}"
    until(lambda: "bad row 7" in kit.log(f"/aws/sagemaker/Endpoints/{name}", "AllTraffic/"), "the traceback in the log")


def test_a_model_that_takes_too_long_is_a_model_error(kit: HostingKit) -> None:
    """Status 0 and AWS's sentence, after the runtime's limit (60 s; shorter here)."""
    kit.world.settings["endpoints.invocationWallSeconds"] = 0.2
    name = kit.serving(kit.config(kit.variant(model=kit.model(script=SLOW))))
    response = refused(kit, name)
    assert response["OriginalStatusCode"] == 0
    assert response["OriginalMessage"].startswith("Your invocation timed out while waiting for a response from container primary.")


def test_a_body_goes_through_as_it_is(kit: HostingKit) -> None:
    """Bytes that are no text, and a megabyte of them."""
    script = "def model_fn(f): return 0\ndef transform_fn(m, data, c, a): return data, c\n"
    name = kit.serving(kit.config(kit.variant(model=kit.model(script=script))))
    body = bytes(range(256)) * 4096
    answer = kit.client("sagemaker-runtime").invoke_endpoint(EndpointName=name, Body=body, ContentType="application/x-image")
    assert (answer["Body"].read(), answer["ContentType"]) == (body, "application/x-image")


def test_a_malformed_request_is_a_validation_error(kit: HostingKit, split: str) -> None:
    """The runtime says ValidationError where the control plane says ValidationException."""
    error = refused(kit, split, TargetVariant="not valid!")["Error"]
    assert (error["Code"], "targetVariant" in error["Message"]) == ("ValidationError", True)


def test_invoking_needs_the_permission(kit: HostingKit, split: str) -> None:
    """The action is sagemaker:InvokeEndpoint on the endpoint's ARN."""
    role = f"arn:aws:iam::{ACCOUNT}:role/caller"
    kit.world.identity.register(Role(arn=role, allow=("sagemaker:Describe*",)))
    credentials = kit.world.identity.mint(role, "test", None)
    client = kit.client_as("sagemaker-runtime", credentials.access_key_id, credentials.session_token)
    with pytest.raises(ClientError, match=rf"sagemaker:InvokeEndpoint on resource: arn:aws:sagemaker:{REGION}:{ACCOUNT}:endpoint/{split}"):
        client.invoke_endpoint(EndpointName=split, Body=b"x")


def test_invocations_are_in_the_ledger_and_can_be_scripted(kit: HostingKit, split: str) -> None:
    """As every other call."""
    kit.invoke(split)
    kit.world.faults.script(Script("InvokeEndpoint", "error", resource=split, code="ServiceUnavailable", status=503))
    once = kit.once("sagemaker-runtime")
    with pytest.raises(ClientError, match="ServiceUnavailable"):
        once.invoke_endpoint(EndpointName=split, Body=b"x")
    calls = kit.world.ledger.entries(Filter(operation="InvokeEndpoint", resource=split), None)
    assert [call.accepted for call in calls] == [True, False]


def test_invocations_are_counted_per_variant(kit: HostingKit, split: str) -> None:
    """Invocations, errors and latency in AWS/SageMaker, by variant and by configuration besides."""
    for _ in range(4):
        kit.invoke(split, TargetVariant="b")
    config = kit.described(split)["EndpointConfigName"]
    by_variant = [{"Name": "EndpointName", "Value": split}, {"Name": "VariantName", "Value": "b"}]
    by_config = [*by_variant, {"Name": "EndpointConfigName", "Value": config}]

    def statistics(metric: str, dimensions: list[dict[str, str]]) -> dict[str, float]:
        now = kit.world.clock.now()
        points = kit.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/SageMaker",
            MetricName=metric,
            Dimensions=dimensions,
            StartTime=now - timedelta(hours=1),
            EndTime=now + timedelta(hours=1),
            Period=7200,
            Statistics=["Sum", "SampleCount", "Maximum"],
        )["Datapoints"]
        return {"sum": sum(each["Sum"] for each in points), "count": sum(each["SampleCount"] for each in points)}

    for dimensions in (by_variant, by_config):
        until(lambda at=dimensions: statistics("Invocations", at)["sum"] == 4, "the metrics")
    assert statistics("Invocation5XXErrors", by_variant) == {"sum": 0, "count": 4}
    assert statistics("Invocation4XXErrors", by_variant) == {"sum": 0, "count": 4}
    assert statistics("ModelLatency", by_variant)["sum"] > 0
    assert statistics("OverheadLatency", by_variant)["count"] == 4


def test_invocations_per_instance_are_shares(kit: HostingKit) -> None:
    """Each of two instances gets half an invocation; latencies have percentiles."""
    name = kit.serving(kit.config(kit.variant(InitialInstanceCount=2)))
    for _ in range(3):
        kit.invoke(name)

    def statistic(metric: str, stat: str) -> float:
        now = kit.world.clock.now()
        named = [{"Name": "EndpointName", "Value": name}, {"Name": "VariantName", "Value": "AllTraffic"}]
        wanted = {"Metric": {"Namespace": "AWS/SageMaker", "MetricName": metric, "Dimensions": named}, "Period": 7200, "Stat": stat}
        (result,) = kit.client("cloudwatch").get_metric_data(
            MetricDataQueries=[{"Id": "a", "MetricStat": wanted}], StartTime=now - timedelta(hours=1), EndTime=now + timedelta(hours=1)
        )["MetricDataResults"]
        (value,) = result["Values"]
        return float(value)

    assert statistic("InvocationsPerInstance", "Sum") == 1.5
    slowest, median = statistic("ModelLatency", "Maximum"), statistic("ModelLatency", "p50")
    assert 0 < median <= slowest


def test_errors_of_the_model_are_counted(kit: HostingKit) -> None:
    """A 500 of the container is an Invocation5XXErrors of 1."""
    name = kit.serving(kit.config(kit.variant(model=kit.model(script=STATUS))))
    refused(kit, name)

    def sums() -> set[float]:
        listed = kit.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/SageMaker",
            MetricName="Invocation5XXErrors",
            Dimensions=[{"Name": "EndpointName", "Value": name}, {"Name": "VariantName", "Value": "AllTraffic"}],
            StartTime=kit.world.clock.now() - timedelta(hours=1),
            EndTime=kit.world.clock.now() + timedelta(hours=1),
            Period=7200,
            Statistics=["Sum"],
        )
        return {point["Sum"] for point in listed["Datapoints"]}

    until(lambda: sums() == {1.0}, "the metric")


def test_unknown_runtime_operations_are_refused(kit: HostingKit, split: str) -> None:
    """Not with a page of HTML."""
    client = kit.once("sagemaker-runtime")
    with pytest.raises(ClientError, match="does not implement sagemaker-runtime:InvokeEndpointWithResponseStream"):
        client.invoke_endpoint_with_response_stream(EndpointName=split, Body=b"x")


def test_a_body_has_a_limit(kit: HostingKit, split: str) -> None:
    """6 MiB, refused in AWS's words for a buffer."""
    error = refused(kit, split, body=b"x" * 6_291_457)["Error"]
    assert error["Code"] == "ValidationError"
    assert "at 'body' failed to satisfy constraint: Member must have length less than or equal to 6291456" in error["Message"]


def test_compressed_requests_are_read(kit: HostingKit) -> None:
    """The SDK compresses a PutMetricData of 10 KB and more, as the metrics of many invocations are."""
    namespace = kit.name("space")
    data = [{"MetricName": f"metric-{number}", "Value": float(number)} for number in range(500)]
    kit.client("cloudwatch").put_metric_data(Namespace=namespace, MetricData=data)
    assert kit.client("cloudwatch").list_metrics(Namespace=namespace, MetricName="metric-499")["Metrics"]
