"""The event history: which calls are in it, how they look, how they are looked up, and what a lookup is refused for."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from aws_frame import ACCOUNT, REGION, TEAM, URL, Local, wsgi
from botocore.exceptions import ClientError

from local_aws import cloudtrail
from local_aws.cloudtrail.history import History
from local_aws.cloudtrail.lookup import Lookup
from local_aws.errors import AwsError
from local_aws.faults import Script
from local_aws.identity import ADMIN_KEY
from local_aws.inprocess import InProcess
from local_aws.service import Call, Caller

UPDATE = {"EndpointName": "fees", "EndpointConfigName": "fees-2"}
TARGET = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents"


def _update(call: Call) -> dict[str, Any]:
    if call.params["EndpointName"] == "absent":
        raise AwsError("ValidationException", 'Could not find endpoint "absent".')
    return {"EndpointArn": f"arn:aws:sagemaker:{call.region}:{ACCOUNT}:endpoint/{call.params['EndpointName']}"}


@pytest.fixture
def trail(local: Local) -> Local:
    """With CloudTrail, and a SageMaker that takes every request but for the endpoint `absent`."""
    local.operations.update(cloudtrail.operations(local.world))
    local.operations["sagemaker", "UpdateEndpoint"] = _update
    local.operations["sagemaker", "DescribeEndpoint"] = lambda call: {}
    local.operations["sagemaker", "CreateModel"] = lambda call: {}
    local.operations["sagemaker-runtime", "InvokeEndpoint"] = lambda call: {"Body": b""}
    local.operations["application-autoscaling", "DeregisterScalableTarget"] = lambda call: {}
    return local


def events(local: Local, attribute: tuple[str, str] | None = None, **arguments: Any) -> list[dict[str, Any]]:
    """What boto3 makes of the answer."""
    if attribute is not None:
        arguments["LookupAttributes"] = [{"AttributeKey": attribute[0], "AttributeValue": attribute[1]}]
    found: list[dict[str, Any]] = local.client("cloudtrail").lookup_events(**arguments)["Events"]
    return found


def record(event: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(event["CloudTrailEvent"])
    return found


def names(found: list[dict[str, Any]]) -> list[str]:
    return [record(event)["requestParameters"]["endpointName"] for event in found]


def update(local: Local, *endpoints: str, region: str = REGION) -> None:
    source = InProcess(URL, region, ADMIN_KEY)
    source.app = local.app
    for name in endpoints:
        source.client("sagemaker").update_endpoint(EndpointName=name, EndpointConfigName="c")


def refused(local: Local, code: str, **arguments: Any) -> str:
    """The message of a lookup that is refused with the code; sent raw, because botocore checks some of it itself."""
    body = json.dumps(arguments).encode()
    status, headers, answer = wsgi(local.app, "POST", "/", body, {"HTTP_X_AMZ_TARGET": TARGET})
    document = json.loads(answer)
    assert (status, document["__type"], headers["x-amzn-ErrorType"]) == (400, code, code)
    message: str = document["message"]
    return message


def test_an_accepted_update_is_found_as_aws_shows_it(trail: Local) -> None:
    """By its name, with the request in camel case, the caller and the id that its answer had."""
    answer = trail.team_client("sagemaker").update_endpoint(
        **UPDATE, RetainAllVariantProperties=True, ExcludeRetainedVariantProperties=[{"VariantPropertyType": "DesiredInstanceCount"}]
    )
    (found,) = events(trail, ("EventName", "UpdateEndpoint"))
    told = record(found)
    assert told["requestParameters"] == {
        "endpointName": "fees",
        "endpointConfigName": "fees-2",
        "retainAllVariantProperties": True,
        "excludeRetainedVariantProperties": [{"variantPropertyType": "DesiredInstanceCount"}],
    }
    assert told["requestID"] == answer["ResponseMetadata"]["RequestId"]
    assert (told["eventSource"], told["eventName"], told["awsRegion"]) == ("sagemaker.amazonaws.com", "UpdateEndpoint", REGION)
    assert (told["readOnly"], told["managementEvent"], told["eventCategory"]) == (False, True, "Management")
    assert (told["recipientAccountId"], told["responseElements"], told["eventType"]) == (ACCOUNT, None, "AwsApiCall")
    assert "errorCode" not in told
    assert "errorMessage" not in told
    assert "Boto3/" in told["userAgent"]
    identity = told["userIdentity"]
    assert (identity["type"], identity["accountId"]) == ("AssumedRole", ACCOUNT)
    assert identity["arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/team/test"
    assert identity["sessionContext"]["sessionIssuer"]["arn"] == TEAM
    assert (found["EventId"], found["Username"], found["ReadOnly"]) == (told["eventID"], "test", "false")
    assert UUID(found["EventId"]).version == 5
    assert found["AccessKeyId"] == identity["accessKeyId"]
    assert found["EventTime"].astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") == told["eventTime"]
    assert {"ResourceType": "AWS::SageMaker::Endpoint", "ResourceName": "fees"} in found["Resources"]


def test_a_refused_update_carries_its_error(trail: Local) -> None:
    """Refused by the service, by its model, by IAM, by a fault that was ordered."""
    client = trail.client("sagemaker")
    with pytest.raises(ClientError):
        client.update_endpoint(EndpointName="absent", EndpointConfigName="c")
    with pytest.raises(ClientError):
        client.update_endpoint(EndpointName="under_score", EndpointConfigName="c")
    trail.world.identity.deny("team", "sagemaker:UpdateEndpoint")
    with pytest.raises(ClientError):
        trail.team_client("sagemaker").update_endpoint(**UPDATE)
    trail.world.faults.script(Script("UpdateEndpoint", "error", code="ThrottlingException", message="Rate exceeded"))
    with pytest.raises(ClientError):
        client.update_endpoint(**UPDATE)
    found = [record(event) for event in events(trail, ("EventName", "UpdateEndpoint"))]
    codes = [(each["errorCode"], each["requestParameters"]["endpointName"]) for each in reversed(found)]
    expected = ["ValidationException", "ValidationException", "AccessDenied", "ThrottlingException"]
    assert codes == list(zip(expected, ["absent", "under_score", "fees", "fees"], strict=True))
    assert found[-1]["errorMessage"] == 'Could not find endpoint "absent".'
    assert "is not authorized to perform: sagemaker:UpdateEndpoint" in found[1]["errorMessage"]


@pytest.mark.parametrize(
    ("kind", "seen"), [("accept-then-drop", ["fees"]), ("accept-then-500", ["fees"]), ("delay", ["fees"]), ("drop", [])]
)
def test_what_was_carried_out_is_there_without_an_answer(trail: Local, kind: Any, seen: list[str]) -> None:
    """Also a call that was delayed; a call that never arrived is not."""
    trail.world.faults.script(Script("UpdateEndpoint", kind))
    try:
        trail.client("sagemaker").update_endpoint(**UPDATE)
    except Exception:
        assert kind != "delay"
    found = events(trail)
    assert names(found) == seen
    assert not any("errorCode" in record(event) for event in found)


def test_only_calls_that_change_something_are_events(trail: Local) -> None:
    """No reads, no invocations, no other services, no internal calls, nobody's calls, nothing that is no operation."""
    trail.client("sagemaker").describe_endpoint(EndpointName="fees")
    trail.client("sagemaker-runtime").invoke_endpoint(EndpointName="fees", Body=b"x")
    trail.client("s3").list_buckets()
    trail.world.client("sagemaker").update_endpoint(**UPDATE)
    with pytest.raises(ClientError):
        trail.client("sagemaker", "NOBODY").update_endpoint(**UPDATE)
    assert wsgi(trail.app, "POST", "/", b"{}", {"HTTP_X_AMZ_TARGET": "SageMaker.UpdateNothing"})[0] == 400
    assert events(trail) == []


