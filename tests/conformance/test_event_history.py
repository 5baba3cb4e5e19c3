"""What CloudTrail's event history says of a call, for whoever lost its answer: a refused call costs nothing and is in it too."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from target import Target

pytestmark = pytest.mark.live


def _code(call: Callable[[], Any]) -> str:
    with pytest.raises(ClientError) as caught:
        call()
    code: str = caught.value.response["Error"]["Code"]
    return code


def _found(target: Target, name: str) -> dict[str, Any]:
    """The record of the UpdateEndpoint of an endpoint, once it has been delivered."""
    deadline = time.monotonic() + target.wait_seconds
    attributes = [{"AttributeKey": "EventName", "AttributeValue": "UpdateEndpoint"}]
    while time.monotonic() < deadline:
        for event in target.client("cloudtrail").lookup_events(LookupAttributes=attributes)["Events"]:
            told: dict[str, Any] = json.loads(event["CloudTrailEvent"])
            if (told.get("requestParameters") or {}).get("endpointName") == name:
                return told
        threading.Event().wait(1.0)
    raise AssertionError(f"no event of {name} within {target.wait_seconds} s")


def test_a_refused_update_is_in_the_history(target: Target) -> None:
    """With the names of the request, the id of its answer and the error."""
    name = target.name()
    with pytest.raises(ClientError) as caught:
        target.client("sagemaker").update_endpoint(EndpointName=name, EndpointConfigName=f"{name}-2")
    told = _found(target, name)
    assert told["requestParameters"] == {"endpointName": name, "endpointConfigName": f"{name}-2"}
    assert told["requestID"] == caught.value.response["ResponseMetadata"]["RequestId"]
    assert told["errorCode"] == "ValidationException"
    assert told["errorMessage"] == caught.value.response["Error"]["Message"]
    assert (told["eventSource"], told["awsRegion"], told["readOnly"]) == ("sagemaker.amazonaws.com", target.region, False)


def test_wrong_lookups_have_codes_of_their_own(target: Target) -> None:
    """As the API reference lists them."""
    client = target.client("cloudtrail")
    name = {"AttributeKey": "EventName", "AttributeValue": "UpdateEndpoint"}
    assert _code(lambda: client.lookup_events(StartTime=1_700_000_001, EndTime=1_700_000_000)) == "InvalidTimeRangeException"
    assert _code(lambda: client.lookup_events(MaxResults=51)) == "InvalidMaxResultsException"
    assert _code(lambda: client.lookup_events(NextToken="nonsense")) == "InvalidNextTokenException"
    assert _code(lambda: client.lookup_events(LookupAttributes=[name, name])) == "InvalidLookupAttributesException"
