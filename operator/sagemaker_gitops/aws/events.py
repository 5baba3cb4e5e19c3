"""AWS's state changes as they happen: EventBridge -> SQS long poll -> a key on the queue. A hint to look, never the truth.

Sources: Amazon SageMaker Developer Guide, "Events that SageMaker sends to EventBridge"; AWS Glue Developer Guide, "Automating with
EventBridge"; Amazon SQS API Reference, ReceiveMessage. Delivery is at least once and unordered, and may fail
(reference/performance.md 4.3).
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sagemaker_gitops.core.errors import AwsFailure

log = logging.getLogger(__name__)

WAIT_SECONDS = 20
BATCH = 10
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0

Call = Callable[[str, str, Mapping[str, Any]], Awaitable[dict[str, Any]]]  # service, operation, parameters

_NAMES = {
    "SageMaker Training Job State Change": ("TrainingJobName", "TrainingJobStatus"),
    "SageMaker Processing Job State Change": ("ProcessingJobName", "ProcessingJobStatus"),
    "SageMaker Transform Job State Change": ("TransformJobName", "TransformJobStatus"),
    "SageMaker Model Package State Change": ("ModelPackageGroupName", "ModelApprovalStatus"),
    "SageMaker Endpoint State Change": ("EndpointName", "EndpointStatus"),
    "Glue Job State Change": ("jobName", "state"),
}


@dataclass(frozen=True, slots=True)
class AwsEvent:
    """One state change: of what (its AWS name), to which status, in AWS's words."""

    detail_type: str
    name: str
    status: str


def parse_event(body: str) -> AwsEvent | None:
    """An EventBridge event of a kind we follow; None for anything else, malformed text included."""
    try:
        event = json.loads(body)
        name_member, status_member = _NAMES[event["detail-type"]]
        detail = event["detail"]
        return AwsEvent(event["detail-type"], str(detail[name_member]), str(detail.get(status_member, "")))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


async def poll(call: Call, queue_url: str, handle: Callable[[AwsEvent], None]) -> None:
    """Receive, hand over, delete, for ever. A queue that cannot be read is tried again with a growing pause."""
    pause = FIRST_PAUSE
    request = {"QueueUrl": queue_url, "MaxNumberOfMessages": BATCH, "WaitTimeSeconds": WAIT_SECONDS}
    while True:
        try:
            messages = (await call("sqs", "ReceiveMessage", request)).get("Messages", [])
            for message in messages:
                event = parse_event(message["Body"])
                if event is None:
                    log.info("event_ignored", extra={"message_id": message.get("MessageId", "")})
                else:
                    handle(event)
            if messages:
                entries = [{"Id": str(index), "ReceiptHandle": item["ReceiptHandle"]} for index, item in enumerate(messages)]
                await call("sqs", "DeleteMessageBatch", {"QueueUrl": queue_url, "Entries": entries})
            pause = FIRST_PAUSE
        except AwsFailure as error:
            log.warning("event_queue_unreadable", extra={"error": str(error), "aws_request_id": error.request_id})
            await asyncio.sleep(pause)
            pause = min(LONGEST_PAUSE, pause * 2)