def test_scaling_is_told_under_the_name_it_shares(trail: Local) -> None:
    """As in the guide of Application Auto Scaling."""
    request = {"ServiceNamespace": "sagemaker", "ResourceId": "endpoint/a/variant/b"}
    request["ScalableDimension"] = "sagemaker:variant:DesiredInstanceCount"
    trail.client("application-autoscaling").deregister_scalable_target(**request)
    (found,) = events(trail, ("EventSource", "autoscaling.amazonaws.com"))
    assert record(found)["additionalEventData"] == {"service": "application-autoscaling"}
    assert record(found)["requestParameters"]["resourceId"] == "endpoint/a/variant/b"


def test_secrets_are_hidden_and_keys_of_maps_stay(trail: Local) -> None:
    """An environment is never kept; a map's keys are the customer's own."""
    container = {"Image": "i", "Environment": {"TOKEN": "s3cret"}, "ModelDataUrl": "s3://b/k"}
    request = {"ModelName": "m", "ExecutionRoleArn": TEAM, "PrimaryContainer": container, "Tags": [{"Key": "Owner", "Value": "V"}]}
    trail.client("sagemaker").create_model(**request)
    (found,) = events(trail)
    assert "s3cret" not in found["CloudTrailEvent"]
    shown = record(found)["requestParameters"]
    assert shown["primaryContainer"] == {"image": "i", "environment": "HIDDEN_DUE_TO_SECURITY_REASONS", "modelDataUrl": "s3://b/k"}
    assert shown["tags"] == [{"key": "Owner", "value": "V"}]
    training = {"TrainingJobName": "t", "HyperParameters": {"Depth": "3"}, "Environment": ["wrong"], "InputDataConfig": "wrong"}
    wsgi(trail.app, "POST", "/", json.dumps(training).encode(), {"HTTP_X_AMZ_TARGET": "SageMaker.CreateTrainingJob"})
    shown = record(events(trail, ("EventName", "CreateTrainingJob"))[0])["requestParameters"]
    assert shown["hyperParameters"] == {"Depth": "3"}
    assert shown["environment"] == "HIDDEN_DUE_TO_SECURITY_REASONS"


