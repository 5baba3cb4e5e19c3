"""Sends a message to a target of EventBridge: an SQS queue or an SNS topic of this local AWS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from local_aws.notifications import publish
from local_aws.world import World

SERVICES: Final = ("sqs", "sns")


def service(arn: str) -> str:
    """The service of a target's ARN."""
    return arn.split(":")[2] if arn.count(":") >= 5 else ""


def send(world: World, target: Mapping[str, Any], body: str) -> None:
    """Raises what the queue or the topic refuses; `target` has Arn and perhaps SqsParameters."""
    arn: str = target["Arn"]
    if service(arn) == "sns":
        publish(world, arn, None, body)
        return
    # Imported here: moto costs a second, which a tool that only reads this module need not pay.
    from moto.sqs.models import sqs_backends

    region, name = arn.split(":")[3], arn.rpartition(":")[2]
    group = target.get("SqsParameters", {}).get("MessageGroupId")
    sqs_backends[world.account][region].send_message(queue_name=name, message_body=body, group_id=group)
