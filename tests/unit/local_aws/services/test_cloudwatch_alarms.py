"""Alarms on the clock of AWS time: states, history, actions, events, and what PutMetricAlarm refuses."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from service_kit import ACCOUNT, REGION, Kit, until

from local_aws.notifications import mail_file


class Bell:
    """An alarm on a metric of its own: rings when a minute's sum is above 1."""

    def __init__(self, kit: Kit, **changes: Any) -> None:
        self._kit = kit
        self.name = kit.name("alarm")
        self.space = kit.name("space")
        self.cloudwatch = kit.client("cloudwatch")
        self.request = {
            "AlarmName": self.name,
            "MetricName": "m",
            "Namespace": self.space,
            "Statistic": "Sum",
            "Period": 60,
            "EvaluationPeriods": 1,
            "Threshold": 1.0,
            "ComparisonOperator": "GreaterThanThreshold",
        } | changes
        self.cloudwatch.put_metric_alarm(**{name: value for name, value in self.request.items() if value is not None})

    @property
    def arn(self) -> str:
        return f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{self.name}"

    def put(self, value: float) -> None:
        """A value now; it counts once the minute is over."""
        self.cloudwatch.put_metric_data(Namespace=self.space, MetricData=[{"MetricName": "m", "Value": value}])

    def minute(self, value: float | None = None) -> None:
        """A minute passes, with a value in it or with none."""
        if value is not None:
            self.put(value)
        self._kit.world.clock.advance(60)

    def described(self) -> dict[str, Any]:
        (found,) = self.cloudwatch.describe_alarms(AlarmNames=[self.name])["MetricAlarms"]
        alarm: dict[str, Any] = found
        return alarm

    def becomes(self, state: str) -> dict[str, Any]:
        until(lambda: self.described()["StateValue"] == state, f"{state} of {self.name}")
        return self.described()

    def history(self, kind: str) -> list[dict[str, Any]]:
        """Oldest first."""
        found: list[dict[str, Any]] = self.cloudwatch.describe_alarm_history(
            AlarmName=self.name, HistoryItemType=kind, ScanBy="TimestampAscending"
        )["AlarmHistoryItems"]
        return found

    def changes(self) -> list[str]:
        return [item["HistorySummary"].removeprefix("Alarm updated from ") for item in self.history("StateUpdate")]


class Box:
    """An SQS queue; `bodies` are the JSON bodies received so far."""

    def __init__(self, kit: Kit) -> None:
        self._sqs = kit.client("sqs")
        self._url = self._sqs.create_queue(QueueName=kit.name("box"))["QueueUrl"]
        self.arn = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        self.bodies: list[dict[str, Any]] = []

    def poll(self) -> int:
        for message in self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10).get("Messages", ()):
            self.bodies.append(json.loads(message["Body"]))
        return len(self.bodies)


def test_an_alarm_goes_through_its_states(kit: Kit) -> None:
    """Without data, in alarm, OK again, each once in the history; a state that lasts is no change."""
    bell = Bell(kit)
    new = bell.described()
    assert (new["StateValue"], new["StateReason"]) == ("INSUFFICIENT_DATA", "Unchecked: Initial alarm creation")
    bell.minute(2.0)
    rung = bell.becomes("ALARM")
    assert rung["StateReason"].startswith("Threshold Crossed: 1 out of the last 1 datapoints [2.0 (")
    data = json.loads(rung["StateReasonData"])
    assert (data["recentDatapoints"], data["statistic"], data["period"], data["threshold"]) == ([2.0], "Sum", 60, 1.0)
    bell.minute(5.0)
    bell.minute(0.5)
    bell.becomes("OK")
    assert bell.changes() == ["INSUFFICIENT_DATA to ALARM", "ALARM to OK"]
    for _ in range(4):
        bell.minute()
    bell.becomes("INSUFFICIENT_DATA")
    states = [json.loads(item["HistoryData"])["newState"]["stateValue"] for item in bell.history("StateUpdate")]
    assert states == ["ALARM", "OK", "INSUFFICIENT_DATA"]