def test_an_event_is_seen_after_the_lag(trail: Local) -> None:
    """At once unless the setting says otherwise."""
    trail.world.clock.speed = 0.0
    trail.world.settings["cloudtrail.lagSeconds"] = 300.0
    update(trail, "fees")
    trail.world.clock.advance(299)
    assert events(trail) == []
    trail.world.clock.advance(1)
    assert names(events(trail)) == ["fees"]
    trail.world.clock.advance(90 * 86_400)
    assert events(trail) == []


def test_pages_go_from_the_newest_to_the_oldest(trail: Local) -> None:
    """Fifty at most; what happens between two pages shifts nothing."""
    update(trail, *[f"e{number}" for number in range(60)])
    client = trail.client("cloudtrail")
    first = client.lookup_events()
    assert names(first["Events"]) == [f"e{number}" for number in range(59, 9, -1)]
    update(trail, "later")
    second = client.lookup_events(NextToken=first["NextToken"], MaxResults=7)
    assert names(second["Events"]) == [f"e{number}" for number in range(9, 2, -1)]
    third = client.lookup_events(NextToken=second["NextToken"], MaxResults=3)
    assert names(third["Events"]) == ["e2", "e1", "e0"]
    assert "NextToken" not in third
    paged = [event for page in client.get_paginator("lookup_events").paginate() for event in page["Events"]]
    assert names(paged) == ["later", *[f"e{number}" for number in range(59, -1, -1)]]


def test_a_time_range_is_inclusive_in_whole_seconds(trail: Local) -> None:
    """After or at the start, before or at the end."""
    trail.world.clock.speed = 0.0
    moments = []
    for name in ("a", "b", "c"):
        update(trail, name)
        moments.append(datetime.fromtimestamp(int(trail.world.clock.time()), UTC))
        trail.world.clock.advance(10)
    assert names(events(trail, StartTime=moments[1])) == ["c", "b"]
    assert names(events(trail, EndTime=moments[1])) == ["b", "a"]
    assert names(events(trail, StartTime=moments[1], EndTime=moments[1])) == ["b"]
    assert events(trail, StartTime=moments[1] + timedelta(seconds=1), EndTime=moments[2] - timedelta(seconds=1)) == []


def test_every_attribute_finds_its_events(trail: Local) -> None:
    """Exactly, in upper and lower case."""
    update(trail, "fees", "rates")
    trail.team_client("sagemaker").update_endpoint(**UPDATE)
    newest, _, oldest = events(trail)
    for key, value, expected in (
        ("EventId", oldest["EventId"], ["fees"]),
        ("EventName", "UpdateEndpoint", ["fees", "rates", "fees"]),
        ("EventName", "updateEndpoint", []),
        ("EventSource", "sagemaker.amazonaws.com", ["fees", "rates", "fees"]),
        ("ReadOnly", "false", ["fees", "rates", "fees"]),
        ("ReadOnly", "true", []),
        ("Username", "admin", ["rates", "fees"]),
        ("AccessKeyId", newest["AccessKeyId"], ["fees"]),
        ("ResourceName", "rates", ["rates"]),
        ("ResourceType", "AWS::SageMaker::Model", []),
    ):
        assert names(events(trail, (key, value))) == expected, key
    assert events(trail, EventCategory="insight") == []


