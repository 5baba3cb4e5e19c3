"""An endpoint's updates in CloudTrail's event history, over HTTP, with the rollouts that they begin."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError, HTTPClientError
from hosting_kit import HostingKit

from local_aws.faults import Script


def test_an_update_whose_answer_was_lost_is_in_the_history(quick: HostingKit) -> None:
    """Told apart from the one that was refused while the first was under way."""
    name, config = quick.serving(), quick.config()
    quick.world.settings["endpoints.creatingSeconds"] = 3600.0
    quick.world.faults.script(Script("UpdateEndpoint", "accept-then-drop"))
    client = quick.once("sagemaker")
    with pytest.raises(HTTPClientError):
        client.update_endpoint(EndpointName=name, EndpointConfigName=config)
    with pytest.raises(ClientError, match="Cannot update in-progress endpoint"):
        client.update_endpoint(EndpointName=name, EndpointConfigName=config)
    wanted = [{"AttributeKey": "ResourceName", "AttributeValue": name}]
    found = [json.loads(event["CloudTrailEvent"]) for event in quick.client("cloudtrail").lookup_events(LookupAttributes=wanted)["Events"]]
    told = [(each["eventName"], each["requestParameters"].get("endpointConfigName"), each.get("errorCode")) for each in found]
    assert told[:2] == [("UpdateEndpoint", config, "ValidationException"), ("UpdateEndpoint", config, None)]
    assert told[2][0] == "CreateEndpoint"
    assert {each["sourceIPAddress"] for each in found} == {"127.0.0.1"}
    quick.world.clock.advance(3600)
