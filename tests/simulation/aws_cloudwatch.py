"""CloudWatch alarms, metrics and dashboards: a record each; nothing evaluates them here (whether
an alarm goes off is said by a model's archive, aws_hosting.py).

Source: Amazon CloudWatch API Reference (PutMetricAlarm overwrites; DescribeAlarms does not mention absent names; DeleteAlarms of an
absent name is ResourceNotFound; ListTagsForResource: ResourceNotFoundException; PutDashboard replaces; DeleteDashboards of an absent name
is DashboardNotFoundError, and nothing is deleted).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from tests.simulation.aws import Context, Handler, Refused, Tags


class CloudWatch:
    """Alarms and dashboards by name, every number in the order in which it came."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.alarms: dict[str, Mapping[str, Any]] = {}
        self.dashboards: dict[str, str] = {}
        self.numbers: list[Mapping[str, Any]] = []

    def handlers(self) -> dict[str, Handler]:
        return {
            "cloudwatch:PutMetricAlarm": self._put,
            "cloudwatch:DescribeAlarms": self._describe,
            "cloudwatch:DeleteAlarms": self._delete,
            "cloudwatch:ListTagsForResource": self._tags,
            "cloudwatch:PutMetricData": self._put_numbers,
            "cloudwatch:GetMetricStatistics": self._statistics,
            "cloudwatch:PutDashboard": self._put_dashboard,
            "cloudwatch:ListDashboards": self._list_dashboards,
            "cloudwatch:DeleteDashboards": self._delete_dashboards,
        }

    def tagged(self) -> Mapping[str, Callable[[str], Tags]]:
        return {}

    def _put(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        name = parameters["AlarmName"]
        held = self.alarms.get(name, {})
        self.alarms[name] = {"StateValue": "OK", **parameters} | ({"Tags": held["Tags"]} if "Tags" in held else {})
        self._context.accept("PutMetricAlarm", name)
        return {}

    def _describe(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        wanted, beginning = parameters.get("AlarmNames"), parameters.get("AlarmNamePrefix")
        found = [
            {member: value for member, value in alarm.items() if member != "Tags"}
            for name, alarm in self.alarms.items()
            if (wanted is None or name in wanted) and (beginning is None or name.startswith(beginning))
        ]
        return {"MetricAlarms": found}

    def _delete(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        for name in parameters["AlarmNames"]:
            if name not in self.alarms:
                raise self._context.refuse("DeleteAlarms", name, "ResourceNotFound", f"Alarm {name} does not exist.")
            del self.alarms[name]
            self._context.accept("DeleteAlarms", name)
        return {}

    def _tags(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        name = parameters["ResourceARN"].rpartition(":")[2]
        if name not in self.alarms:
            raise Refused("ResourceNotFoundException", f"Alarm {name} does not exist.")
        return {"Tags": list(self.alarms[name].get("Tags", ()))}

    def _put_numbers(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        self.numbers += parameters["MetricData"]
        self._context.accept("PutMetricData", parameters["Namespace"])
        return {}

    def _statistics(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """One point for each period that holds a number."""
        (statistic,) = parameters["Statistics"]
        pick, period = {"Minimum": min, "Maximum": max}[statistic], parameters["Period"]
        found: dict[int, list[float]] = {}
        for number in self.numbers:
            named = number["MetricName"] == parameters["MetricName"] and number["Dimensions"] == parameters["Dimensions"]
            if named and parameters["StartTime"] <= number["Timestamp"] < parameters["EndTime"]:
                found.setdefault(int(number["Timestamp"].timestamp()) // period * period, []).append(number["Value"])
        points = [{"Timestamp": datetime.fromtimestamp(start, UTC), statistic: pick(values)} for start, values in found.items()]
        return {"Label": parameters["MetricName"], "Datapoints": points}

    def _put_dashboard(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        self.dashboards[parameters["DashboardName"]] = parameters["DashboardBody"]
        self._context.accept("PutDashboard", parameters["DashboardName"])
        return {"DashboardValidationMessages": []}

    def _list_dashboards(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "DashboardEntries": [{"DashboardName": name} for name in self.dashboards if name.startswith(parameters["DashboardNamePrefix"])]
        }

    def _delete_dashboards(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        for name in parameters["DashboardNames"]:
            if name not in self.dashboards:
                raise self._context.refuse("DeleteDashboards", name, "DashboardNotFoundError", f"Dashboard {name} does not exist")
        for name in parameters["DashboardNames"]:
            del self.dashboards[name]
            self._context.accept("DeleteDashboards", name)
        return {}
