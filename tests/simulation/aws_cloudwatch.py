"""CloudWatch alarms: a record each; nothing evaluates them here (whether an alarm goes off is said by a model's archive, aws_hosting.py).

Source: Amazon CloudWatch API Reference (PutMetricAlarm overwrites; DescribeAlarms does not mention absent names; DeleteAlarms of an
absent name is ResourceNotFound; ListTagsForResource: ResourceNotFoundException).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tests.simulation.aws import Context, Handler, Refused, Tags


class CloudWatch:
    """Alarms by name."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.alarms: dict[str, Mapping[str, Any]] = {}

    def handlers(self) -> dict[str, Handler]:
        return {
            "cloudwatch:PutMetricAlarm": self._put,
            "cloudwatch:DescribeAlarms": self._describe,
            "cloudwatch:DeleteAlarms": self._delete,
            "cloudwatch:ListTagsForResource": self._tags,
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