def test_two_of_three_datapoints_ring(kit: Kit) -> None:
    """M of N over minutes; the minute that is not over does not count."""
    bell = Bell(kit, EvaluationPeriods=3, DatapointsToAlarm=2)
    for value in (2.0, 0.0):
        bell.minute(value)
    bell.put(2.0)
    bell.becomes("OK")
    bell.minute()
    bell.becomes("ALARM")


def test_a_percentile_can_be_watched(kit: Kit) -> None:
    """p90 of the minute's values."""
    bell = Bell(kit, Statistic=None, ExtendedStatistic="p90", Threshold=8.5)
    values = [{"MetricName": "m", "Values": [float(value) for value in range(1, 11)]}]
    bell.cloudwatch.put_metric_data(Namespace=bell.space, MetricData=values)
    bell.minute()
    assert "[9.1 (" in bell.becomes("ALARM")["StateReason"]


def test_a_faster_clock_evaluates_sooner(kit: Kit) -> None:
    """An hour a second: a minute's evaluation without a jump of the clock."""
    bell = Bell(kit)
    bell.put(2.0)
    kit.world.clock.speed = 3600
    until(lambda: bell.changes()[:1] == ["INSUFFICIENT_DATA to ALARM"], "the alarm")


def test_changes_are_published_and_sent_once(kit: Kit) -> None:
    """To the topic's queue and mailbox on a change only; OK has its own actions; the history says so."""
    sns, box = kit.client("sns"), Box(kit)
    topic = sns.create_topic(Name=kit.name("topic"))["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=box.arn)
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="team@example.com")
    bell = Bell(kit, AlarmActions=[topic], OKActions=[topic], AlarmDescription="too many")
    for value in (2.0, 3.0):
        bell.minute(value)
        bell.becomes("ALARM")
    bell.minute(0.0)
    bell.becomes("OK")
    until(lambda: box.poll() == 2 and len(bell.history("Action")) == 2, "two messages")
    sent = sorted((json.loads(body["Message"]) for body in box.bodies), key=lambda message: message["StateChangeTime"])
    assert [(message["OldStateValue"], message["NewStateValue"]) for message in sent] == [("INSUFFICIENT_DATA", "ALARM"), ("ALARM", "OK")]
    assert (sent[0]["AlarmName"], sent[0]["AlarmDescription"], sent[0]["AWSAccountId"]) == (bell.name, "too many", ACCOUNT)
    assert (sent[0]["Region"], sent[0]["Trigger"]["Statistic"], sent[0]["Trigger"]["Threshold"]) == ("EU (Frankfurt)", "SUM", 1.0)
    assert {body["Subject"] for body in box.bodies} == {f'{state}: "{bell.name}" in EU (Frankfurt)' for state in ("ALARM", "OK")}
    mails = [json.loads(line) for line in mail_file(kit.world).read_text().splitlines()]
    mine = [mail for mail in mails if mail["topicArn"] == topic]
    assert [(mail["to"], mail["subject"].split(":")[0]) for mail in mine] == [("team@example.com", "ALARM"), ("team@example.com", "OK")]
    assert {item["HistorySummary"] for item in bell.history("Action")} == {f"Successfully executed action {topic}"}


def test_actions_that_fail_or_are_disabled(kit: Kit) -> None:
    """A missing topic is told in the history alone; a disabled alarm changes its state and calls nobody."""
    gone = f"arn:aws:sns:{REGION}:{ACCOUNT}:{kit.name('gone')}"
    broken, quiet = Bell(kit, AlarmActions=[gone]), Bell(kit, AlarmActions=[gone])
    quiet.cloudwatch.disable_alarm_actions(AlarmNames=[quiet.name])
    for bell in (broken, quiet):
        bell.put(2.0)
    kit.world.clock.advance(60)
    for bell in (broken, quiet):
        bell.becomes("ALARM")
    until(lambda: len(broken.history("Action")) == 1, "the action")
    assert broken.history("Action")[0]["HistorySummary"].startswith(f"Failed to execute action {gone}")
    assert (quiet.history("Action"), quiet.described()["ActionsEnabled"]) == ([], False)
    quiet.cloudwatch.enable_alarm_actions(AlarmNames=[quiet.name])
    assert quiet.described()["ActionsEnabled"] is True


