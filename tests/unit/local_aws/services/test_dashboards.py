"""Dashboards: what PutDashboard refuses and warns of, what is kept, and what the pictures show."""

from __future__ import annotations

import base64
import io
import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
from botocore.exceptions import ClientError
from PIL import Image
from service_kit import ACCOUNT, Kit
from test_cloudwatch_metrics import raw

from local_aws.cli import main
from local_aws.client import AdminClient, AdminError
from local_aws.cloudwatch.dashboards import check
from local_aws.cloudwatch.dashboards.graph import moment, rows

REGION = {"region": "eu-central-1"}


def widget(**properties: Any) -> dict[str, Any]:
    """A metric widget at the top left."""
    given = {"metrics": [["ns", "m"]], **REGION, **properties}
    return {"type": "metric", "x": 0, "y": 0, "width": 12, "height": 6, "properties": given}


def found(document: Any) -> list[tuple[str, str, bool]]:
    return [(problem.path, problem.message, problem.error) for problem in check.body(document)]


def wrong(**properties: Any) -> list[tuple[str, str]]:
    """Problems of a widget's properties, by the path below them."""
    problems = check.body({"widgets": [widget(**properties)]})
    assert all(problem.error for problem in problems)
    return [(problem.path.removeprefix("/widgets/0/properties"), problem.message) for problem in problems]


def test_a_sound_body_has_no_problems() -> None:
    """Every member that AWS documents for what is drawn."""
    everything = widget(
        metrics=[
            ["ns", "m", "Endpoint", "e", {"stat": "p90", "color": "#1f77b4", "label": "x", "yAxis": "right", "period": 60, "id": "m1"}],
            ["...", "f"],
            [".", "n", ".", "."],
            [{"expression": "m1 * 2", "id": "e1", "visible": False, "region": "eu-central-1"}],
        ],
        annotations={
            "horizontal": [{"value": 1, "label": "t", "color": "#1f77b4", "fill": "above"}, [{"value": 1}, {"value": 2, "label": "band"}]],
            "vertical": [{"value": "2026-11-21T10:00:00Z", "label": "retrain", "color": "#2ca02c"}],
        },
        yAxis={"left": {"min": 0, "max": 1, "label": "share", "showUnits": False}},
        legend={"position": "right"},
        view="timeSeries",
        stacked=False,
        period=300,
        stat="Average",
        title="t",
        timezone="+0100",
        start="-PT6H",
        end="2026-11-21T10:00:00Z",
    )
    text = {"type": "text", "properties": {"markdown": "# hi"}}
    alarm = {"type": "alarm", "properties": {"alarms": ["arn:aws:cloudwatch:eu-central-1:1:alarm:a"], "title": "t"}}
    of_alarm = {"type": "metric", "properties": {**REGION, "annotations": {"alarms": ["arn"]}}}
    assert found({"widgets": [everything, text, alarm, of_alarm], "start": "-PT3H", "periodOverride": "inherit"}) == []


@pytest.mark.parametrize(
    ("document", "path", "message"),
    [
        ({}, "/", "Should have required property 'widgets'"),
        ([], "/", "Should be object"),
        ({"widgets": [{"properties": {}}]}, "/widgets/0", "Should have required property 'type'"),
        ({"widgets": [{"type": "text"}]}, "/widgets/0", "Should have required property 'properties'"),
        ({"widgets": [{"type": "map", "properties": {}}]}, "/widgets/0/type", "Should be equal to one of the allowed values"),
        ({"widgets": [{**widget(), "width": 25}]}, "/widgets/0/width", "Should be <= 24"),
        ({"widgets": [{**widget(), "height": 0}]}, "/widgets/0/height", "Should be >= 1"),
        ({"widgets": [{**widget(), "x": "0"}]}, "/widgets/0/x", "Should be integer"),
        ({"widgets": [{"type": "text", "x": 0, "properties": {"markdown": ""}}]}, "/widgets/0", "Should have required property 'y'"),
        ({"widgets": [{"type": "text", "properties": {}}]}, "/widgets/0/properties", "Should have required property 'markdown'"),
        ({"widgets": [widget()] * 501}, "/widgets", "Should NOT have more than 500 items"),
    ],
)
def test_a_wrong_body_is_told_where(document: Any, path: str, message: str) -> None:
    """A path and a message each."""
    assert (path, message, True) in found(document)


