"""Metric math: expressions over series, in GetMetricData and in alarms."""

from __future__ import annotations

import json
import math
from datetime import datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from service_kit import Kit, until
from test_cloudwatch_alarms import Bell, Box

from local_aws.cloudwatch.math.evaluate import Queries
from local_aws.cloudwatch.math.values import MathError, Series

STARTS = range(0, 240, 60)
A = {0.0: 1.0, 60.0: 4.0, 180.0: 9.0}
B = {0.0: 10.0, 60.0: 0.0, 120.0: 30.0, 180.0: 2.0}


def answers(expression: str, **more: str) -> list[dict[float, float]]:
    """The series of an expression over `a` and `b`; `more` are further expressions."""
    listed = [{"Id": "a", "MetricStat": A}, {"Id": "b", "MetricStat": B}, {"Id": "x", "Expression": expression}]
    listed += [{"Id": name, "Expression": text} for name, text in more.items()]
    queries = Queries(listed, STARTS, 60, lambda query: Series(query["MetricStat"], query["Id"]))
    return [dict(series.points) for series in queries.series("x")]


@pytest.mark.parametrize(
    ("expression", "points"),
    [
        ("a", A),
        ("a + b", {0: 11, 60: 4, 180: 11}),
        ("a / b", {0: 0.1, 180: 4.5}),
        ("-a * 2 + 1", {0: -1, 60: -7, 180: -17}),
        ("2 ^ 2 + a - 1", {0: 4, 60: 7, 180: 12}),
        ("(a + 1) * (a - 1)", {0: 0, 60: 15, 180: 80}),
        ("a > 3 AND b < 5", {0: 0, 60: 1, 180: 1}),
        ("a > 3 || b > 5", {0: 1, 60: 1, 180: 1}),
        ("IF(a > 3, a, b)", {0: 10, 60: 4, 180: 9}),
        ("IF(a > 3, 1)", {60: 1, 180: 1}),
        ("IF(1, a)", A),
        ("FILL(a, 0)", {**A, 120: 0}),
        ("FILL(a, REPEAT)", {**A, 120: 4}),
        ("FILL(a, LINEAR)", {**A, 120: 6.5}),
        ("FILL(a, b)", {**A, 120: 30}),
        ("SUM([a, b])", {0: 11, 60: 4, 120: 30, 180: 11}),
        ("SUM(METRICS())", {0: 11, 60: 4, 120: 30, 180: 11}),
        ("AVG(METRICS('b'))", B),
        ("MAX([a, 5])", {0: 5, 60: 5, 180: 9}),
        ("MIN([a, b])", {0: 1, 60: 0, 120: 30, 180: 2}),
        ("a - AVG(b)", {0: -9.5, 60: -6.5, 180: -1.5}),
        ("a * 0 + STDDEV(a)", dict.fromkeys(A, math.sqrt(98 / 9))),
        ("a * 0 + DATAPOINT_COUNT(a)", dict.fromkeys(A, 3)),
        ("a * 0 + METRIC_COUNT(METRICS())", dict.fromkeys(A, 2)),
        ("DIFF(a)", {60: 3, 180: 5}),
        ("DIFF_TIME(a)", {60: 60, 180: 120}),
        ("RATE(a) * 60", {60: 3, 180: 2.5}),
        ("RUNNING_SUM(a)", {0: 1, 60: 5, 180: 14}),
        ("a / PERIOD(a)", {0: 1 / 60, 60: 4 / 60, 180: 9 / 60}),
        ("TIME_SERIES(7)", dict.fromkeys(STARTS, 7)),
        ("ABS(a - b)", {0: 9, 60: 4, 180: 7}),
        ("CEIL(a / 2)", {0: 1, 60: 2, 180: 5}),
        ("FLOOR(a / 2)", {0: 0, 60: 2, 180: 4}),
        ("LOG10(b)", {0: 1, 120: math.log10(30), 180: math.log10(2)}),
        ("EPOCH(a)", {0: 0, 60: 60, 180: 180}),
        ("MINUTE(a) + HOUR(a)", {0: 0, 60: 1, 180: 3}),
        ("FIRST([b, a])", B),
        ("LAST([b, a]) - y", {0: 0, 60: 0, 180: 0}),
    ],
)
def test_an_expression_has_the_points_of_the_guide(expression: str, points: dict[float, float]) -> None:
    """Where two series meet, both must have a point; division by zero is none."""
    (found,) = answers(expression, y="a")
    assert found == pytest.approx({float(start): value for start, value in points.items()})