def test_a_change_of_state_is_an_event(kit: Kit) -> None:
    """`CloudWatch Alarm State Change` through a rule into a queue, with both states and the metric."""
    box, events = Box(kit), kit.client("events")
    bell = Bell(kit, Dimensions=[{"Name": "A", "Value": "1"}], TreatMissingData="breaching", AlarmDescription="why")
    rule = kit.name("rule")
    pattern = {"source": ["aws.cloudwatch"], "detail": {"alarmName": [bell.name], "state": {"value": ["ALARM"]}}}
    events.put_rule(Name=rule, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=rule, Targets=[{"Id": "queue", "Arn": box.arn}])
    bell.minute()
    until(lambda: box.poll() == 1, "the event")
    (event,) = box.bodies
    assert (event["detail-type"], event["source"]) == ("CloudWatch Alarm State Change", "aws.cloudwatch")
    assert (event["account"], event["region"], event["resources"]) == (ACCOUNT, REGION, [bell.arn])
    detail = event["detail"]
    assert (detail["alarmName"], detail["state"]["value"], detail["previousState"]["value"]) == (bell.name, "ALARM", "INSUFFICIENT_DATA")
    assert "treated as [Breaching]" in detail["state"]["reason"]
    assert json.loads(detail["state"]["reasonData"])["recentDatapoints"] == []
    assert detail["configuration"]["description"] == "why"
    (metric,) = detail["configuration"]["metrics"]
    assert metric["metricStat"] == {
        "metric": {"namespace": bell.space, "name": "m", "dimensions": {"A": "1"}},
        "period": 60,
        "stat": "Sum",
    }


def test_a_state_that_was_set_lasts_until_the_next_evaluation(kit: Kit) -> None:
    """SetAlarmState is told like any change, then the data decide again."""
    bell = Bell(kit, TreatMissingData="notBreaching")
    bell.minute()
    bell.becomes("OK")
    bell.cloudwatch.set_alarm_state(AlarmName=bell.name, StateValue="ALARM", StateReason="a drill", StateReasonData='{"by": "me"}')
    now = bell.described()
    assert (now["StateValue"], now["StateReason"], now["StateReasonData"]) == ("ALARM", "a drill", '{"by": "me"}')
    bell.minute()
    bell.becomes("OK")
    assert bell.changes()[-2:] == ["OK to ALARM", "ALARM to OK"]


def test_a_state_that_is_set_again_is_no_change(kit: Kit) -> None:
    """Nobody is called, and the history has no entry."""
    gone = f"arn:aws:sns:{REGION}:{ACCOUNT}:{kit.name('gone')}"
    bell = Bell(kit, AlarmActions=[gone], TreatMissingData="ignore")
    for _ in range(2):
        bell.cloudwatch.set_alarm_state(AlarmName=bell.name, StateValue="ALARM", StateReason="a drill")
    assert (bell.changes(), len(bell.history("Action"))) == (["INSUFFICIENT_DATA to ALARM"], 1)


