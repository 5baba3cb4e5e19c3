"""One alarm: its definition, its state and its history, as DescribeAlarms and DescribeAlarmHistory show them.

Sources: API reference of MetricAlarm and AlarmHistoryItem; the JSON inside a history item from histories quoted in public code.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

from local_aws.cloudwatch.check import period_of
from local_aws.cloudwatch.evaluation import Rule, State
from local_aws.metric_store import Metric

CREATED: Final = "Unchecked: Initial alarm creation"
_HISTORY: Final = 1000
ACTIONS: Final[Mapping[State, str]] = {"OK": "OKActions", "ALARM": "AlarmActions", "INSUFFICIENT_DATA": "InsufficientDataActions"}


@dataclass(frozen=True, slots=True)
class Standing:
    """The state of an alarm since `since`; `data` is the JSON text that AWS calls StateReasonData, "" for none."""

    value: State
    reason: str
    data: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of the history."""

    at: datetime
    kind: str
    summary: str
    data: str


class Alarm:
    """`request` holds the members of the last PutMetricAlarm. `lock` guards every change."""

    def __init__(self, request: Mapping[str, Any], arn: str, now: datetime) -> None:
        self.name: str = request["AlarmName"]
        self.arn = arn
        self.id = str(uuid4())
        self.lock = threading.RLock()
        self.standing = Standing("INSUFFICIENT_DATA", CREATED, "", now)
        self.history: deque[Item] = deque(maxlen=_HISTORY)
        self.actions_enabled = True
        self._define(request, now)
        self.note(now, "ConfigurationUpdate", f'Alarm "{self.name}" created', {"version": "1.0", "type": "Create"})

    def update(self, request: Mapping[str, Any], now: datetime) -> None:
        """Replace the definition; the state stays as it is."""
        with self.lock:
            self._define(request, now)
            self.note(now, "ConfigurationUpdate", f'Alarm "{self.name}" updated', {"version": "1.0", "type": "Update"})

    def _define(self, request: Mapping[str, Any], now: datetime) -> None:
        self.request = {name: value for name, value in request.items() if name != "Tags"}
        self.actions_enabled = request.get("ActionsEnabled", True)
        self.rule = Rule.of(request)
        self.period = period_of(request)
        self.configured = now

    @property
    def metric(self) -> Metric | None:
        """None of an alarm on metric math."""
        request = self.request
        return None if "Metrics" in request else Metric.of(request["Namespace"], request["MetricName"], request.get("Dimensions", ()))

    @property
    def statistic(self) -> str | None:
        """None of an alarm on metric math."""
        found: str | None = self.request.get("Statistic") or self.request.get("ExtendedStatistic")
        return found

    @property
    def queries(self) -> Sequence[Mapping[str, Any]]:
        """What is compared, as MetricDataQueries of which one returns data."""
        metric = self.metric
        if metric is None:
            listed: Sequence[Mapping[str, Any]] = self.request["Metrics"]
            return listed
        stat = {"Metric": metric.as_json(), "Period": self.period, "Stat": self.statistic}
        return [{"Id": "m1", "MetricStat": stat | ({"Unit": self.request["Unit"]} if "Unit" in self.request else {})}]

    def actions(self, state: State) -> Sequence[str]:
        """ARNs to be called for that state; none while actions are disabled."""
        return self.request.get(ACTIONS[state], ()) if self.actions_enabled else ()

    def note(self, at: datetime, kind: str, summary: str, data: Mapping[str, Any]) -> None:
        self.history.append(Item(at, kind, summary, json.dumps(data)))

    def describe(self) -> dict[str, Any]:
        """A MetricAlarm."""
        with self.lock:
            standing = self.standing
            return {
                "OKActions": [],
                "AlarmActions": [],
                "InsufficientDataActions": [],
                "Dimensions": [],
                **self.request,
                "AlarmArn": self.arn,
                "ActionsEnabled": self.actions_enabled,
                "AlarmConfigurationUpdatedTimestamp": self.configured,
                "StateValue": standing.value,
                "StateReason": standing.reason,
                "StateReasonData": standing.data or None,
                "StateUpdatedTimestamp": standing.since,
                "StateTransitionedTimestamp": standing.since,
            }


def as_history(standing: Standing) -> dict[str, Any]:
    """A state inside the HistoryData of a StateUpdate."""
    data = {"stateReasonData": json.loads(standing.data)} if standing.data else {}
    return {"stateValue": standing.value, "stateReason": standing.reason, **data}
