"""Schedule expressions: when an execution is due and which hours of data it looks at. Pure.

Source: API reference of ScheduleConfig: NOW, every hour, once a day, or every N hours from an hour of the day on, in UTC.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

HOUR: Final = timedelta(hours=1)
_CRON: Final = re.compile(r"cron\(0 (\*|\d{1,2})(?:/(\d{1,2}))? \? \* \* \*\)")
_OFFSET: Final = re.compile(r"(-?)P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")
NOW: Final = "NOW"


@dataclass(frozen=True, slots=True)
class Every:
    """Due at `start` o'clock and every `hours` from there; looks at as many hours."""

    start: int
    hours: int

    def due(self, at: datetime) -> bool:
        """Whether a whole hour is one of them."""
        return (at.hour - self.start) % 24 % self.hours == 0

    @property
    def window(self) -> timedelta:
        return self.hours * HOUR


def parse(text: str) -> Every | None:
    """None for NOW; ValueError for what is neither."""
    if text == NOW:
        return None
    found = _CRON.fullmatch(text)
    if found is None:
        raise ValueError(text)
    start, step = found.groups()
    if start == "*":
        if step is not None:
            raise ValueError(text)
        return Every(0, 1)
    every = Every(int(start), int(step or 24))
    if every.start > 23 or not 1 <= every.hours <= 24:
        raise ValueError(text)
    return every


def offset(text: str) -> timedelta:
    """An ISO 8601 duration as -PT1H or P1D; ValueError."""
    found = _OFFSET.fullmatch(text)
    if found is None or not any(found.groups()[1:]):
        raise ValueError(text)
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups()[1:])
    length = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    return -length if found[1] else length


def whole_hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)


def hours(begin: datetime, end: datetime) -> Iterator[datetime]:
    """The whole hours of a window: each is a folder of captured data."""
    at = whole_hour(begin)
    while at < end:
        yield at
        at += HOUR