def test_a_new_definition_keeps_the_state(kit: Kit) -> None:
    """And replaces everything else; tags are given at creation only."""
    bell = Bell(kit, Tags=[{"Key": "team", "Value": "a"}], AlarmDescription="first")
    bell.minute(2.0)
    bell.becomes("ALARM")
    changed = {name: value for name, value in bell.request.items() if name not in ("AlarmDescription", "Tags")}
    bell.cloudwatch.put_metric_alarm(**changed | {"Threshold": 7.0, "Tags": [{"Key": "team", "Value": "b"}]})
    now = bell.described()
    assert (now["StateValue"], now["Threshold"], "AlarmDescription" in now) == ("ALARM", 7.0, False)
    assert bell.cloudwatch.list_tags_for_resource(ResourceARN=bell.arn)["Tags"] == [{"Key": "team", "Value": "a"}]
    assert [item["HistorySummary"] for item in bell.history("ConfigurationUpdate")] == [
        f'Alarm "{bell.name}" created',
        f'Alarm "{bell.name}" updated',
    ]


def test_alarms_are_described_by_what_is_asked(kit: Kit) -> None:
    """Names, prefix, state, action; pages; nobody is a composite alarm."""
    topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:{kit.name('topic')}"
    prefix, cloudwatch = kit.name("family"), kit.client("cloudwatch")
    names = [f"{prefix}-{number}" for number in range(3)]
    for name in names:
        Bell(kit, AlarmName=name, AlarmActions=[topic])

    def found(**question: Any) -> list[str]:
        return [alarm["AlarmName"] for alarm in cloudwatch.describe_alarms(**question)["MetricAlarms"]]

    assert found(AlarmNamePrefix=prefix) == names
    assert found(AlarmNames=[names[2], "nobody", names[0]]) == [names[0], names[2]]
    assert found(ActionPrefix=topic) == names
    assert found(AlarmNamePrefix=prefix, StateValue="ALARM") == []
    assert found(AlarmNamePrefix=prefix, AlarmTypes=["CompositeAlarm"]) == []
    pages = cloudwatch.get_paginator("describe_alarms").paginate(AlarmNamePrefix=prefix, PaginationConfig={"PageSize": 2})
    assert [[alarm["AlarmName"] for alarm in page["MetricAlarms"]] for page in pages] == [names[:2], names[2:]]
    with pytest.raises(ClientError, match="InvalidNextToken"):
        found(NextToken="never")
    cloudwatch.delete_alarms(AlarmNames=[names[0], "nobody"])
    assert found(AlarmNamePrefix=prefix) == names[1:]


def test_alarms_of_a_metric(kit: Kit) -> None:
    """By its exact dimensions."""
    bell = Bell(kit, Dimensions=[{"Name": "A", "Value": "1"}])
    question = {"MetricName": "m", "Namespace": bell.space}
    found = bell.cloudwatch.describe_alarms_for_metric(**question, Dimensions=[{"Name": "A", "Value": "1"}])["MetricAlarms"]
    assert [alarm["AlarmName"] for alarm in found] == [bell.name]
    assert bell.cloudwatch.describe_alarms_for_metric(**question)["MetricAlarms"] == []


