"""EventBridge schedules and scheduled rules on the clock of AWS time; SNS topics with queues and mailboxes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from botocore.exceptions import ClientError
from service_kit import ACCOUNT, REGION, Kit, until

from local_aws.identity import Role
from local_aws.notifications import mail_file
from local_aws.scheduling import when
from local_aws.services import of

SENDER = f"arn:aws:iam::{ACCOUNT}:role/sender"


def due(text: str, after: str, until_: str, zone: str = "UTC", start: str | None = None) -> list[str]:
    """The moments of an expression in a span, in UTC."""
    begin, end = (datetime.fromisoformat(each).replace(tzinfo=UTC) for each in (after, until_))
    first = begin if start is None else datetime.fromisoformat(start).replace(tzinfo=UTC)
    return [at.strftime("%m-%dT%H:%M") for at in when.parse(text).due(begin, end, first, ZoneInfo(zone))]


@pytest.mark.parametrize(
    ("text", "span", "moments"),
    [
        ("cron(30 * * * ? *)", ("2026-11-21T00:00", "2026-11-21T02:30"), ["11-21T00:30", "11-21T01:30", "11-21T02:30"]),
        (
            "cron(0/20 9 ? * MON-FRI *)",
            ("2026-11-20T00:00", "2026-11-23T09:10"),
            ["11-20T09:00", "11-20T09:20", "11-20T09:40", "11-23T09:00"],
        ),
        ("cron(0 0 L * ? *)", ("2026-11-01T00:00", "2027-01-01T00:00"), ["11-30T00:00", "12-31T00:00"]),
        ("cron(0 0 15W * ? *)", ("2026-11-01T00:00", "2026-12-01T00:00"), ["11-16T00:00"]),
        ("cron(0 0 1W 8 ? 2026)", ("2026-07-31T00:00", "2026-09-01T00:00"), ["08-03T00:00"]),
        ("cron(0 0 ? * 6L *)", ("2026-11-01T00:00", "2026-12-01T00:00"), ["11-27T00:00"]),
        ("cron(0 0 ? * 3#2 *)", ("2026-11-01T00:00", "2026-12-01T00:00"), ["11-10T00:00"]),
        ("cron(0 0 1 JAN,MAR ? 2027)", ("2026-12-01T00:00", "2027-06-01T00:00"), ["01-01T00:00", "03-01T00:00"]),
        ("rate(20 minutes)", ("2026-11-21T00:05", "2026-11-21T01:00"), ["11-21T00:25", "11-21T00:45"]),
        ("at(2026-11-21T01:00:00)", ("2026-11-21T00:00", "2026-11-21T01:00"), ["11-21T01:00"]),
        ("at(2026-11-21T01:00:00)", ("2026-11-21T01:00", "2026-11-21T02:00"), []),
    ],
)
def test_an_expression_is_due(text: str, span: tuple[str, str], moments: list[str]) -> None:
    """After the first moment, up to and with the last; a rate counts from its start."""
    found = due(text, *span)
    assert [each for each in found if each != datetime.fromisoformat(span[0]).strftime("%m-%dT%H:%M")] == moments


def test_daylight_saving_skips_and_does_not_repeat() -> None:
    """Zurich has no 02:30 on 29 March 2026, and two on 25 October."""
    daily = "cron(30 2 * * ? *)"
    assert due(daily, "2026-03-28T00:00", "2026-03-31T00:00", "Europe/Zurich") == ["03-28T01:30", "03-30T00:30"]
    assert due(daily, "2026-10-24T00:00", "2026-10-27T00:00", "Europe/Zurich") == ["10-24T00:30", "10-25T00:30", "10-26T01:30"]


@pytest.mark.parametrize(
    "text",
    [
        *(
            "rate(1 minutes)",
            "rate(5 minute)",
            "rate(0 minutes)",
            "cron(* * * * * *)",
            "cron(0 0 ? * ? *)",
            "cron(0 0 * * ?)",
            "cron(60 0 * * ? *)",
        ),
        *(
            "cron(0 5-3 * * ? *)",
            "cron(0 0 ? * 8 *)",
            "cron(0 0 32W * ? *)",
            "cron(0/0 0 * * ? *)",
            "at(tomorrow)",
            "every day",
            "cron(a 0 * * ? *)",
        ),
    ],
)
def test_other_texts_are_no_expressions(text: str) -> None:
    """As AWS refuses them."""
    with pytest.raises(ValueError):
        when.parse(text)


class Queue:
    """An SQS queue and what has come into it."""

    def __init__(self, kit: Kit) -> None:
        self._sqs = kit.client("sqs")
        self._url = self._sqs.create_queue(QueueName=kit.name("queue"))["QueueUrl"]
        self.arn = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        self.bodies: list[str] = []

    def poll(self) -> int:
        while found := self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10).get("Messages"):
            for message in found:
                self.bodies.append(message["Body"])
                self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
        return len(self.bodies)


@pytest.fixture
def queue(kit: Kit) -> Queue:
    """And a role by which the scheduler may send."""
    kit.world.identity.register(Role.from_json({"name": "sender", "trust": {"principals": ["scheduler.amazonaws.com"]}}, ACCOUNT))
    return Queue(kit)


@pytest.fixture
def scheduler(kit: Kit) -> Iterator[Any]:
    """Its schedules are deleted when the test ends."""
    client = kit.client("scheduler")
    yield client
    for each in client.list_schedules()["Schedules"]:
        client.delete_schedule(Name=each["Name"], GroupName=each["GroupName"])


def schedule(kit: Kit, arn: str, expression: str, **changes: Any) -> str:
    name = kit.name("schedule")
    request = {
        "Name": name,
        "ScheduleExpression": expression,
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {"Arn": arn, "RoleArn": SENDER, "Input": name},
    } | changes
    kit.client("scheduler").create_schedule(**request)
    return name


def at_the_hour(kit: Kit) -> None:
    """Ten seconds past a whole hour."""
    now = kit.world.clock.now()
    kit.world.clock.advance(3610 - (now.minute * 60 + now.second))


def test_a_schedule_sends_at_the_clocks_speed(kit: Kit, queue: Queue, scheduler: Any) -> None:
    """Once for each due moment; disabled it sends nothing, deleted no more."""
    at_the_hour(kit)
    name = schedule(kit, queue.arn, "cron(0/10 * * * ? *)")
    kit.world.clock.advance(1800)
    until(lambda: queue.poll() == 3, "three messages")
    assert queue.bodies == [name] * 3
    described = scheduler.get_schedule(Name=name)
    scheduler.update_schedule(
        Name=name,
        State="DISABLED",
        **{member: described[member] for member in ("ScheduleExpression", "FlexibleTimeWindow", "Target")},
    )
    other = schedule(kit, queue.arn, "rate(10 minutes)", StartDate=kit.world.clock.now() + timedelta(minutes=5))
    kit.world.clock.advance(1200)
    until(lambda: queue.poll() == 5, "two of another")
    assert queue.bodies[3:] == [other] * 2
    scheduler.delete_schedule(Name=other)
    kit.world.clock.advance(1200)
    last = schedule(kit, queue.arn, "rate(1 hour)")
    kit.world.clock.advance(60)
    until(lambda: queue.poll() == 6, "the last")
    assert queue.bodies[5:] == [last], "a rate without StartDate is due at once"


def test_a_schedule_of_one_time_is_deleted_when_asked(kit: Kit, queue: Queue, scheduler: Any) -> None:
    """In the time zone that it names."""
    soon = kit.world.clock.now() + timedelta(minutes=3)
    text = f"at({soon.astimezone(ZoneInfo('Asia/Tokyo')):%Y-%m-%dT%H:%M:%S})"
    name = schedule(kit, queue.arn, text, ScheduleExpressionTimezone="Asia/Tokyo", ActionAfterCompletion="DELETE")
    kit.world.clock.advance(300)
    until(lambda: queue.poll() == 1, "the message")
    with pytest.raises(scheduler.exceptions.ResourceNotFoundException):
        scheduler.get_schedule(Name=name)


def test_a_role_that_may_not_send_sends_nothing(kit: Kit, queue: Queue, scheduler: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Told in the log only, as there is no dead-letter queue."""
    kit.world.identity.deny("sender", "sqs:SendMessage")
    schedule(kit, queue.arn, "rate(1 minute)")
    kit.world.clock.advance(60)
    until(lambda: "may not sqs:SendMessage" in caplog.text, "the refusal")
    assert queue.poll() == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ScheduleExpression": "cron(0 0 * * * *)"}, r"Invalid Schedule Expression cron\(0 0 \* \* \* \*\)"),
        ({"ScheduleExpressionTimezone": "Mars/Base"}, "Invalid ScheduleExpressionTimezone Mars/Base"),
        ({"Target": {"Arn": "arn:aws:lambda:eu-central-1:1:function:f", "RoleArn": SENDER}}, "is not supported in this local AWS"),
        (
            {"Target": {"Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:q", "RoleArn": SENDER.replace("sender", "jobs")}},
            "must allow AWS EventBridge",
        ),
        ({"Target": {"Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:q.fifo", "RoleArn": SENDER}}, "MessageGroupId is required"),
        ({"FlexibleTimeWindow": {"Mode": "FLEXIBLE"}}, "MaximumWindowInMinutes is required"),
        ({"State": "ON"}, "1 validation error detected: Value 'ON' at 'state'"),
    ],
)
def test_wrong_schedules_of_eventbridge_are_refused(kit: Kit, queue: Queue, scheduler: Any, changes: dict[str, Any], message: str) -> None:
    """Before moto keeps them; the ledger names the operation."""
    before = kit.world.ledger.last
    with pytest.raises(ClientError, match=message):
        schedule(kit, queue.arn, "rate(1 hour)", **changes)
    assert scheduler.list_schedules()["Schedules"] == []
    (entry, *_) = [each for each in kit.world.ledger.entries() if each.sequence > before]
    assert (entry.service, entry.operation, entry.accepted) == ("scheduler", "CreateSchedule", False)