@pytest.mark.parametrize(
    ("properties", "path", "message"),
    [
        ({"metrics": [["AWS/X", "m", {"EndpointName": "e"}]]}, "/metrics/0", "Should NOT have more than 2 items"),
        ({"metrics": [["ns", "m", "d"]]}, "/metrics/0", "Should NOT have more than 2 items"),
        ({"metrics": [["ns", "m", {"d": "v"}, "x"]]}, "/metrics/0/2", "Invalid metric field type, only 'String' type is allowed"),
        ({"metrics": [["ns", "m", "d", 1]]}, "/metrics/0/3", "Invalid metric field type, only 'String' type is allowed"),
        ({"metrics": [["ns", "m", {"color": "red"}]]}, "/metrics/0/2/color", 'Should match pattern "^#[0-9a-fA-F]{6}$"'),
        ({"metrics": [[{"label": "x"}]]}, "/metrics/0", "Should have required property 'expression'"),
        ({"metrics": []}, None, None),
        ({"period": 45}, "/period", "Should be multiple of 60"),
        ({"view": "cake"}, "/view", "Should be equal to one of the allowed values"),
        ({"annotations": {"horizontal": [{"label": "x"}]}}, "/annotations/horizontal/0", "Should have required property 'value'"),
        ({"annotations": {"vertical": [{"value": "noon"}]}}, "/annotations/vertical/0/value", 'Should match format "date-time"'),
        ({"yAxis": {"left": {"min": "0"}}}, "/yAxis/left/min", "Should be number"),
        ({"stacked": 1}, "/stacked", "Should be boolean"),
    ],
)
def test_a_wrong_widget_is_told_where(properties: dict[str, Any], path: str | None, message: str | None) -> None:
    """One problem each; the first four as in public reports of AWS's answers."""
    assert wrong(**properties) == ([] if path is None else [(path, message)])


def test_a_widget_needs_a_region_and_metrics() -> None:
    """Metrics may stand in an alarm."""
    properties = {"title": "x"}
    problems = check.body({"widgets": [{"type": "metric", "properties": properties}]})
    assert [problem.message for problem in problems] == [
        "Should have required property 'region'",
        "Should have required property 'metrics'",
    ]


def test_unknown_members_are_warned_of() -> None:
    """AWS keeps them."""
    assert found({"widgets": [widget(colour="#000000")]}) == [
        ("/widgets/0/properties/colour", "Should NOT have additional properties", False)
    ]


def test_rows_take_from_the_row_above() -> None:
    """ "." is one field, "..." all but the last ones."""
    metrics = [
        ["ns", "m", "a", "1", "b", "2", {"stat": "Sum"}],
        [".", "n", ".", ".", ".", "3"],
        ["...", "4"],
        [{"expression": "x"}],
        ["..."],
    ]
    assert [names for names, _ in rows(metrics)] == [
        ["ns", "m", "a", "1", "b", "2"],
        ["ns", "n", "a", "1", "b", "3"],
        ["ns", "n", "a", "1", "b", "4"],
        [],
        ["ns", "n", "a", "1", "b", "4"],
    ]


@pytest.mark.parametrize(
    ("text", "before"), [("-PT3H", 10_800), ("-P1D", 86_400), ("-P1W", 604_800), ("-PT5M30S", 330), ("1970-01-12T13:46:40Z", 0)]
)
def test_times_are_offsets_or_moments(text: str, before: int) -> None:
    """Now is a million seconds after the epoch."""
    assert moment(text, 1_000_000.0, "start") == 1_000_000 - before


def test_a_dashboard_is_kept_as_it_was_put(kit: Kit) -> None:
    """With its tags, until it is deleted."""
    cloudwatch, name = kit.client("cloudwatch"), kit.name("board")
    text = json.dumps({"widgets": [widget(extra=1)]})
    warned = cloudwatch.put_dashboard(DashboardName=name, DashboardBody=text, Tags=[{"Key": "team", "Value": "a"}])
    assert [each["DataPath"] for each in warned["DashboardValidationMessages"]] == ["/widgets/0/properties/extra"]
    arn = f"arn:aws:cloudwatch::{ACCOUNT}:dashboard/{name}"
    described = cloudwatch.get_dashboard(DashboardName=name)
    assert (described["DashboardArn"], described["DashboardBody"]) == (arn, text)
    (entry,) = cloudwatch.list_dashboards(DashboardNamePrefix=name)["DashboardEntries"]
    assert (entry["DashboardName"], entry["Size"]) == (name, len(text))
    assert cloudwatch.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "team", "Value": "a"}]
    with pytest.raises(ClientError, match="Dashboard nobody does not exist"):
        cloudwatch.delete_dashboards(DashboardNames=[name, "nobody"])
    cloudwatch.delete_dashboards(DashboardNames=[name])
    with pytest.raises(cloudwatch.exceptions.ClientError) as caught:
        cloudwatch.get_dashboard(DashboardName=name)
    assert caught.value.response["Error"] == {"Code": "ResourceNotFound", "Message": f"Dashboard {name} does not exist"}