def test_another_region_or_account_is_not_seen(trail: Local) -> None:
    """Each sees its own."""
    update(trail, "abroad", region="us-east-1")
    update(trail, "home")
    assert names(events(trail)) == ["home"]
    stranger = Caller("999999999999", "arn:aws:iam::999999999999:user/x", None, {}, "K")
    history = trail.world.trail
    assert isinstance(history, History)
    history.record(Call("sagemaker", "UpdateEndpoint", {"EndpointName": "theirs"}, stranger, REGION, "r"), address="", user_agent="")
    assert names(events(trail)) == ["home"]
    theirs = Lookup(trail.world, history).lookup(Call("cloudtrail", "LookupEvents", {}, stranger, REGION, "r2"))
    assert names(theirs["Events"]) == ["theirs"]


def test_the_history_is_bounded(trail: Local) -> None:
    """The oldest go first."""
    trail.world.trail = history = History(trail.world.clock, kept=3)
    update(trail, "a", "b", "c", "d")
    assert [event.parameters["endpointName"] for event in history.newest_first()] == ["d", "c", "b"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ({"MaxResults": 51}, "InvalidMaxResultsException", "Value '51' at 'maxResults' failed to satisfy constraint"),
        ({"MaxResults": 0}, "InvalidMaxResultsException", "Value '0' at 'maxResults' failed to satisfy constraint"),
        ({"StartTime": 20, "EndTime": 10}, "InvalidTimeRangeException", "start time occurs after the end time"),
        ({"NextToken": "nonsense"}, "InvalidNextTokenException", "next token"),
        ({"NextToken": "\u00e4"}, "InvalidNextTokenException", "next token"),
        ({"EventCategory": "data"}, "InvalidEventCategoryException", "at 'eventCategory'"),
        ({"LookupAttributes": [{"AttributeKey": "Shoe", "AttributeValue": "x"}]}, "InvalidLookupAttributesException", "attributeKey"),
        ({"LookupAttributes": [{"AttributeKey": "EventName"}]}, "InvalidLookupAttributesException", "attributeValue"),
        ({"LookupAttributes": [{"AttributeKey": "EventName", "AttributeValue": "x"}] * 2}, "InvalidLookupAttributesException", "one item"),
        (
            {"EventCategory": "insight", "LookupAttributes": [{"AttributeKey": "Username", "AttributeValue": "x"}]},
            "InvalidLookupAttributesException",
            "Username",
        ),
        ({"MaxResults": "5"}, "SerializationException", "STRING_VALUE can not be converted to an Integer"),
    ],
)
def test_wrong_lookups_are_refused(trail: Local, arguments: dict[str, Any], code: str, message: str) -> None:
    """With the exceptions of the service, not the usual ValidationException."""
    assert message in refused(trail, code, **arguments)


def test_a_token_belongs_to_its_lookup(trail: Local) -> None:
    """With other parameters it is refused."""
    update(trail, "a", "b")
    client = trail.client("cloudtrail")
    token = client.lookup_events(MaxResults=1)["NextToken"]
    with pytest.raises(client.exceptions.InvalidNextTokenException):
        client.lookup_events(NextToken=token, LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "UpdateEndpoint"}])


def test_a_lookup_needs_its_permission_and_may_be_throttled(trail: Local) -> None:
    """On "*"; the rate is the admin's to order."""
    trail.world.identity.deny("team", "cloudtrail:LookupEvents")
    client = trail.team_client("cloudtrail")
    with pytest.raises(ClientError) as caught:
        client.lookup_events()
    error = caught.value.response["Error"]
    assert error["Code"] == "AccessDeniedException"
    assert "is not authorized to perform: cloudtrail:LookupEvents on resource: * with an explicit deny" in error["Message"]
    trail.world.faults.throttle("cloudtrail", "LookupEvents", 2.0, 1.0)
    assert events(trail) == []
    with pytest.raises(ClientError, match="ThrottlingException"):
        events(trail)


def test_trails_are_motos_and_the_rest_is_refused(trail: Local) -> None:
    """What moto knows of CloudTrail stays reachable."""
    client = trail.client("cloudtrail")
    assert client.describe_trails()["trailList"] == []
    with pytest.raises(ClientError, match="UnknownOperationException"):
        client.list_queries(EventDataStore="store")