def test_an_array_is_computed_item_by_item() -> None:
    """METRICS() * 2 doubles each."""
    assert answers("METRICS() * 2") == [{start: 2 * value for start, value in each.items()} for each in (A, B)]
    assert answers("REMOVE_EMPTY([a, a - LOG(a * 0)])") == [A]


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("AVG(a)", "must be a TimeSeries or an array of TimeSeries, not a Scalar"),
        ("METRICS() + METRICS()", r"Unsupported operand type\(s\) for \+: '\[TimeSeries\]' and '\[TimeSeries\]'"),
        ("y", "'y' refers to itself"),
        ("a +", "Unexpected end of expression"),
        ("a b", "Unexpected 'b'"),
        ("(a", r"Expected '\)'"),
        ("a ; b", "Unexpected character ';'"),
        ("NOPE(a)", "Unknown function 'NOPE'"),
        ("FILL(a)", "FILL takes 2 arguments, not 1"),
        ("FILL(a, 'X')", "FILL with X is not valid"),
        ("c", "Undefined variable 'c'"),
        ("(" * 60 + "a" + ")" * 60, "Too deeply nested"),
    ],
)
def test_what_is_no_expression_is_refused(expression: str, why: str) -> None:
    """With the reason."""
    with pytest.raises(MathError, match=why):
        answers(expression, y="y + 1")


def stat(space: str, name: str, statistic: str = "Sum", period: int = 60) -> dict[str, Any]:
    return {"Metric": {"Namespace": space, "MetricName": name}, "Period": period, "Stat": statistic}


@pytest.fixture
def space(kit: Kit) -> str:
    """A namespace with ten minutes of `good` and `all` from the last whole hour on."""
    space = kit.name("space")
    data = [
        {"MetricName": name, "Value": value, "Timestamp": hour(kit) + timedelta(minutes=minute)}
        for minute in range(10)
        for name, value in (("good", 5.0 + minute), ("all", 20.0))
    ]
    kit.client("cloudwatch").put_metric_data(Namespace=space, MetricData=data)
    return space


def hour(kit: Kit) -> datetime:
    now: datetime = kit.world.clock.now()
    return now.replace(minute=0, second=0, microsecond=0)


def ask(kit: Kit, *queries: dict[str, Any], minutes: int = 3) -> list[dict[str, Any]]:
    begin = hour(kit)
    found: list[dict[str, Any]] = kit.client("cloudwatch").get_metric_data(
        MetricDataQueries=list(queries), StartTime=begin, EndTime=begin + timedelta(minutes=minutes), ScanBy="TimestampAscending"
    )["MetricDataResults"]
    return found


def test_get_metric_data_answers_an_expression(kit: Kit, space: str) -> None:
    """Only of what returns data, under the expression's id and label."""
    (found,) = ask(
        kit,
        {"Id": "good", "MetricStat": stat(space, "good"), "ReturnData": False},
        {"Id": "all", "MetricStat": stat(space, "all"), "ReturnData": False},
        {"Id": "share", "Expression": "100 * good / all", "Label": "share of good"},
    )
    assert (found["Id"], found["Label"], found["Values"]) == ("share", "share of good", [25.0, 30.0, 35.0])
    assert found["Timestamps"] == [hour(kit) + timedelta(minutes=minute) for minute in range(3)]


def test_an_array_gives_several_results_of_one_id(kit: Kit, space: str) -> None:
    """Each with the label of its metric."""
    metrics = [{"Id": name, "MetricStat": stat(space, name), "ReturnData": False} for name in ("good", "all")]
    found = ask(kit, *metrics, {"Id": "e", "Expression": "METRICS() + 1"})
    assert [(each["Id"], each["Label"], each["Values"][0]) for each in found] == [("e", "good", 6.0), ("e", "all", 21.0)]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"Id": "A", "Expression": "1"}, r"parameter MetricDataQueries.member.1.Id is not matching the expected pattern"),
        ({"Id": "a", "Expression": "1"}, "Error in expression 'a': The final result"),
        ({"Id": "a", "Expression": "b * 2"}, "Error in expression 'a': Undefined variable 'b'"),
        ({"Id": "a", "Expression": "SEARCH('x', 'Sum')"}, "Error in expression 'a': Unknown function 'SEARCH'"),
        ({"Id": "a", "Expression": "TIME_SERIES(1)", "Period": 7}, r"MetricDataQueries.member.1.Period must be"),
        ({"Id": "a", "Expression": "TIME_SERIES(1)", "MetricStat": stat("n", "m")}, "mutually exclusive"),
        ({"Id": "a"}, r"The parameter MetricDataQueries.member.1.MetricStat is required"),
        ({"Id": "a", "MetricStat": stat("n", "m"), "AccountId": "1"}, "AccountId"),
        ({"Id": "a", "MetricStat": stat("n", "m", "Median")}, r"The value Median for parameter MetricDataQueries.member.1.MetricStat.Stat"),
    ],
)
def test_wrong_queries_are_refused(kit: Kit, query: dict[str, Any], message: str) -> None:
    """Before anything is read."""
    with pytest.raises(ClientError, match=message) as caught:
        ask(kit, query)
    assert caught.value.response["Error"]["Code"] == "ValidationError"


