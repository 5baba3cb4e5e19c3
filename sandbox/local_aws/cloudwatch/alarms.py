"""Alarms: Put, Describe, Delete, SetAlarmState, history and enabling of actions.

The only store of alarms: moto's, which are never evaluated, cannot be reached. Composite alarms are refused. Sources: API
reference of the operations.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from typing import Any, Final

from local_aws.cloudwatch import words
from local_aws.cloudwatch.alarm import Alarm, Standing
from local_aws.cloudwatch.check import check
from local_aws.cloudwatch.evaluator import Evaluator
from local_aws.cloudwatch.paging import page
from local_aws.cloudwatch.tags import Tags
from local_aws.metric_store import Metric
from local_aws.service import Call, Operations
from local_aws.services import Services

_DESCRIBED: Final = 50
_HISTORY: Final = 100


class Alarms:
    """All alarms of one world, by name."""

    def __init__(self, services: Services, tags: Tags) -> None:
        self._services = services
        self._tags = tags
        self._lock = threading.Lock()
        self._alarms: dict[str, Alarm] = {}
        self._evaluator = Evaluator(services, self.all)

    def operations(self) -> Operations:
        handlers = {
            "PutMetricAlarm": self.put,
            "DescribeAlarms": self.describe,
            "DescribeAlarmsForMetric": self.describe_for_metric,
            "DescribeAlarmHistory": self.history,
            "DeleteAlarms": self.delete,
            "SetAlarmState": self.set_state,
            "EnableAlarmActions": lambda call: self._switch(call, True),
            "DisableAlarmActions": lambda call: self._switch(call, False),
        }
        return {("cloudwatch", operation): handler for operation, handler in handlers.items()}

    def all(self) -> list[Alarm]:
        with self._lock:
            return list(self._alarms.values())

    def by_arn(self, arn: str) -> Alarm | None:
        return next((alarm for alarm in self.all() if alarm.arn == arn), None)

    def close(self) -> None:
        self._evaluator.close()

    def put(self, call: Call) -> dict[str, Any]:
        request = call.params
        check(request)
        name, now = request["AlarmName"], self._services.now()
        with self._lock:
            present = self._alarms.get(name)
            if present is None:
                alarm = self._alarms[name] = Alarm(request, self._arn(name), now)
                self._tags.put(alarm.arn, request.get("Tags", ()))
        if present is not None:
            present.update(request, now)
        self._evaluator.changed()
        return {}

    def describe(self, call: Call) -> dict[str, Any]:
        params = call.params
        if "AlarmNames" in params and "AlarmNamePrefix" in params:
            raise words.validation("AlarmNamePrefix and AlarmNames cannot be specified together.")
        chosen = [] if _others(params) else [described for alarm in self.all() if _chosen(described := alarm.describe(), params)]
        chosen.sort(key=lambda described: described["AlarmName"])
        found, token = page(chosen, params, params.get("MaxRecords", _DESCRIBED))
        return {"MetricAlarms": found, "CompositeAlarms": [], "NextToken": token}

    def describe_for_metric(self, call: Call) -> dict[str, Any]:
        params = call.params
        metric = Metric.of(params["Namespace"], params["MetricName"], params.get("Dimensions", ()))
        alike = ("Statistic", "ExtendedStatistic", "Period", "Unit")
        found = [
            alarm.describe()
            for alarm in self.all()
            if alarm.metric == metric and all(params.get(member) in (None, alarm.request.get(member)) for member in alike)
        ]
        return {"MetricAlarms": found}

    def delete(self, call: Call) -> dict[str, Any]:
        """A name that does not exist is passed over, as AWS does."""
        with self._lock:
            for name in call.params["AlarmNames"]:
                alarm = self._alarms.pop(name, None)
                if alarm is not None:
                    self._tags.drop(alarm.arn)
        self._evaluator.changed()
        return {}

    def set_state(self, call: Call) -> dict[str, Any]:
        """For a while: the next evaluation sets what it finds."""
        params = call.params
        alarm = self._get(params["AlarmName"])
        data = params.get("StateReasonData", "")
        try:
            json.loads(data or "{}")
        except ValueError as error:
            raise words.invalid_format("StateReasonData is not valid JSON.") from error
        self._evaluator.become(alarm, Standing(params["StateValue"], params["StateReason"], data, self._services.now()))
        return {}

    def history(self, call: Call) -> dict[str, Any]:
        params = call.params
        kind, begin, end = params.get("HistoryItemType"), params.get("StartDate"), params.get("EndDate")
        items: list[dict[str, Any]] = [
            {
                "AlarmName": alarm.name,
                "AlarmType": "MetricAlarm",
                "Timestamp": item.at,
                "HistoryItemType": item.kind,
                "HistorySummary": item.summary,
                "HistoryData": item.data,
            }
            for alarm in self.all()
            if params.get("AlarmName") in (None, alarm.name) and "MetricAlarm" in params.get("AlarmTypes", ["MetricAlarm"])
            for item in tuple(alarm.history)
            if kind in (None, item.kind) and (begin is None or item.at >= begin) and (end is None or item.at <= end)
        ]
        if params.get("ScanBy", "TimestampDescending") == "TimestampDescending":
            items.reverse()
            items.sort(key=lambda item: item["Timestamp"], reverse=True)
        else:
            items.sort(key=lambda item: item["Timestamp"])
        found, token = page(items, params, params.get("MaxRecords", _HISTORY))
        return {"AlarmHistoryItems": found, "NextToken": token}

    def _switch(self, call: Call, enabled: bool) -> dict[str, Any]:
        for name in call.params["AlarmNames"]:
            alarm = self._alarms.get(name)
            if alarm is not None:
                alarm.actions_enabled = enabled
        return {}

    def _get(self, name: str) -> Alarm:
        alarm = self._alarms.get(name)
        if alarm is None:
            raise words.alarm_absent()
        return alarm

    def _arn(self, name: str) -> str:
        world = self._services.world
        return f"arn:aws:cloudwatch:{world.region}:{world.account}:alarm:{name}"


def _others(params: Mapping[str, Any]) -> bool:
    """Whether the request asks for composite alarms only, of which there are none."""
    return (
        "MetricAlarm" not in params.get("AlarmTypes", ["MetricAlarm"]) or "ChildrenOfAlarmName" in params or "ParentsOfAlarmName" in params
    )


def _chosen(alarm: Mapping[str, Any], params: Mapping[str, Any]) -> bool:
    prefix = params.get("ActionPrefix")
    called = [*alarm["AlarmActions"], *alarm["OKActions"], *alarm["InsufficientDataActions"]]
    return (
        ("AlarmNames" not in params or alarm["AlarmName"] in params["AlarmNames"])
        and alarm["AlarmName"].startswith(params.get("AlarmNamePrefix", ""))
        and params.get("StateValue") in (None, alarm["StateValue"])
        and (prefix is None or any(action.startswith(prefix) for action in called))
    )
