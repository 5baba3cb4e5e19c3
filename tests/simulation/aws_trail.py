"""CloudTrail's event history: what was asked of SageMaker, known minutes later and in no particular order.

Source: CloudTrail API Reference, LookupEvents; CloudTrail User Guide: an event is delivered "within an average of about 5 minutes of an
API call", which is not guaranteed; the operator waits for 15.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from typing import Any

from tests.simulation.aws import Context, Executed, Handler, Tags
from tests.simulation.aws_jobs import moment

LATEST = 840.0  # seconds


class Trail:
    """`_known_at` says, call by call, when CloudTrail can tell of it; drawn apart, so that no other chance of a schedule moves."""

    def __init__(self, context: Context, seed: int) -> None:
        self._context = context
        self._dice = random.Random(f"cloudtrail {seed}")
        self._known_at: list[float] = []

    def handlers(self) -> dict[str, Handler]:
        return {"cloudtrail:LookupEvents": self._lookup}

    def tagged(self) -> Mapping[str, Callable[[str], Tags]]:
        return {}

    def _lookup(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        (attribute,) = parameters["LookupAttributes"]
        assert attribute["AttributeKey"] == "EventName", "the only attribute that is needed here"
        executed = self._context.executed
        for call in executed[len(self._known_at) :]:
            self._known_at.append(call.at + self._dice.uniform(0.0, LATEST))
        known = [call for call, since in zip(executed, self._known_at, strict=True) if since <= self._context.now]
        wanted = [call for call in known if call.operation == attribute["AttributeValue"] and parameters["StartTime"] <= moment(call.at)]
        return {"Events": [_event(call) for call in reversed(wanted)]}


def _event(call: Executed) -> dict[str, Any]:
    """requestParameters are the request's, first letters small."""
    asked = {name[0].lower() + name[1:]: value for name, value in call.parameters.items()}
    record = {"eventName": call.operation, "requestParameters": asked} | ({"errorCode": call.error} if call.error else {})
    return {"EventName": call.operation, "EventTime": moment(call.at), "CloudTrailEvent": json.dumps(record)}
