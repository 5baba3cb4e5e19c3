"""Messages to SNS topics, from inside this local AWS and by Publish. Topics and subscriptions are moto's.

SQS subscriptions get them as from SNS: in its envelope or raw, by their filter policy. For an email subscription a line goes to
`mail.jsonl` in the scratch folder, where a test or a person can read it: {"to", "subject", "body", "topicArn", "time"}.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from local_aws.service import Call, Operations
from local_aws.world import World

_SUBJECT = 100  # SNS refuses longer ones
_EMAIL = ("email", "email-json")
_lock = threading.Lock()


def operations(world: World) -> Operations:
    """None of its own: mail is written after moto has accepted a Publish."""
    world.hooks["sns", "Publish"] = lambda call: _mailing(world, call)
    return {}


def publish(world: World, topic_arn: str, subject: str | None, message: str) -> None:
    """Deliver `message` to every subscription of the topic; botocore's ClientError when there is no such topic."""
    headed = {} if subject is None else {"Subject": subject[:_SUBJECT]}
    world.client("sns").publish(TopicArn=topic_arn, Message=message, **headed)


def _mailing(world: World, call: Call) -> Callable[[], None]:
    """`call` is in the query protocol: its members are flat."""
    params: Mapping[str, str] = call.params
    topic, subject, message = params.get("TopicArn", ""), params.get("Subject"), params.get("Message", "")
    attributes = dict(_attributes(params))

    def mail() -> None:
        now = world.clock.now().isoformat()
        lines = [
            json.dumps({"to": each.endpoint, "subject": subject, "body": message, "topicArn": topic, "time": now})
            for each in _subscriptions(world, topic)
            if each.protocol in _EMAIL and _wanted(each, attributes, message)
        ]
        if lines:
            with _lock, mail_file(world).open("a", encoding="utf-8") as target:
                target.write("\n".join(lines) + "\n")

    return mail


def _attributes(params: Mapping[str, str]) -> Iterator[tuple[str, dict[str, str]]]:
    for number in itertools.count(1):
        entry = f"MessageAttributes.entry.{number}"
        if f"{entry}.Name" not in params:
            return
        yield params[f"{entry}.Name"], {"Type": params[f"{entry}.Value.DataType"], "Value": params.get(f"{entry}.Value.StringValue", "")}


def _subscriptions(world: World, topic: str) -> list[Any]:
    # Imported here: moto costs a second, which a tool that only reads this module need not pay.
    from moto.sns.models import sns_backends

    subscriptions = sns_backends[world.account][world.region].subscriptions.values()
    return [each for each in list(subscriptions) if each.topic.arn == topic]


def _wanted(subscription: Any, attributes: Mapping[str, Mapping[str, str]], message: str) -> bool:
    matcher = subscription._filter_policy_matcher
    return matcher is None or bool(matcher.matches(attributes, message))


def mail_file(world: World) -> Path:
    """Where the mail of this local AWS goes."""
    return world.folder / "mail.jsonl"