def test_a_scheduled_rule_sends_its_event_to_queue_and_topic(kit: Kit, queue: Queue) -> None:
    """With the rule's ARN, or the input of the target; a pattern rule's event reaches a topic as well."""
    events, sns, second = kit.client("events"), kit.client("sns"), Queue(kit)
    topic = sns.create_topic(Name=kit.name("topic"))["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=second.arn, Attributes={"RawMessageDelivery": "true"})
    rule = kit.name("rule")
    at_the_hour(kit)
    arn = events.put_rule(Name=rule, ScheduleExpression="rate(5 minutes)")["RuleArn"]
    targets = [{"Id": "1", "Arn": queue.arn}, {"Id": "2", "Arn": topic, "Input": '{"go": 1}'}]
    events.put_targets(Rule=rule, Targets=targets)
    kit.world.clock.advance(660)
    until(lambda: queue.poll() == 2 and second.poll() == 2, "two messages each")
    event = json.loads(queue.bodies[0])
    assert (event["source"], event["detail-type"], event["resources"], event["account"]) == (
        "aws.events",
        "Scheduled Event",
        [arn],
        ACCOUNT,
    )
    assert second.bodies == ['{"go": 1}'] * 2
    events.disable_rule(Name=rule)
    kit.world.clock.advance(660)
    watch = kit.name("rule")
    events.put_rule(Name=watch, EventPattern=json.dumps({"source": ["aws.test"]}))
    events.put_targets(Rule=watch, Targets=[{"Id": "1", "Arn": topic}])
    of(kit.world).events.publish("aws.test", "Test", [], {"a": 1})
    until(lambda: second.poll() == 3, "the event in the topic")
    assert json.loads(second.bodies[2])["detail"] == {"a": 1}
    assert queue.poll() == 2
    for name, ids in ((rule, ["1", "2"]), (watch, ["1"])):
        events.remove_targets(Rule=name, Ids=ids)
        events.delete_rule(Name=name)


@pytest.mark.parametrize("expression", ["rate(1 minutes)", "at(2026-11-21T01:00:00)", "hourly"])
def test_wrong_rules_are_refused(kit: Kit, expression: str) -> None:
    """In AWS's words."""
    with pytest.raises(ClientError, match=r"Parameter ScheduleExpression is not valid\."):
        kit.client("events").put_rule(Name="wrong", ScheduleExpression=expression)


def test_a_topic_delivers_raw_in_an_envelope_and_by_policy(kit: Kit) -> None:
    """To three queues and two mailboxes, what Publish says."""
    sns, plain, raw, picky = kit.client("sns"), Queue(kit), Queue(kit), Queue(kit)
    topic = sns.create_topic(Name=kit.name("topic"))["TopicArn"]
    policy = json.dumps({"kind": ["breach"]})
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=plain.arn)
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=raw.arn, Attributes={"RawMessageDelivery": "true"})
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=picky.arn, Attributes={"FilterPolicy": policy, "RawMessageDelivery": "true"})
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="all@example.com")
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="breach@example.com", Attributes={"FilterPolicy": policy})
    for kind in ("info", "breach"):
        attributes = {"kind": {"DataType": "String", "StringValue": kind}}
        sns.publish(TopicArn=topic, Subject=f"a {kind}", Message=f"it is {kind}", MessageAttributes=attributes)
    until(lambda: (plain.poll(), raw.poll(), picky.poll()) == (2, 2, 1), "the messages")
    envelopes = sorted((json.loads(body) for body in plain.bodies), key=lambda each: str(each["Subject"]))
    assert [(each["Type"], each["Subject"], each["Message"], each["TopicArn"]) for each in envelopes] == [
        ("Notification", "a breach", "it is breach", topic),
        ("Notification", "a info", "it is info", topic),
    ]
    assert envelopes[0]["MessageAttributes"] == {"kind": {"Type": "String", "Value": "breach"}}
    assert (sorted(raw.bodies), picky.bodies) == (["it is breach", "it is info"], ["it is breach"])
    mails = [json.loads(line) for line in mail_file(kit.world).read_text().splitlines()]
    sent = [(mail["to"], mail["subject"], mail["body"]) for mail in mails if mail["topicArn"] == topic]
    assert sent == [
        ("all@example.com", "a info", "it is info"),
        ("all@example.com", "a breach", "it is breach"),
        ("breach@example.com", "a breach", "it is breach"),
    ]
