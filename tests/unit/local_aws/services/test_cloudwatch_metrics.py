"""Metrics by period and statistic: what was put comes back, of exactly its dimensions."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from service_kit import REGION, Kit


@pytest.fixture
def space(kit: Kit) -> str:
    """A namespace of the test's own."""
    return kit.name("space")


@pytest.fixture
def hour(kit: Kit) -> datetime:
    """The last whole hour."""
    now: datetime = kit.world.clock.now()
    return now.replace(minute=0, second=0, microsecond=0)


def put(kit: Kit, space: str, *data: dict[str, Any]) -> None:
    kit.client("cloudwatch").put_metric_data(Namespace=space, MetricData=[{"MetricName": "m", **datum} for datum in data])


def points(kit: Kit, space: str, begin: datetime, minutes: int = 10, **changes: Any) -> list[dict[str, Any]]:
    request = {
        "Namespace": space,
        "MetricName": "m",
        "StartTime": begin,
        "EndTime": begin + timedelta(minutes=minutes),
        "Period": 60,
        "Statistics": ["Sum"],
    }
    found: list[dict[str, Any]] = kit.client("cloudwatch").get_metric_statistics(
        **{name: value for name, value in (request | changes).items() if value is not None}
    )["Datapoints"]
    return sorted(found, key=lambda point: (point["Timestamp"], point["Unit"]))


def series(found: Sequence[dict[str, Any]], begin: datetime, name: str = "Sum") -> list[tuple[int, float]]:
    """(minute, value) of each datapoint."""
    return [(int((point["Timestamp"] - begin).total_seconds() // 60), point[name]) for point in found]


def test_values_are_summed_by_period_from_whole_minutes_on(kit: Kit, space: str, hour: datetime) -> None:
    """The start is rounded down to the minute, the end is not part of the range, empty periods have no datapoint."""
    for second, value in ((5, 1.0), (59, 2.0), (60, 4.0), (240, 8.0)):
        put(kit, space, {"Value": value, "Timestamp": hour + timedelta(seconds=second)})
    assert series(points(kit, space, hour + timedelta(seconds=30), 4), hour) == [(0, 3.0), (1, 4.0), (4, 8.0)]
    assert series(points(kit, space, hour, 4), hour) == [(0, 3.0), (1, 4.0)]
    assert series(points(kit, space, hour, 10, Period=300), hour) == [(0, 15.0)]


def test_every_statistic_of_values_counts_and_statistic_sets(kit: Kit, space: str, hour: datetime) -> None:
    """A value put three times counts three times; a set adds what it says."""
    at = {"Timestamp": hour}
    put(kit, space, {"Values": [1.0, 5.0], "Counts": [3.0, 1.0], **at})
    names = ["SampleCount", "Sum", "Average", "Minimum", "Maximum"]
    (point,) = points(kit, space, hour, Statistics=names)
    assert [point[name] for name in names] == [4.0, 8.0, 2.0, 1.0, 5.0]
    put(kit, space, {"StatisticValues": {"SampleCount": 2, "Sum": 20, "Minimum": 4, "Maximum": 16}, **at})
    (point,) = points(kit, space, hour, Statistics=names)
    assert [point[name] for name in names] == [6.0, 28.0, 28.0 / 6, 1.0, 16.0]


def test_percentiles_by_both_operations(kit: Kit, space: str, hour: datetime) -> None:
    """Of the values 1 to 100; a statistic set hides the values, so there is none then."""
    put(kit, space, {"Values": [float(value) for value in range(1, 101)], "Timestamp": hour})
    (point,) = points(kit, space, hour, Statistics=None, ExtendedStatistics=["p50", "p99.9", "p0", "p100"])
    found = point["ExtendedStatistics"]
    assert (found["p50"], found["p0"], found["p100"]) == (50.5, 1.0, 100.0)
    assert 99.0 < found["p99.9"] < 100.0
    query = {"Id": "a", "MetricStat": {"Metric": {"Namespace": space, "MetricName": "m"}, "Period": 60, "Stat": "p50"}}
    (result,) = kit.client("cloudwatch").get_metric_data(MetricDataQueries=[query], StartTime=hour, EndTime=hour + timedelta(minutes=5))[
        "MetricDataResults"
    ]
    assert (result["Values"], result["Timestamps"], result["StatusCode"]) == ([50.5], [hour], "Complete")
    put(kit, space, {"StatisticValues": {"SampleCount": 2, "Sum": 3, "Minimum": 1, "Maximum": 2}, "Timestamp": hour})
    (point,) = points(kit, space, hour, Statistics=None, ExtendedStatistics=["p50"])
    assert point["ExtendedStatistics"] == {}


def test_a_metric_is_its_exact_dimensions(kit: Kit, space: str, hour: datetime) -> None:
    """A part of the dimensions is another metric, which has no values."""
    both = [{"Name": "A", "Value": "1"}, {"Name": "B", "Value": "2"}]
    put(kit, space, {"Value": 1.0, "Timestamp": hour, "Dimensions": both})
    assert points(kit, space, hour, Dimensions=both[:1]) == []
    assert points(kit, space, hour) == []
    assert len(points(kit, space, hour, Dimensions=[both[1], both[0]])) == 1


def test_units_are_apart(kit: Kit, space: str, hour: datetime) -> None:
    """One datapoint for each unit, or the one that was asked for."""
    put(kit, space, {"Value": 1.0, "Timestamp": hour, "Unit": "Count"}, {"Value": 2.0, "Timestamp": hour})
    assert [(point["Unit"], point["Sum"]) for point in points(kit, space, hour)] == [("Count", 1.0), ("None", 2.0)]
    assert [point["Sum"] for point in points(kit, space, hour, Unit="Count")] == [1.0]


def test_metric_data_is_ordered_as_asked(kit: Kit, space: str, hour: datetime) -> None:
    """Latest first by default; a query that is not to be returned is not."""
    for minute in (0, 1):
        put(kit, space, {"Value": float(minute), "Timestamp": hour + timedelta(minutes=minute)})
    stat = {"Metric": {"Namespace": space, "MetricName": "m"}, "Period": 60, "Stat": "Sum"}
    queries = [{"Id": "a", "MetricStat": stat, "Label": "one"}, {"Id": "b", "MetricStat": stat, "ReturnData": False}]
    request = {"MetricDataQueries": queries, "StartTime": hour, "EndTime": hour + timedelta(minutes=5)}
    (latest,) = kit.client("cloudwatch").get_metric_data(**request)["MetricDataResults"]
    (oldest,) = kit.client("cloudwatch").get_metric_data(**request, ScanBy="TimestampAscending")["MetricDataResults"]
    assert (latest["Id"], latest["Label"], latest["Values"], oldest["Values"]) == ("a", "one", [1.0, 0.0], [0.0, 1.0])


def test_metrics_are_listed_by_dimension(kit: Kit, space: str) -> None:
    """By name alone or by name and value; each metric once."""
    for value in ("1", "2"):
        put(
            kit,
            space,
            {"Value": 1.0, "Dimensions": [{"Name": "A", "Value": value}]},
            {"Value": 2.0, "Dimensions": [{"Name": "A", "Value": value}]},
        )
    cloudwatch = kit.client("cloudwatch")
    assert len(cloudwatch.list_metrics(Namespace=space, Dimensions=[{"Name": "A"}])["Metrics"]) == 2
    (one,) = cloudwatch.list_metrics(Namespace=space, Dimensions=[{"Name": "A", "Value": "2"}])["Metrics"]
    assert one == {"Namespace": space, "MetricName": "m", "Dimensions": [{"Name": "A", "Value": "2"}]}


@pytest.mark.parametrize(
    ("datum", "code"),
    [
        ({}, "MissingParameter"),
        ({"Value": 1.0, "Values": [1.0]}, "InvalidParameterCombination"),
        ({"Values": [1.0, 2.0], "Counts": [1.0]}, "InvalidParameterValue"),
        ({"Value": 1.0, "Dimensions": [{"Name": "A", "Value": " "}]}, "InvalidParameterValue"),
    ],
)
def test_wrong_data_is_refused(kit: Kit, space: str, datum: dict[str, Any], code: str) -> None:
    """And nothing of the request is kept."""
    with pytest.raises(ClientError) as caught:
        put(kit, space, {"Value": 1.0}, datum)
    assert caught.value.response["Error"]["Code"] == code
    assert kit.client("cloudwatch").list_metrics(Namespace=space)["Metrics"] == []


def test_the_namespace_of_aws_is_refused(kit: Kit) -> None:
    """Only services put metrics there."""
    with pytest.raises(ClientError, match="The value AWS/ for parameter Namespace is invalid"):
        put(kit, "AWS/SageMaker", {"Value": 1.0})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"Statistics": None}, "Must specify either Statistics or ExtendedStatistics"),
        ({"ExtendedStatistics": ["tm90"]}, "The value tm90 for parameter ExtendedStatistics is not supported"),
        ({"Period": 90}, "Period must be a multiple of 60"),
        ({"minutes": 1441}, "exceeds the limit of 1,440"),
        ({"minutes": 0}, "StartTime must be less than the parameter EndTime"),
    ],
)
def test_wrong_questions_are_refused(kit: Kit, space: str, hour: datetime, changes: dict[str, Any], message: str) -> None:
    """In AWS's words where they are known."""
    with pytest.raises(ClientError, match=message):
        points(kit, space, hour, **changes)


