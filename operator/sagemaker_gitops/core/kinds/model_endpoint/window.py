"""When an endpoint serves, by the clocks of a place: a total function of activeWindow and a moment.

Local times are turned into instants at the edges only, so that a day of 23 or 25 hours needs no case of its own. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sagemaker_gitops.api.endpoint_upkeep import ActiveWindow

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
BEFORE, AHEAD = 9, 17  # days around now: within eight, every window has been closed once or never is


@dataclass(frozen=True, slots=True)
class Window:
    """`start` and `end`: of the time around now while it is open, of the next one otherwise; in UTC. Back-to-back days are one time.
    `always`: it never closes, and `start` and `end` are more than a week away.
    """

    open: bool
    start: datetime
    end: datetime

    @property
    def always(self) -> bool:
        return self.end - self.start > timedelta(days=8)


def window_state(spec: ActiveWindow, now: datetime) -> Window:
    """Open from `start` on, and until just before `end`. `now` is aware."""
    around = next(found for found in _merged(spec, now) if now < found[1])
    return Window(around[0] <= now, *around)


def _merged(spec: ActiveWindow, now: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Times in order, those that touch as one."""
    zone, days = ZoneInfo(spec.time_zone), _days(spec)
    today = now.astimezone(zone).date()
    current: tuple[datetime, datetime] | None = None
    for offset in range(-BEFORE, AHEAD + 1):
        day = today + timedelta(days=offset)
        if day.weekday() not in days:
            continue
        start, end = _instants(spec, day, zone)
        if current is not None and start <= current[1]:
            current = current[0], max(current[1], end)
            continue
        if current is not None:
            yield current
        current = start, end
    assert current is not None, "a window has a day, and every day of the week is within reach"
    yield current


def _days(spec: ActiveWindow) -> frozenset[int]:
    """Days of the week; a range may go over Sunday."""
    found: set[int] = set()
    for item in spec.days:
        first, _, last = item.partition("-")
        begin = DAYS.index(first)
        found |= {(begin + step) % 7 for step in range((DAYS.index(last or first) - begin) % 7 + 1)}
    return frozenset(found)


def _instants(spec: ActiveWindow, day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Of a time that comes twice, the first to open and the second to close; one that is left out moves on by what is left out."""
    whole_day = spec.to == "24:00"
    next_day = whole_day or spec.to <= spec.from_
    closing = time.fromisoformat("00:00" if whole_day else spec.to)
    opens = datetime.combine(day, time.fromisoformat(spec.from_), zone)
    closes = datetime.combine(day + timedelta(days=1) if next_day else day, closing, zone)
    return opens.astimezone(UTC), max(closes.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
