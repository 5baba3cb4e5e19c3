"""Which moments a schedule means: the next one, and the newest that has passed. Pure; times are aware datetimes in UTC.

The arithmetic is cronsim's, which follows Debian's cron where clocks are changed: a time that is skipped runs right after the gap, a
time that comes twice runs once, and what runs at least hourly follows the clock of the wall.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim

from sagemaker_gitops.api.schedule import DEFAULT_TIME_ZONE, Schedule
from sagemaker_gitops.core.conditions import timestamp

# How far back the newest moment is looked for, shortest first: a schedule of minutes is found in the first, one of years in the last.
_WINDOWS = tuple(timedelta(hours=hours) for hours in (1, 26, 24 * 8, 24 * 33, 24 * 367, 24 * 366 * 50))


@dataclass(frozen=True, slots=True)
class Passed:
    """The newest moment that has passed since the last one that was heeded; `missed`: the first of the earlier ones, if there were any."""

    moment: datetime
    missed: datetime | None = None

    @property
    def words(self) -> str | None:
        """What a status says of the moments that nobody heeded."""
        if self.missed is None:
            return None
        since = timestamp(self.missed)
        return f"moments of the schedule were missed, from {since} on; only the newest, {timestamp(self.moment)}, is made up for"


def following(schedule: Schedule, after: datetime) -> datetime | None:
    """The first moment later than `after`; None when there is none in 50 years."""
    return next(_moments(schedule, after), None)


def newest(schedule: Schedule, since: datetime, now: datetime) -> Passed | None:
    """The newest moment in (since, now]."""
    for window in _WINDOWS:
        start = max(since, now - window)
        found: list[datetime] = []
        for moment in _moments(schedule, start):
            if moment > now:
                break
            found.append(moment)
        if found:
            first = following(schedule, since) if start > since else found[0]
            return Passed(found[-1], first if first != found[-1] else None)
        if start == since:
            return None
    return None


def _moments(schedule: Schedule, after: datetime) -> Iterator[datetime]:
    """Every moment later than `after`. Where a clock is set back, cronsim counts on from local time and may name one that has passed."""
    zone = ZoneInfo(schedule.time_zone or DEFAULT_TIME_ZONE)
    start = after.astimezone(UTC)
    for moment in CronSim(schedule.cron, start.astimezone(zone)):
        in_utc = moment.astimezone(UTC)
        if in_utc > start:
            yield in_utc
