"""PutDashboard, GetDashboard, ListDashboards, DeleteDashboards, GetMetricWidgetImage, and the picture of a whole dashboard.

Sources: API reference of the operations; where AWS's words were not found the function says so.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from local_aws.cloudwatch import words
from local_aws.cloudwatch.alarms import Alarms
from local_aws.cloudwatch.dashboards import check, graph, picture
from local_aws.cloudwatch.dashboards.graph import Graph, Source
from local_aws.cloudwatch.dashboards.picture import Box, Note
from local_aws.cloudwatch.paging import page
from local_aws.cloudwatch.tags import Tags
from local_aws.errors import AwsError
from local_aws.service import Call, Operations
from local_aws.services import Services

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,255}")
_LISTED: Final = 1000
_COLUMN: Final = 60
"""Pixels of one of the 24 columns, and of a unit of height, in a dashboard's picture."""
_COLUMNS: Final = 24
_HEAD: Final = 40
_WIDTH: Final = 6
_IMAGE: Final = (600, 400)


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One dashboard as it was put."""

    name: str
    arn: str
    text: str
    modified: datetime


class Dashboards:
    """All dashboards of one world."""

    def __init__(self, services: Services, alarms: Alarms, tags: Tags) -> None:
        self._services = services
        self._alarms = alarms
        self._tags = tags
        self._lock = threading.Lock()
        self._dashboards: dict[str, Dashboard] = {}

    def operations(self) -> Operations:
        handlers = {
            "PutDashboard": self.put,
            "GetDashboard": self.get,
            "ListDashboards": self.list,
            "DeleteDashboards": self.delete,
            "GetMetricWidgetImage": self.image,
        }
        return {("cloudwatch", operation): handler for operation, handler in handlers.items()}

    def put(self, call: Call) -> dict[str, Any]:
        name, text = call.params["DashboardName"], call.params["DashboardBody"]
        if not _NAME.fullmatch(name):
            raise words.dashboard_name(name)
        problems = check.body(_json(text))
        if errors := [problem for problem in problems if problem.error]:
            raise words.dashboard_invalid(errors)
        arn = f"arn:aws:cloudwatch::{self._services.world.account}:dashboard/{name}"
        with self._lock:
            if name not in self._dashboards:
                self._tags.put(arn, call.params.get("Tags", ()))
            self._dashboards[name] = Dashboard(name, arn, text, self._services.now())
        return {"DashboardValidationMessages": [words.dashboard_message(problem) for problem in problems]}

    def get(self, call: Call) -> dict[str, Any]:
        found = self._find(call.params["DashboardName"])
        return {"DashboardArn": found.arn, "DashboardBody": found.text, "DashboardName": found.name}

    def list(self, call: Call) -> dict[str, Any]:
        prefix = call.params.get("DashboardNamePrefix", "")
        with self._lock:
            chosen = sorted((each for each in self._dashboards.values() if each.name.startswith(prefix)), key=lambda each: each.name)
        found, token = page(chosen, call.params, _LISTED)
        entries = [
            {"DashboardName": each.name, "DashboardArn": each.arn, "LastModified": each.modified, "Size": len(each.text.encode())}
            for each in found
        ]
        return {"DashboardEntries": entries, "NextToken": token}

    def delete(self, call: Call) -> dict[str, Any]:
        """All of them or none."""
        names = call.params["DashboardNames"]
        with self._lock:
            for name in names:
                if name not in self._dashboards:
                    raise words.dashboard_absent(name)
            for name in dict.fromkeys(names):
                self._tags.drop(self._dashboards.pop(name).arn)
        return {}

    def image(self, call: Call) -> dict[str, Any]:
        """The format `image/png`, an answer that is the bare picture, is refused: no SDK can read it."""
        if call.params.get("OutputFormat", "png") != "png":
            raise words.unsupported(f"OutputFormat {call.params['OutputFormat']} of GetMetricWidgetImage")
        try:
            properties = json.loads(call.params["MetricWidget"])
        except ValueError as error:
            raise words.validation("The MetricWidget parameter must be a valid JSON object.") from error
        if errors := [problem for problem in check.widget(properties) if problem.error]:
            raise words.widget_invalid(errors)
        width, height = properties.get("width", _IMAGE[0]), properties.get("height", _IMAGE[1])
        try:
            drawn = graph.read(properties, self._source())
        except ValueError as error:
            raise words.validation(f"The MetricWidget is not valid: {error}.") from error
        return {"MetricWidgetImage": picture.png(width, height, [(Box(0, 0, width, height), drawn)])}

    def picture(self, name: str) -> bytes:
        """A PNG of the whole dashboard; ValueError when there is none of that name."""
        try:
            document = json.loads(self._find(name).text)
        except AwsError as error:
            raise ValueError(f"name: {error.message}") from error
        source = self._source()
        placed = list(_placed(document["widgets"]))
        parts = [(box, self._part(widget, source, document)) for box, widget in placed]
        head = Box(0, 0, _COLUMN * _COLUMNS, _HEAD)
        height = max((box.y + box.height for box, _ in placed), default=0)
        title = Note(f"{name}   {picture.caption(source.now)}", ())
        return picture.png(head.width, max(height, _HEAD) + 10, [(head, title), *parts])

    def _part(self, widget: Mapping[str, Any], source: Source, document: Mapping[str, Any]) -> Graph | Note:
        properties = widget["properties"]
        match widget["type"]:
            case "metric":
                around = {name: document[name] for name in ("start", "end") if name in document}
                try:
                    return graph.read(properties, source, around)
                except (ValueError, AwsError) as error:
                    return Note(properties.get("title", ""), [(f"This widget cannot be drawn: {error}", "#d62728")])
            case "text":
                return picture.text_note(properties["markdown"])
            case "alarm":
                found = [(arn, source.alarm(arn)) for arn in properties["alarms"]]
                states = [(alarm.name, alarm.standing.value) if alarm else (arn, "does not exist") for arn, alarm in found]
                return picture.alarm_note(properties.get("title", "Alarms"), states)
            case kind:
                return Note(properties.get("title", ""), [(f"A widget of type {kind} is not drawn by this local AWS.", "#545b64")])

    def _source(self) -> Source:
        return Source(self._services.metrics, self._alarms.by_arn, self._services.world.clock.time())

    def _find(self, name: str) -> Dashboard:
        found = self._dashboards.get(name)
        if found is None:
            raise words.dashboard_absent(name)
        return found


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise words.dashboard_no_json() from error


def _placed(widgets: Sequence[Mapping[str, Any]]) -> Iterator[tuple[Box, Mapping[str, Any]]]:
    """Where each is drawn; one without x and y goes below those before it, as the console puts it."""
    lowest = 0
    for widget in widgets:
        width, height = widget.get("width", _WIDTH), widget.get("height", _WIDTH)
        x, y = widget.get("x", 0), widget.get("y", lowest)
        lowest = max(lowest, y + height)
        yield Box(x * _COLUMN, _HEAD + y * _COLUMN, width * _COLUMN, height * _COLUMN), widget