def test_tags_of_an_alarm(kit: Kit) -> None:
    """Set, replaced, removed; an alarm that is not there has none."""
    bell = Bell(kit, Tags=[{"Key": "a", "Value": "1"}])
    bell.cloudwatch.tag_resource(ResourceARN=bell.arn, Tags=[{"Key": "a", "Value": "2"}, {"Key": "b", "Value": "3"}])
    bell.cloudwatch.untag_resource(ResourceARN=bell.arn, TagKeys=["b", "c"])
    assert bell.cloudwatch.list_tags_for_resource(ResourceARN=bell.arn)["Tags"] == [{"Key": "a", "Value": "2"}]
    bell.cloudwatch.delete_alarms(AlarmNames=[bell.name])
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        bell.cloudwatch.list_tags_for_resource(ResourceARN=bell.arn)


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        ({"Namespace": None}, "MissingParameter", "The parameter Namespace is required"),
        ({"Statistic": None}, "ValidationError", "Exactly one of Statistic and ExtendedStatistic"),
        ({"ExtendedStatistic": "p90"}, "ValidationError", "Exactly one of Statistic and ExtendedStatistic"),
        ({"Statistic": None, "ExtendedStatistic": "q9"}, "InvalidParameterValue", "The value q9 for parameter ExtendedStatistic"),
        ({"Period": 45}, "ValidationError", "Period 45 is invalid"),
        ({"Period": 3600, "EvaluationPeriods": 200}, "ValidationError", "across more than a day"),
        ({"DatapointsToAlarm": 2}, "ValidationError", "DatapointsToAlarm must be less than or equal to EvaluationPeriods"),
        (
            {"TreatMissingData": "panic"},
            "ValidationError",
            "Option panic is not supported. Supported options for parameter TreatMissingData",
        ),
        ({"AlarmActions": ["ring me"]}, "ValidationError", "Invalid arn syntax: ring me"),
        ({"ComparisonOperator": "GreaterThanUpperThreshold"}, "ValidationError", "is not supported in this local AWS"),
        ({"ComparisonOperator": "Bigger"}, "ValidationError", "1 validation error detected: Value 'Bigger' at 'comparisonOperator'"),
        ({"ThresholdMetricId": "a"}, "ValidationError", "ThresholdMetricId of PutMetricAlarm .* is not supported in this local AWS"),
    ],
)
def test_wrong_alarms_are_refused(kit: Kit, changes: dict[str, Any], code: str, message: str) -> None:
    """With the codes of CloudWatch, which are those of its query protocol."""
    with pytest.raises(ClientError, match=message) as caught:
        Bell(kit, **changes)
    assert caught.value.response["Error"]["Code"] == code


def test_composite_alarms_are_refused(kit: Kit) -> None:
    """What is not carried out says so."""
    with pytest.raises(ClientError, match="local_aws does not implement cloudwatch:PutCompositeAlarm"):
        kit.client("cloudwatch").put_composite_alarm(AlarmName="x", AlarmRule="TRUE")


def test_states_of_what_is_not_there_are_refused(kit: Kit) -> None:
    """A missing alarm, and data that are no JSON."""
    cloudwatch, bell = kit.client("cloudwatch"), Bell(kit)
    with pytest.raises(ClientError, match="ResourceNotFound"):
        cloudwatch.set_alarm_state(AlarmName="nobody", StateValue="OK", StateReason="x")
    with pytest.raises(ClientError, match="InvalidFormat"):
        cloudwatch.set_alarm_state(AlarmName=bell.name, StateValue="OK", StateReason="x", StateReasonData="{")


def test_permissions_are_checked(kit: Kit) -> None:
    """Like those of every other operation."""
    kit.world.identity.deny("jobs", "cloudwatch:PutMetricAlarm")
    minted = kit.world.identity.mint(f"arn:aws:iam::{ACCOUNT}:role/jobs", "test", None)
    client = kit.client_as("cloudwatch", minted.access_key_id, minted.session_token)
    client.describe_alarms()
    with pytest.raises(ClientError, match="not authorized to perform: cloudwatch:PutMetricAlarm"):
        client.put_metric_alarm(**Bell(kit).request)


def test_history_is_filtered_and_paged(kit: Kit) -> None:
    """By time and in pages, newest first by default."""
    bell = Bell(kit)
    bell.minute(2.0)
    bell.becomes("ALARM")
    ask = bell.cloudwatch.describe_alarm_history
    items = ask(AlarmName=bell.name)["AlarmHistoryItems"]
    assert [item["HistoryItemType"] for item in items] == ["StateUpdate", "ConfigurationUpdate"]
    first = ask(AlarmName=bell.name, MaxRecords=1)
    rest = ask(AlarmName=bell.name, MaxRecords=1, NextToken=first["NextToken"])
    assert [*first["AlarmHistoryItems"], *rest["AlarmHistoryItems"]] == items
    later = items[0]["Timestamp"] - timedelta(milliseconds=1)
    assert ask(AlarmName=bell.name, StartDate=later)["AlarmHistoryItems"] == items[:1]
    assert ask(AlarmName=bell.name, EndDate=later)["AlarmHistoryItems"] == items[1:]
