"""One call as CloudTrail tells of it: the members of LookupEvents and the record in its `CloudTrailEvent`.

Source: the CloudTrail user guide, "CloudTrail record contents", and the log entries in the guides of both services.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from local_aws.identity import unique_id
from local_aws.service import Caller

SOURCES: Final = {"sagemaker": "sagemaker.amazonaws.com", "application-autoscaling": "autoscaling.amazonaws.com"}
"""Service -> `eventSource`; Application Auto Scaling shares that of EC2 Auto Scaling and adds its own name elsewhere."""

_RESOURCES: Final = {
    "endpointName": "AWS::SageMaker::Endpoint",
    "endpointConfigName": "AWS::SageMaker::EndpointConfig",
    "modelName": "AWS::SageMaker::Model",
}
_CODES: Final = {"AccessDeniedException": "AccessDenied"}
"""Code of the answer -> `errorCode`, where they differ."""


@dataclass(frozen=True, slots=True)
class Event:
    """A call that reached its service; `code` is "" when it was accepted. `at` is AWS time, `parameters` are `parameters.shown`."""

    number: int
    at: float
    service: str
    name: str
    region: str
    caller: Caller
    parameters: Mapping[str, Any]
    request_id: str
    address: str
    user_agent: str
    code: str
    message: str

    @property
    def second(self) -> int:
        """The event's time as everyone sees it."""
        return int(self.at)

    @property
    def id(self) -> str:
        return str(uuid5(NAMESPACE_URL, self.request_id))

    @property
    def source(self) -> str:
        return SOURCES[self.service]

    @property
    def username(self) -> str:
        """The session's name, or the user's."""
        return self.caller.arn.rpartition("/")[2]

    @property
    def resources(self) -> list[tuple[str, str]]:
        """(type, name) of what the request names."""
        named = [(kind, self.parameters.get(member)) for member, kind in _RESOURCES.items()]
        return [(kind, name) for kind, name in named if isinstance(name, str)]

    def attributes(self, key: str) -> list[str]:
        """The values by which a lookup attribute finds this event."""
        match key:
            case "EventId":
                return [self.id]
            case "EventName":
                return [self.name]
            case "EventSource":
                return [self.source]
            case "ReadOnly":
                return ["false"]
            case "Username":
                return [self.username]
            case "AccessKeyId":
                return [self.caller.access_key_id]
            case "ResourceType":
                return [kind for kind, _ in self.resources]
            case _:
                return [name for _, name in self.resources]

    def answer(self) -> dict[str, Any]:
        """The event as LookupEvents returns it."""
        return {
            "EventId": self.id,
            "EventName": self.name,
            "ReadOnly": "false",
            "AccessKeyId": self.caller.access_key_id,
            "EventTime": datetime.fromtimestamp(self.second, UTC),
            "EventSource": self.source,
            "Username": self.username,
            "Resources": [{"ResourceType": kind, "ResourceName": name} for kind, name in self.resources],
            "CloudTrailEvent": json.dumps(self._record(), separators=(",", ":")),
        }

    def _record(self) -> dict[str, Any]:
        refused = {"errorCode": _CODES.get(self.code, self.code), "errorMessage": self.message} if self.code else {}
        shared = {"additionalEventData": {"service": self.service}} if self.service == "application-autoscaling" else {}
        return {
            "eventVersion": "1.11",
            "userIdentity": _identity(self.caller),
            "eventTime": datetime.fromtimestamp(self.second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "eventSource": self.source,
            "eventName": self.name,
            "awsRegion": self.region,
            "sourceIPAddress": self.address,
            "userAgent": self.user_agent,
            **refused,
            "requestParameters": self.parameters or None,
            "responseElements": None,
            **shared,
            "requestID": self.request_id,
            "eventID": self.id,
            "readOnly": False,
            "eventType": "AwsApiCall",
            "managementEvent": True,
            "recipientAccountId": self.caller.account,
            "eventCategory": "Management",
        }


def _identity(caller: Caller) -> dict[str, Any]:
    """Who called; of a session the issuer is known, when it began is not."""
    known = {"arn": caller.arn, "accountId": caller.account, "accessKeyId": caller.access_key_id}
    name = caller.arn.rpartition("/")[2]
    if caller.role_arn is None:
        return {"type": "IAMUser", "principalId": unique_id(caller.arn), **known, "userName": name}
    role = unique_id(caller.role_arn)
    issuer = {"type": "Role", "principalId": role, "arn": caller.role_arn, "accountId": caller.account}
    issuer["userName"] = caller.role_arn.rpartition("/")[2]
    return {"type": "AssumedRole", "principalId": f"{role}:{name}", **known, "sessionContext": {"sessionIssuer": issuer}}