def raw(kit: Kit, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
    """One request as an SDK of another language would send it."""
    signed = {"Authorization": f"AWS4-HMAC-SHA256 Credential=LOCALADMIN/20260101/{REGION}/monitoring/aws4_request, Signature=x"}
    request = urllib.request.Request(f"{kit.server.url}{path}", data=body, headers=headers | signed)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_the_query_protocol_is_understood(kit: Kit, space: str, hour: datetime) -> None:
    """Older SDKs speak it: the same operations, with times as text and answers in XML."""
    form = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    stamp = hour.strftime("%Y-%m-%dT%H:%M:%SZ")
    datum = f"MetricData.member.1.MetricName=m&MetricData.member.1.Value=2.5&MetricData.member.1.Timestamp={stamp}"
    status, _ = raw(kit, "/", f"Action=PutMetricData&Version=2010-08-01&Namespace={space}&{datum}".encode(), form)
    assert status == 200
    assert series(points(kit, space, hour), hour) == [(0, 2.5)]
    status, text = raw(kit, "/", f"Action=ListMetrics&Version=2010-08-01&Namespace={space}".encode(), form)
    assert (status, "<MetricName>m</MetricName>" in text) == (200, True)


def test_cbor_is_refused_in_words(kit: Kit) -> None:
    """Not taken for a request without members."""
    path = "/service/GraniteServiceVersion20100801/operation/ListMetrics"
    status, text = raw(kit, path, b"\xa0", {"Content-Type": "application/cbor", "smithy-protocol": "rpc-v2-cbor"})
    assert (status, json.loads(text)["message"]) == (400, "local_aws speaks JSON and query with cloudwatch, not CBOR")
