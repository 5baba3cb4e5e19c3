"""Messages to an SNS topic from inside this local AWS. Topics and subscriptions are moto's.

SQS subscriptions get them as from SNS; for an email subscription a line goes to `mail.jsonl` in the scratch folder, where a test
or a person can read it: {"to", "subject", "body", "topicArn", "time"}.
"""

from __future__ import annotations

import json
import threading
from pathlib import Path

from local_aws.world import World

_SUBJECT = 100  # SNS refuses longer ones
_EMAIL = ("email", "email-json")
_lock = threading.Lock()


def publish(world: World, topic_arn: str, subject: str | None, message: str) -> None:
    """Deliver `message` to every subscription of the topic; botocore's ClientError when there is no such topic."""
    sns = world.client("sns")
    headed = {} if subject is None else {"Subject": subject[:_SUBJECT]}
    sns.publish(TopicArn=topic_arn, Message=message, **headed)
    pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic_arn)
    lines = [
        json.dumps(
            {"to": each["Endpoint"], "subject": subject, "body": message, "topicArn": topic_arn, "time": world.clock.now().isoformat()}
        )
        for found in pages
        for each in found["Subscriptions"]
        if each["Protocol"] in _EMAIL
    ]
    if lines:
        with _lock, mail_file(world).open("a", encoding="utf-8") as mail:
            mail.write("\n".join(lines) + "\n")


def mail_file(world: World) -> Path:
    """Where the mail of this local AWS goes."""
    return world.folder / "mail.jsonl"