def test_a_wrong_dashboard_changes_nothing(kit: Kit) -> None:
    """The old one stays; the answer lists what is wrong, in text and in members."""
    cloudwatch, name = kit.client("cloudwatch"), kit.name("board")
    cloudwatch.put_dashboard(DashboardName=name, DashboardBody='{"widgets": []}')
    with pytest.raises(ClientError, match="The dashboard body is invalid, there are 1 validation errors") as caught:
        cloudwatch.put_dashboard(DashboardName=name, DashboardBody=json.dumps({"widgets": [widget(view="cake")]}))
    assert caught.value.response["Error"]["Code"] == "InvalidParameterInput"
    assert caught.value.response["dashboardValidationMessages"] == [
        {"DataPath": "/widgets/0/properties/view", "Message": "Should be equal to one of the allowed values"}
    ]
    assert cloudwatch.get_dashboard(DashboardName=name)["DashboardBody"] == '{"widgets": []}'
    with pytest.raises(ClientError, match="The field DashboardBody must be a valid JSON object"):
        cloudwatch.put_dashboard(DashboardName=name, DashboardBody="{")
    with pytest.raises(ClientError, match="The value a b for field DashboardName contains invalid characters"):
        cloudwatch.put_dashboard(DashboardName="a b", DashboardBody='{"widgets": []}')


def pixels(body: bytes) -> Any:
    return np.asarray(Image.open(io.BytesIO(body)).convert("RGB")).astype(int)


def coloured(picture: Any, colour: str) -> list[tuple[int, int]]:
    """(row, column) of the pixels of nearly that colour."""
    wanted = [int(colour[index : index + 2], 16) for index in (1, 3, 5)]
    near = (abs(picture - wanted) <= 8).all(axis=2)
    return [(int(row), int(column)) for row, column in np.argwhere(near)]


@pytest.fixture
def space(kit: Kit) -> str:
    """A namespace with `m` rising from 0 to 11 in the last hour, a value every five minutes."""
    space = kit.name("space")
    now = kit.world.clock.now()
    data = [{"MetricName": "m", "Value": float(11 - step), "Timestamp": now - timedelta(minutes=5 * step)} for step in range(12)]
    kit.client("cloudwatch").put_metric_data(Namespace=space, MetricData=data)
    return space


THRESHOLD, METRIC, RETRAIN = "#0055ff", "#ff9900", "#00aa33"


def drawn(kit: Kit, space: str, **changes: Any) -> Any:
    """The picture of a widget with a line, a threshold at 20 and a mark 30 minutes ago."""
    ago = (kit.world.clock.now() - timedelta(minutes=30)).isoformat()
    widget = {
        "metrics": [[space, "m", {"color": METRIC, "label": "drift"}]],
        "period": 300,
        "start": "-PT1H",
        "annotations": {
            "horizontal": [{"value": 20, "color": THRESHOLD, "label": "threshold"}],
            "vertical": [{"value": ago, "color": RETRAIN, "label": "retrain"}],
        },
        "yAxis": {"left": {"min": 0, "max": 25}},
        "width": 600,
        "height": 400,
        **changes,
    }
    answer = kit.client("cloudwatch").get_metric_widget_image(MetricWidget=json.dumps(widget))
    return pixels(answer["MetricWidgetImage"])


def test_a_widget_image_shows_line_threshold_and_mark(kit: Kit, space: str) -> None:
    """In the colours of the JSON, at the places that the values ask for."""
    picture = drawn(kit, space)
    assert picture.shape == (400, 600, 3)
    threshold, line, mark = (coloured(picture, colour) for colour in (THRESHOLD, METRIC, RETRAIN))
    rows_of, columns_of = [row for row, _ in threshold], [column for _, column in threshold]
    assert max(columns_of) - min(columns_of) > 450, "the threshold crosses the graph"
    # 20 of 25 lies a fifth of the graph's height below its top; the line ends at 11, so below it.
    assert len(line) > 300
    assert min(row for row, column in line if column > 100) > max(set(rows_of), key=rows_of.count)
    middle = max((column for _, column in mark), key=[column for _, column in mark].count)
    assert 290 < middle < 350, "30 of 60 minutes ago is the middle of the graph"


