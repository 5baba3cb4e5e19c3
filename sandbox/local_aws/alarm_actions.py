"""What an alarm hands to whom it calls; services register at `Services.alarm_actions` by the service of the action's ARN."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Rung:
    """An alarm in its new state (OK, ALARM or INSUFFICIENT_DATA), or still in it; `latest` is the last datapoint's value."""

    alarm: str
    state: str
    subject: str
    message: Mapping[str, Any]
    latest: float | None


AlarmAction = Callable[[str, Rung], None]
"""(action ARN, alarm) -> done; what it raises is told in the alarm's history."""
