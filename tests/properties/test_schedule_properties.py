"""core.schedule against wall clocks that jump: every moment is meant by its expression, none is lost and none comes twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sagemaker_gitops.api.schedule import Schedule
from sagemaker_gitops.core.schedule import Passed, following, newest

ZONES = (
    "UTC",
    "Europe/Zurich",
    "America/New_York",
    "Australia/Lord_Howe",  # half an hour
    "Asia/Kathmandu",
    "Africa/Cairo",  # at midnight
    "America/Havana",  # at midnight
)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
moments = st.datetimes(datetime(2024, 1, 1), datetime(2028, 12, 31), timezones=st.just(UTC))
zones = st.sampled_from(ZONES)
daily = st.builds("{} {} * * *".format, st.integers(0, 59), st.integers(0, 23))
hourly = st.builds("{} * * * *".format, st.one_of(st.integers(0, 59), st.just("*/15")))
weekly = st.builds("{} {} * * {}".format, st.integers(0, 59), st.integers(0, 23), st.sampled_from(("MON", "0", "1-5", "SAT,SUN", "7")))
monthly = st.builds("{} {} {} * *".format, st.integers(0, 59), st.integers(0, 23), st.sampled_from(("1", "28", "31", "L", "*/10")))
schedules = st.builds(lambda cron, zone: Schedule(cron=cron, time_zone=zone), st.one_of(daily, hourly, weekly, monthly), zones)


def listed(schedule: Schedule, start: datetime, end: datetime) -> list[datetime]:
    """Every moment in (start, end], one after another."""
    found = []
    while (start := following(schedule, start) or end + DAY) <= end:
        found.append(start)
    return found


@given(schedules, moments)
def test_the_next_moment_is_later_and_stands_alone(schedule: Schedule, now: datetime) -> None:
    """Asked a moment before it, the answer is the same; asked at it, it is the one after it."""
    moment = following(schedule, now)
    assert moment is not None
    assert moment > now
    assert following(schedule, moment - timedelta(seconds=1)) == moment
    assert (following(schedule, moment) or moment) > moment


@given(st.builds(lambda cron, zone: Schedule(cron=cron, time_zone=zone), daily, zones), moments)
@settings(max_examples=30, deadline=None)
def test_once_a_day_is_once_a_day_whatever_the_clocks_do(schedule: Schedule, start: datetime) -> None:
    """One moment for each local date, days with 23 and with 25 hours included (a date that a zone left out has none)."""
    zone = ZoneInfo(schedule.time_zone or "UTC")
    first = following(schedule, start)
    assert first is not None
    dates = [moment.astimezone(zone).date() for moment in listed(schedule, first, first + 400 * DAY)]
    assert len(dates) == len(set(dates))
    assert all((later - earlier).days == 1 for earlier, later in pairwise(dates))


@given(st.builds(lambda cron, zone: Schedule(cron=cron, time_zone=zone), daily, zones), moments)
def test_a_moment_shows_its_time_on_the_wall_unless_the_clock_skips_it(schedule: Schedule, start: datetime) -> None:
    """A time in the gap comes right after it."""
    zone = ZoneInfo(schedule.time_zone or "UTC")
    moment = following(schedule, start)
    assert moment is not None
    minute, hour = map(int, schedule.cron.split()[:2])
    local = moment.astimezone(zone)
    wanted = local.replace(hour=hour, minute=minute, fold=0)
    skipped = wanted.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != wanted.replace(tzinfo=None)
    assert (local.hour, local.minute) == (hour, minute) or skipped


@given(
    st.builds(lambda zone: Schedule(cron="0 * * * *", time_zone=zone), st.sampled_from(("UTC", "Europe/Zurich", "America/New_York"))),
    moments,
)
def test_every_hour_is_every_hour_whatever_the_clocks_do(schedule: Schedule, now: datetime) -> None:
    """Counted in hours that pass, not in hours on the wall."""
    first = following(schedule, now)
    assert first is not None
    assert following(schedule, first) == first + timedelta(hours=1)


@given(schedules, moments, st.integers(1, 60 * 24 * 45))
@settings(max_examples=60, deadline=None)
def test_the_newest_moment_is_the_last_of_all(schedule: Schedule, since: datetime, minutes: int) -> None:
    """As a list of all of them says, and so is the first that was missed."""
    now = since + minutes * MINUTE
    every = listed(schedule, since, now)
    assert newest(schedule, since, now) == (Passed(every[-1], every[0] if len(every) > 1 else None) if every else None)


@pytest.mark.parametrize(
    ("cron", "after", "moments"),
    [
        ("30 2 * * *", datetime(2026, 3, 28, 12), [datetime(2026, 3, 29, 1, 0), datetime(2026, 3, 30, 0, 30)]),  # 02:30 is skipped
        ("30 2 * * *", datetime(2026, 10, 24, 12), [datetime(2026, 10, 25, 0, 30), datetime(2026, 10, 26, 1, 30)]),  # 02:30 comes twice
        ("30 2 * * *", datetime(2026, 10, 25, 1, 0), [datetime(2026, 10, 26, 1, 30)]),  # asked between the two
        ("0 2 29 2 *", datetime(2026, 1, 1), [datetime(2028, 2, 29, 1, 0)]),
    ],
)
def test_zurich(cron: str, after: datetime, moments: list[datetime]) -> None:
    """The nights on which the clocks are changed, by hand."""
    schedule, start = Schedule(cron=cron, time_zone="Europe/Zurich"), after.replace(tzinfo=UTC)
    for moment in moments:
        start = following(schedule, start) or start
        assert start == moment.replace(tzinfo=UTC)


def test_years_without_an_operator_are_looked_through_quickly() -> None:
    """A schedule of minutes and one of years."""
    since, now = datetime(2016, 1, 1, tzinfo=UTC), datetime(2026, 11, 21, 10, tzinfo=UTC)
    assert newest(Schedule(cron="* * * * *"), since, now) == Passed(now, since + MINUTE)
    assert newest(Schedule(cron="0 0 29 2 *"), since, now) == Passed(datetime(2024, 2, 29, tzinfo=UTC), datetime(2016, 2, 29, tzinfo=UTC))
    assert newest(Schedule(cron="0 0 29 2 *"), datetime(2024, 3, 1, tzinfo=UTC), now) is None