SHARE = "FILL(good, 0) / all"


def metrics(space: str, expression: str = SHARE) -> list[dict[str, Any]]:
    """The Metrics of an alarm on a share."""
    return [
        {"Id": "good", "MetricStat": stat(space, "good"), "ReturnData": False},
        {"Id": "all", "MetricStat": stat(space, "all"), "ReturnData": False},
        {"Id": "share", "Expression": expression, "Label": "share", "ReturnData": True},
    ]


class MathBell(Bell):
    """An alarm that rings when the share of `good` in `all` falls below 0.5."""

    def __init__(self, kit: Kit, **changes: Any) -> None:
        self.of = kit.name("shares")
        single = dict.fromkeys(("MetricName", "Namespace", "Statistic", "Period"))
        rule = {"Metrics": metrics(self.of), "Threshold": 0.5, "ComparisonOperator": "LessThanThreshold"}
        super().__init__(kit, **{**single, **rule, **changes})

    def put_both(self, good: float, total: float) -> None:
        data = [{"MetricName": "good", "Value": good}, {"MetricName": "all", "Value": total}]
        self.cloudwatch.put_metric_data(Namespace=self.of, MetricData=data)


def test_an_alarm_on_metric_math_rings(kit: Kit) -> None:
    """On the computed value, to an SNS topic, with the metrics in its message, and in its description."""
    box = Box(kit)
    sns = kit.client("sns")
    topic = sns.create_topic(Name=kit.name("topic"))["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=box.arn)
    bell = MathBell(kit, AlarmActions=[topic])
    bell.put_both(8, 10)
    bell.minute()
    assert "StateReasonData" in bell.becomes("OK")
    bell.put_both(4, 10)
    bell.minute()
    described = bell.becomes("ALARM")
    assert "1 out of the last 1 datapoints [0.4 (" in described["StateReason"]
    assert [each["Id"] for each in described["Metrics"]] == ["good", "all", "share"]
    assert not {"MetricName", "Period", "Statistic"} & described.keys()
    until(lambda: box.poll() == 1, "the message")
    message = json.loads(box.bodies[0]["Message"])
    assert [each["Id"] for each in message["Trigger"]["Metrics"]] == ["good", "all", "share"]
    assert bell.cloudwatch.describe_alarms_for_metric(Namespace=bell.of, MetricName="good")["MetricAlarms"] == []


def test_an_alarm_on_metric_math_without_data_is_insufficient(kit: Kit) -> None:
    """FILL does not fill a metric that nobody divides: without `all` there is no datapoint."""
    bell = MathBell(kit)
    bell.put_both(1, 10)
    bell.minute()
    bell.becomes("ALARM")
    for _ in range(4):
        bell.minute()
    bell.becomes("INSUFFICIENT_DATA")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"Namespace": "n"}, "Metrics and Namespace are mutually exclusive"),
        ({"Metrics": metrics("n")[:2]}, "Exactly one element of the metrics list should return data"),
        ({"Metrics": metrics("n", "nope")}, "Error in expression 'share': Undefined variable 'nope'"),
        ({"Metrics": [*metrics("n"), {"Id": "x", "MetricStat": stat("n", "x", period=300), "ReturnData": False}]}, "the same period"),
        ({"Metrics": [{"Id": f"m{i}", "MetricStat": stat("n", "m"), "ReturnData": i == 0} for i in range(11)]}, "at most 10"),
        ({"EvaluateLowSampleCountPercentile": "ignore"}, "only valid with a percentile"),
    ],
)
def test_wrong_math_alarms_are_refused(kit: Kit, changes: dict[str, Any], message: str) -> None:
    """When they are put, not when they are evaluated."""
    with pytest.raises(ClientError, match=message):
        MathBell(kit, **changes)