def test_the_query_protocol_has_the_picture_too(kit: Kit) -> None:
    """As Base64 in XML."""
    form = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    asked = urlencode(
        {"Action": "GetMetricWidgetImage", "Version": "2010-08-01", "MetricWidget": '{"metrics": [["a", "b"]], "width": 300}'}
    )
    status, text = raw(kit, "/", asked.encode(), form)
    (found,) = re.findall("<MetricWidgetImage>(.*)</MetricWidgetImage>", text)
    assert (status, pixels(base64.b64decode(found)).shape) == (200, (400, 300, 3))


def test_what_is_invisible_is_not_drawn(kit: Kit, space: str) -> None:
    """A metric that only an expression needs; an expression has a line of its own."""
    metrics = [[space, "m", {"color": METRIC, "visible": False, "id": "m1"}], [{"expression": "m1 + 5", "color": "#aa00aa"}]]
    picture = drawn(kit, space, metrics=metrics)
    assert coloured(picture, METRIC) == []
    assert len(coloured(picture, "#aa00aa")) > 300


@pytest.mark.parametrize("view", ["singleValue", "bar", "timeSeries", "table"])
def test_every_view_draws_something_in_the_metrics_colour(kit: Kit, space: str, view: str) -> None:
    """Also stacked, with the legend at the side."""
    picture = drawn(kit, space, view=view, stacked=view == "timeSeries", legend={"position": "right"})
    assert len(coloured(picture, METRIC)) > 50


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{", "must be a valid JSON object"),
        ('{"metrics": [["a"]]}', "/metrics/0 Should NOT have fewer than 2 items"),
        ('{"metrics": [["a", "b"]], "start": "yesterday"}', "start: yesterday is neither a time"),
        ('{"metrics": [["...", "b"]]}', "row 0 has no namespace"),
        ('{"metrics": [[{"expression": "nope"}]]}', "Undefined variable 'nope'"),
    ],
)
def test_wrong_images_are_refused(kit: Kit, document: str, message: str) -> None:
    """With the reason."""
    with pytest.raises(ClientError, match=message):
        kit.client("cloudwatch").get_metric_widget_image(MetricWidget=document)


def test_a_whole_dashboard_is_drawn(kit: Kit, space: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By the admin API and the command: each widget in its place, an alarm with its state, and no failure for what cannot be drawn."""
    cloudwatch, name = kit.client("cloudwatch"), kit.name("board")
    alarm = kit.name("alarm")
    rule = {"EvaluationPeriods": 1, "Threshold": 5.0, "ComparisonOperator": "GreaterThanThreshold"}
    cloudwatch.put_metric_alarm(AlarmName=alarm, Namespace=space, MetricName="m", Period=300, Statistic="Maximum", **rule)
    cloudwatch.set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="test")
    arn = cloudwatch.describe_alarms(AlarmNames=[alarm])["MetricAlarms"][0]["AlarmArn"]
    widgets = [
        widget(metrics=[[space, "m", {"color": METRIC}]], period=300, title="drift"),
        {**widget(metrics=[[{"expression": "nope"}]]), "x": 12},
        {"type": "text", "x": 0, "y": 6, "width": 24, "height": 2, "properties": {"markdown": "# Fees\nmade by a program"}},
        {"type": "alarm", "x": 0, "y": 8, "width": 12, "height": 2, "properties": {"alarms": [arn]}},
        {"type": "metric", "x": 12, "y": 8, "width": 12, "height": 5, "properties": {**REGION, "annotations": {"alarms": [arn]}}},
        {"type": "log", "properties": {}},
    ]
    cloudwatch.put_dashboard(DashboardName=name, DashboardBody=json.dumps({"start": "-PT1H", "widgets": widgets}))
    picture = pixels(AdminClient(kit.server.url).picture(name))
    assert picture.shape[1] == 24 * 60
    assert all(column < 720 and row < 40 + 6 * 60 for row, column in coloured(picture, METRIC))
    assert len(coloured(picture, METRIC)) > 300
    target = tmp_path / "board.png"
    assert main(["dashboard", name, "--url", kit.server.url, "--out", str(target)]) == 0
    assert (capsys.readouterr().out.strip(), pixels(target.read_bytes()).shape) == (str(target), picture.shape)
    with pytest.raises(AdminError, match="name: Dashboard nobody does not exist"):
        AdminClient(kit.server.url).picture("nobody")
