"""CloudWatch's metric math and dashboards, as any account has them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from target import Target

pytestmark = pytest.mark.live


def body(*metrics: list[Any], **properties: Any) -> str:
    """A dashboard of one metric widget."""
    given = {"metrics": list(metrics), "region": "eu-central-1", **properties}
    return json.dumps({"widgets": [{"type": "metric", "x": 0, "y": 0, "width": 6, "height": 6, "properties": given}]})


@pytest.fixture
def board(target: Target) -> Iterator[str]:
    """The name of a dashboard that exists."""
    cloudwatch, name = target.client("cloudwatch"), target.name()
    cloudwatch.put_dashboard(DashboardName=name, DashboardBody=body(["conformance", "m"]))
    yield name
    cloudwatch.delete_dashboards(DashboardNames=[name])


def test_a_dashboard_comes_back_as_it_was_put(target: Target, board: str) -> None:
    """The text itself, listed with its size."""
    cloudwatch = target.client("cloudwatch")
    assert json.loads(cloudwatch.get_dashboard(DashboardName=board)["DashboardBody"]) == json.loads(body(["conformance", "m"]))
    (entry,) = cloudwatch.list_dashboards(DashboardNamePrefix=board)["DashboardEntries"]
    assert entry["DashboardArn"] == f"arn:aws:cloudwatch::{target.account}:dashboard/{board}"


@pytest.mark.parametrize(
    ("metric", "path", "message"),
    [
        (["AWS/X", "m", {"dimensions": {"a": "b"}}], "/widgets/0/properties/metrics/0", "Should NOT have more than 2 items"),
        (["AWS/X", "m", {"a": "b"}, "x"], "/widgets/0/properties/metrics/0/2", "Invalid metric field type, only 'String' type is allowed"),
    ],
)
def test_a_wrong_metric_row_is_told_where(target: Target, board: str, metric: list[Any], path: str, message: str) -> None:
    """As deployments quote it."""
    with pytest.raises(ClientError, match="The dashboard body is invalid, there are") as caught:
        target.client("cloudwatch").put_dashboard(DashboardName=board, DashboardBody=body(metric))
    assert caught.value.response["Error"]["Code"] == "InvalidParameterInput"
    assert path in str(caught.value)
    assert message in str(caught.value)


def test_an_expression_is_computed(target: Target) -> None:
    """From two metrics that are not returned themselves."""
    cloudwatch, space = target.client("cloudwatch"), target.name("conformance/math")
    begin = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=5)
    data = [{"MetricName": name, "Value": value, "Timestamp": begin} for name, value in (("good", 3.0), ("all", 4.0))]
    cloudwatch.put_metric_data(Namespace=space, MetricData=data)
    stats = [
        {"Id": name, "ReturnData": False, "MetricStat": {"Metric": {"Namespace": space, "MetricName": name}, "Period": 60, "Stat": "Sum"}}
        for name in ("good", "all")
    ]
    queries = [*stats, {"Id": "share", "Expression": "good / all"}]
    deadline, values = time.monotonic() + target.wait_seconds, []
    while not values and time.monotonic() < deadline:
        (found,) = cloudwatch.get_metric_data(MetricDataQueries=queries, StartTime=begin, EndTime=begin + timedelta(minutes=1))[
            "MetricDataResults"
        ]
        values = found["Values"]
    assert (found["Id"], values) == ("share", [0.75])


def test_an_undefined_id_is_refused(target: Target) -> None:
    """The reason begins as AWS begins it."""
    now = datetime.now(UTC)
    with pytest.raises(ClientError, match="Error in expression 'a'"):
        target.client("cloudwatch").get_metric_data(
            MetricDataQueries=[{"Id": "a", "Expression": "b * 2"}], StartTime=now - timedelta(hours=1), EndTime=now
        )
