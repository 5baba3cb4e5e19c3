"""When a schedule is due: rate(...), cron(...) and at(...) in a time zone. Pure.

Source: EventBridge Scheduler user guide, "Schedule types" with its daylight saving rules (a time that does not exist is skipped, one
that comes twice is run once); EventBridge user guide, "Cron expressions".
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

_MINUTE: Final = timedelta(minutes=1)
_RATE: Final = re.compile(r"rate\((\d+) (minute|hour|day)(s?)\)")
_AT: Final = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)")
_CRON: Final = re.compile(r"cron\((\S+) (\S+) (\S+) (\S+) (\S+) (\S+)\)")
_UNITS: Final = {"minute": 1, "hour": 60, "day": 1440}
_MONTHS: Final = {name.upper(): number for number, name in enumerate(calendar.month_abbr) if name}
_DAYS: Final = {name: number for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), 1)}

Match = Callable[[datetime], bool]


@dataclass(frozen=True, slots=True)
class Rate:
    every: timedelta

    def due(self, after: datetime, until: datetime, start: datetime, _: ZoneInfo) -> Iterator[datetime]:
        passed = max(0, (after - start) // self.every + 1) if after >= start else 0
        at = start + passed * self.every
        while at <= until:
            yield at
            at += self.every


@dataclass(frozen=True, slots=True)
class Once:
    at: datetime

    def due(self, after: datetime, until: datetime, _: datetime, zone: ZoneInfo) -> Iterator[datetime]:
        at = self.at.replace(tzinfo=zone)
        if after < at <= until:
            yield at.astimezone(after.tzinfo)


@dataclass(frozen=True, slots=True)
class Cron:
    fields: tuple[Match, ...]

    def due(self, after: datetime, until: datetime, start: datetime, zone: ZoneInfo) -> Iterator[datetime]:
        at = max(after, start).replace(second=0, microsecond=0)
        while (at := at + _MINUTE) <= until:
            local = at.astimezone(zone)
            if not local.fold and all(match(local) for match in self.fields):
                yield at


When = Rate | Once | Cron
"""`due(after, until, start, zone)`: the moments in (after, until], for a schedule that counts from `start`."""


def parse(text: str) -> When:
    """ValueError for what AWS refuses."""
    if found := _RATE.fullmatch(text):
        number, unit, plural = int(found[1]), found[2], found[3]
        if not number or bool(plural) != (number > 1):
            raise ValueError(f"{text}: give rate(1 minute) or rate(5 minutes)")
        return Rate(timedelta(minutes=number * _UNITS[unit]))
    if found := _AT.fullmatch(text):
        return Once(datetime.fromisoformat(found[1]))
    if found := _CRON.fullmatch(text):
        return _cron(*found.groups())
    raise ValueError(f"{text} is neither rate(...), cron(...) of six fields nor at(...)")


def _cron(minutes: str, hours: str, days: str, months: str, weekdays: str, years: str) -> Cron:
    if (days == "?") == (weekdays == "?"):
        raise ValueError("exactly one of day of month and day of week must be ?")
    minute, hour = _numbers(minutes, 0, 59), _numbers(hours, 0, 23)
    month, year = _numbers(months, 1, 12, _MONTHS), _numbers(years, 1970, 2199)
    return Cron(
        (
            lambda at: at.minute in minute,
            lambda at: at.hour in hour,
            _day_of_month(days) if weekdays == "?" else _day_of_week(weekdays),
            lambda at: at.month in month,
            lambda at: at.year in year,
        )
    )


def _numbers(text: str, low: int, high: int, names: dict[str, int] | None = None) -> frozenset[int]:
    """Lists of numbers, ranges and steps: 1,3-5,0/15,*."""
    found: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        if span == "*":
            begin, end = low, high
        else:
            begin = _number(first, names)
            end = _number(last, names) if last else high if step else begin
        if not low <= begin <= end <= high or (step and (not step.isdigit() or int(step) < 1)):
            raise ValueError(f"{part} is not within {low}-{high}")
        found.update(range(begin, end + 1, int(step or 1)))
    return frozenset(found)


def _number(text: str, names: dict[str, int] | None) -> int:
    if names and text.upper() in names:
        return names[text.upper()]
    if not text.isdigit():
        raise ValueError(f"{text} is no number")
    return int(text)


def _day_of_month(text: str) -> Match:
    """L is the last day, 15W the weekday that is nearest to the 15th."""
    if text == "L":
        return lambda at: at.day == _last(at)
    if text == "LW":
        return lambda at: at.day == _nearest(at, _last(at))
    if text.endswith("W"):
        wanted = _number(text[:-1], None)
        if not 1 <= wanted <= 31:
            raise ValueError(f"{text} is not within 1-31")
        return lambda at: wanted <= _last(at) and at.day == _nearest(at, wanted)
    days = _numbers(text, 1, 31)
    return lambda at: at.day in days


def _last(at: datetime) -> int:
    return calendar.monthrange(at.year, at.month)[1]


def _nearest(at: datetime, day: int) -> int:
    """Within the month: the 1st on a Saturday is Monday the 3rd."""
    weekday = calendar.weekday(at.year, at.month, day)
    if weekday == calendar.SATURDAY:
        return day - 1 if day > 1 else day + 2
    if weekday == calendar.SUNDAY:
        return day + 1 if day < _last(at) else day - 2
    return day


def _day_of_week(text: str) -> Match:
    """1 or SUN to 7 or SAT; 6L is the last Friday, 3#2 the second Tuesday."""
    if text.upper().endswith("L") and text != "L":
        wanted = _one_weekday(text[:-1])
        return lambda at: _weekday(at) == wanted and at.day + 7 > _last(at)
    if "#" in text:
        name, _, number = text.partition("#")
        wanted, which = _one_weekday(name), _number(number, None)
        if not 1 <= which <= 5:
            raise ValueError(f"{text} is not within 1-5")
        return lambda at: _weekday(at) == wanted and (at.day - 1) // 7 + 1 == which
    days = frozenset({7}) if text == "L" else _numbers(text, 1, 7, _DAYS)
    return lambda at: _weekday(at) in days


def _one_weekday(text: str) -> int:
    (wanted,) = _numbers(text, 1, 7, _DAYS)
    return wanted


def _weekday(at: datetime) -> int:
    return at.isoweekday() % 7 + 1
