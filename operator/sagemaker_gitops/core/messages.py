"""What a notification says: subject, JSON body and attributes of one SNS Publish. Pure.

Nothing but names, the reason and message that status shows anyway, and a link. Source: Amazon SNS API Reference, Publish.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sagemaker_gitops.core.actions import AwsRequest
from sagemaker_gitops.core.resource import Key

SUBJECT_LIMIT = 99  # "less than 100 characters", ASCII, one line


def publish(owner: Key, entry: Mapping[str, Any], tenant: str) -> AwsRequest:
    """One entry of status.notifications as a request; its id is in the message, so that a receiver can tell two apart."""
    named = {"kind": owner.kind, "namespace": owner.namespace, "name": owner.name, "transition": str(entry["transition"])}
    details = {name: entry[name] for name in ("reason", "message", "revision", "consoleUrl") if entry.get(name)}
    body = {"version": 1, "id": entry["id"], "time": entry["at"], "tenant": tenant, **named, **details}
    return AwsRequest(
        "sns",
        "Publish",
        str(entry["id"]),
        {
            "TopicArn": entry["topicArn"],
            "Subject": subject(owner, str(entry["transition"])),
            "Message": json.dumps(body, ensure_ascii=False),
            "MessageAttributes": {name: {"DataType": "String", "StringValue": value} for name, value in named.items()},
        },
    )


def subject(owner: Key, transition: str) -> str:
    """What an e-mail shows first: what happened, then to whom."""
    text = f"{transition}: {owner.kind} {owner.namespace}/{owner.name}"
    plain = "".join(character if " " <= character <= "~" else "?" for character in text)
    return plain if len(plain) <= SUBJECT_LIMIT else plain[: SUBJECT_LIMIT - 3] + "..."
