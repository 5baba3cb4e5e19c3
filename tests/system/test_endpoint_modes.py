"""Ways of serving on the real API server and the local AWS: pipelines, serverless, asynchronous; and the smoke test before them all."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.system.endpoints import BROKEN, CREATES, ENVIRONMENT, IMAGE, Endpoints, pinned, serves
from tests.system.stack import condition

ADDS = """
def model_fn(folder):
    return None
def input_fn(body, content_type):
    return float(body)
def predict_fn(data, model):
    return data EXPRESSION
def output_fn(prediction, accept):
    return f"{prediction:g}", "text/csv"
"""
SERVERLESS = {"memorySizeInMB": 1024, "maxConcurrency": 2}
RAISES = ADDS.replace("data EXPRESSION", "data / 0")
SLOW = ADDS.replace("return data EXPRESSION", "__import__('time').sleep(1.5)\n    return data")


def computes(expression: str) -> str:
    """A model that answers the number it is asked, `expression` applied: "* 2"."""
    return ADDS.replace("EXPRESSION", expression)


def smoke_test(name: str, **expect: Any) -> dict[str, Any]:
    """A spec.smokeTest that sends sample.csv of the ConfigMap `name`."""
    payload = {"configMapRef": {"name": name, "key": "sample.csv"}}
    return {"payload": payload, "contentType": "text/csv", "expect": {"status": 200, **expect}}


def sample(endpoints: Endpoints, name: str, body: str = "1") -> None:
    endpoints.stack.apply(endpoints.stack.code(name, {"sample.csv": body}))


def invoked(endpoints: Endpoints, name: str, body: bytes) -> str:
    runtime = endpoints.stack.client("sagemaker-runtime")
    found = runtime.invoke_endpoint(EndpointName=endpoints.status(name)["endpointName"], ContentType="text/csv", Body=body)
    return str(found["Body"].read().decode().strip())


def link(endpoints: Endpoints, expression: str) -> dict[str, Any]:
    return {"image": IMAGE, "artifact": endpoints.artifact(computes(expression)), "environment": ENVIRONMENT}


def no_stand(endpoints: Endpoints, name: str) -> None:
    """Until neither endpoint nor config of a smoke test is left."""
    deadline = time.monotonic() + 60
    while left := _stands(endpoints, name):
        assert time.monotonic() < deadline, left
        time.sleep(0.2)


def _stands(endpoints: Endpoints, name: str) -> list[str]:
    sagemaker = endpoints.stack.client("sagemaker")
    left = [item["EndpointName"] for item in sagemaker.list_endpoints(NameContains=f"team-a-{name}-")["Endpoints"]]
    configs = sagemaker.list_endpoint_configs(NameContains=f"team-a-{name}-smoke")["EndpointConfigs"]
    return [item for item in left if item.endswith("-smoke")] + [item["EndpointConfigName"] for item in configs]


@contextmanager
def nothing_created(endpoints: Endpoints) -> Iterator[None]:
    before = endpoints.stack.ledger.position()
    yield
    assert endpoints.stack.ledger.created(before) == Counter()


@pytest.mark.capability("F8")
def test_a_pipeline_serves_in_the_order_of_its_containers(endpoints: Endpoints) -> None:
    """(1 + 2) * 10, not 1 * 10 + 2: the first container's answer is the second one's request. One model at AWS."""
    variant = {"name": "all", "model": {"containers": [link(endpoints, "+ 2"), link(endpoints, "* 10")]}}

    def serve() -> None:
        endpoints.apply("piped", variant)
        endpoints.in_service("piped")

    assert endpoints.stack.created_by(serve) == Counter(dict.fromkeys(CREATES, 1))
    assert invoked(endpoints, "piped", b"1") == "30"


@pytest.mark.capability("F8")
def test_a_registered_model_is_a_link_of_a_pipeline(endpoints: Endpoints) -> None:
    """An own image before it; approval in the registry still decides."""
    arn = endpoints.register("linked", computes("* 10"), "PendingManualApproval")
    containers = [link(endpoints, "+ 1"), {"package": {"group": "linked", "version": 1}}]
    endpoints.apply("linked", {"name": "all", "model": {"containers": containers}})
    endpoints.until("linked", lambda status: condition(status, "Ready").get("reason") == "AwaitingApproval")
    endpoints.approve(arn, "Approved")
    assert endpoints.in_service("linked")["variants"][0]["model"].endswith("+linked/1")
    assert invoked(endpoints, "linked", b"1") == "20"


@pytest.mark.capability("F1", "F12")
def test_serverless_serves_and_captures_nothing(endpoints: Endpoints) -> None:
    """No instances at all; data capture is refused at the door, with the field."""
    endpoints.register("bills", serves(7))
    variant = {"name": "all", "model": {"package": {"group": "bills", "version": 1}}, "serverless": SERVERLESS}
    endpoints.apply("bills", variant)
    status = endpoints.in_service("bills")
    assert "instances" not in status["variants"][0]
    assert endpoints.ask("bills") == "7"
    with nothing_created(endpoints), pytest.raises(Exception, match="captures no data"):
        endpoints.apply("bills", variant, dataCapture={"initialSamplingPercentage": 100, "captureModes": ["Input"]})


def test_an_endpoint_with_instances_stays_one(endpoints: Endpoints) -> None:
    """AWS would refuse it; it is said before, and what serves goes on. The way back is free."""
    endpoints.served("converts", 1)
    endpoints.apply("converts", pinned("converts", 1) | {"serverless": SERVERLESS})
    with nothing_created(endpoints):
        status = endpoints.until("converts", lambda status: condition(status, "Stalled").get("reason") == "NotConvertible")
    assert condition(status, "Stalled")["message"].startswith("spec.variants[0].serverless: ")
    assert endpoints.ask("converts") == "1"
    endpoints.apply("converts", pinned("converts", 1))
    assert condition(endpoints.until("converts", lambda status: not condition(status, "Stalled")), "Ready")["status"] == "True"


def test_async_answers_are_written_to_s3(endpoints: Endpoints) -> None:
    """Under the Tenant's artifactPrefix, which status names; waiting for the answer is AWS's to refuse."""
    endpoints.register("queued", serves(7))
    endpoints.apply("queued", pinned("queued", 1), **{"async": {}})
    status = endpoints.in_service("queued")
    output = status["effective"]["async"]["output"]
    assert output.endswith("/team-a/queued/async/")
    runtime, s3 = endpoints.stack.client("sagemaker-runtime"), endpoints.stack.client("s3")
    s3.put_object(Bucket="team-a-ml", Key="questions/1.csv", Body=b"1")
    asked = runtime.invoke_endpoint_async(
        EndpointName=status["endpointName"], ContentType="text/csv", InputLocation="s3://team-a-ml/questions/1.csv"
    )
    assert asked["OutputLocation"].startswith(output)
    bucket, _, key = asked["OutputLocation"].removeprefix("s3://").partition("/")
    deadline = time.monotonic() + 60
    while not s3.list_objects_v2(Bucket=bucket, Prefix=key).get("KeyCount"):
        assert time.monotonic() < deadline, "no answer in S3"
        time.sleep(0.2)
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read().strip() == b"7"
    with pytest.raises(ClientError):
        endpoints.ask("queued")


def test_answers_do_not_leave_the_tenant(endpoints: Endpoints) -> None:
    """Folders and topics of an asynchronous endpoint stand under the fence."""
    endpoints.register("leaks", serves(7))
    topic = "arn:aws:sns:eu-central-1:999999999999:elsewhere"
    endpoints.apply("leaks", pinned("leaks", 1), **{"async": {"output": "s3://elsewhere/", "errorTopicArn": topic}})
    status = endpoints.until("leaks", lambda status: condition(status, "Stalled").get("reason") == "TenantPolicy")
    message = condition(status, "Stalled")["message"]
    assert "spec.async.output" in message
    assert "spec.async.errorTopicArn" in message
    assert not {call for call in endpoints.stack.calls_for("leaks") if call.startswith("Create")}


@pytest.mark.capability("F3", "F15")
def test_a_version_that_passes_its_smoke_test_serves(endpoints: Endpoints) -> None:
    """Each variant is called, behind an endpoint that is gone afterwards; at rest nothing is repeated."""
    endpoints.register("passes", serves(1))
    endpoints.register("passes", serves(2))
    sample(endpoints, "passes-sample")
    test = smoke_test("passes-sample", maxLatency="30s")
    variants = [pinned("passes", 1) | {"name": "blue"}, pinned("passes", 2) | {"name": "green", "weight": 0}]
    endpoints.apply("passes", *variants, smokeTest=test)
    status = endpoints.in_service("passes")
    result = endpoints.until("passes", lambda status: condition(status, "SmokeTestPassed").get("status") == "True")["smokeTest"]
    assert [(item["name"], item["status"]) for item in result["variants"]] == [("blue", 200), ("green", 200)]
    assert endpoints.stack.calls_for("passes").count("InvokeEndpoint") == 2
    no_stand(endpoints, "passes")
    endpoints.stack.quiet()
    assert endpoints.stack.calls_for("passes").count("InvokeEndpoint") == 2
    assert status["lastGood"]["config"] == result["config"]


@pytest.mark.capability("F3", "F15")
@pytest.mark.parametrize(
    ("script", "words"),
    [(RAISES, "answered 500 instead of 200"), (SLOW, "longer than 1s"), (BROKEN, "does not start")],
    ids=["raises", "slow", "broken"],
)
def test_a_version_that_fails_its_smoke_test_never_serves(endpoints: Endpoints, script: str, words: str, request: Any) -> None:
    """No caller meets it, none is turned away, the endpoint is never updated; what was made for the test is gone."""
    name = f"fails-{request.node.callspec.id}"
    sample(endpoints, f"{name}-sample")
    test = smoke_test(f"{name}-sample", maxLatency="1s")
    good = endpoints.served(name, 1)
    endpoints.register(name, script)
    with endpoints.asking(name) as answers:
        endpoints.apply(name, pinned(name, 2), smokeTest=test)
        status = endpoints.until(name, lambda status: condition(status, "Stalled").get("reason") == "SmokeTestFailed")
        endpoints.stack.quiet()
    assert words in condition(status, "Stalled")["message"]
    assert set(answers) == {"1"}
    assert endpoints.stack.calls_for(name).count("UpdateEndpoint") == 0
    no_stand(endpoints, name)
    assert endpoints.status(name)["lastGood"] == good["lastGood"]


def test_a_failed_version_waits_for_another_payload(endpoints: Endpoints) -> None:
    """The same test is not made twice; an edit of the ConfigMap wakes it, and the version serves."""
    sample(endpoints, "again-sample", "no number")
    endpoints.register("again", computes("* 2"))
    endpoints.apply("again", pinned("again", 1), smokeTest=smoke_test("again-sample"))
    endpoints.until("again", lambda status: condition(status, "Stalled").get("reason") == "SmokeTestFailed")
    endpoints.stack.quiet()
    assert endpoints.stack.accepted("again", "CreateEndpoint") == 1
    sample(endpoints, "again-sample", "21")
    endpoints.in_service("again", "1")
    assert invoked(endpoints, "again", b"21") == "42"
    assert endpoints.stack.accepted("again", "CreateEndpoint") == 3


def test_an_asynchronous_version_is_tested_by_waiting_for_its_answer(endpoints: Endpoints) -> None:
    """Its stand has no queue; nothing of the test is written to S3."""
    endpoints.register("both", serves(7))
    sample(endpoints, "both-sample")
    endpoints.apply("both", pinned("both", 1), smokeTest=smoke_test("both-sample"), **{"async": {}})
    status = endpoints.in_service("both")
    assert endpoints.status("both")["smokeTest"]["state"] == "Passed"
    bucket, _, prefix = status["effective"]["async"]["output"].removeprefix("s3://").partition("/")
    assert endpoints.stack.client("s3").list_objects_v2(Bucket=bucket, Prefix=prefix).get("KeyCount", 0) == 0


def test_a_deletion_in_the_middle_of_a_test_leaves_no_stand(endpoints: Endpoints) -> None:
    """Although the endpoint itself is retained."""
    endpoints.register("leaves", serves(1))
    endpoints.register("leaves", serves(2))
    sample(endpoints, "leaves-sample")
    endpoints.apply("leaves", pinned("leaves", 1))
    name = endpoints.in_service("leaves")["endpointName"]
    endpoints.apply("leaves", pinned("leaves", 2), smokeTest=smoke_test("leaves-sample"))
    endpoints.until("leaves", lambda status: status.get("phase") == "Testing")
    endpoints.delete("leaves")
    no_stand(endpoints, "leaves")
    assert endpoints.stack.client("sagemaker").describe_endpoint(EndpointName=name)["EndpointStatus"] == "InService"


@pytest.mark.capability("F12")
def test_data_capture_can_be_turned_on_and_off(endpoints: Endpoints) -> None:
    """UpdateEndpoint keeps shares and counts, and with them, unless told otherwise, the data capture that was."""
    endpoints.served("captures", 1)

    def captured() -> bool:
        name = endpoints.status("captures")["endpointName"]
        found = endpoints.stack.client("sagemaker").describe_endpoint(EndpointName=name)
        return bool(found.get("DataCaptureConfig", {}).get("EnableCapture"))

    endpoints.apply("captures", pinned("captures", 1), dataCapture={"initialSamplingPercentage": 100, "captureModes": ["Input"]})
    endpoints.in_service("captures")
    assert captured()
    endpoints.apply("captures", pinned("captures", 1))
    endpoints.in_service("captures")
    assert not captured()
