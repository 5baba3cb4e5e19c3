"""What SNS topics are told of an asynchronous inference that ended. Pure but for `send`, the one seam to SNS.

Source: developer guide, "Check prediction results" (the members of both messages). The form of `responseBody`, which
IncludeInferenceResponseIn asks for, was not found in public text.
"""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from local_aws.hosting.async_queue import Waiting
from local_aws.hosting.model_server import Reply
from local_aws.notifications import publish
from local_aws.world import World

_INCLUDED_BYTES: Final = 131_072
_log = logging.getLogger(__name__)


def message(region: str, request: Waiting, now: datetime, reply: Reply | None, reason: str | None, *, included: bool) -> dict[str, Any]:
    """The message of a success (`reason` None) or a failure; `reply` is the container's answer, if it gave one."""
    parameters = {"endpointName": request.params["EndpointName"], "inputLocation": request.params.get("InputLocation")}
    if reason is None:
        parameters["contentType"] = request.params.get("ContentType")
    told: dict[str, Any] = {
        "awsRegion": region,
        "eventTime": _time(now),
        "receivedTime": _time(request.received),
        "invocationStatus": "Completed" if reason is None else "Failed",
        "failureReason": reason,
        "requestParameters": _given(parameters),
        "inferenceId": request.inference_id,
        "eventVersion": "1.0",
        "eventSource": "aws:sagemaker",
        "eventName": "InferenceResult",
    }
    location = request.output if reason is None else request.failure
    if reply is not None:
        response = {"contentType": reply.content_type, "outputLocation": None if location is None else str(location)}
        told["responseParameters"] = _given(response)
        if included and len(reply.body) <= _INCLUDED_BYTES:
            told["responseBody"] = {"content": base64.b64encode(reply.body).decode(), "encoding": "BASE64"}
    return _given(told)


def send(world: World, role: str | None, topic: str, told: Mapping[str, Any]) -> bool:
    """Publish to an SNS topic as the model's execution role; False, and logged, when that is refused."""
    if role is None or world.identity.decision(role, "sns:Publish") is not None:
        _log.warning("%s may not publish to %s", role, topic)
        return False
    try:
        publish(world, topic, None, json.dumps(told))
    except Exception:
        _log.warning("a notification to %s could not be sent", topic, exc_info=True)
        return False
    return True


def _given(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
