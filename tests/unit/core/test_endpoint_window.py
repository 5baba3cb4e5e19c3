"""activeWindow: what the clock on the wall says, minute by minute, through nights, weeks and changes of clocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagemaker_gitops.api.endpoint_upkeep import ActiveWindow
from sagemaker_gitops.api.parse import ValidationFailed, read
from sagemaker_gitops.core.kinds.model_endpoint.window import DAYS, window_state

ZURICH = ZoneInfo("Europe/Zurich")


def window(days: list[str], from_: str, to: str, zone: str = "Europe/Zurich") -> ActiveWindow:
    return read(ActiveWindow, {"days": days, "from": from_, "to": to, "timeZone": zone})


def at(text: str, fold: int = 0) -> datetime:
    """A local time in Zurich."""
    return datetime.fromisoformat(text).replace(tzinfo=ZURICH, fold=fold).astimezone(UTC)


WEEK = ["Mon-Fri"]
CASES: dict[str, tuple[ActiveWindow, str, bool, str, str]] = {
    "in the morning": (window(WEEK, "07:00", "19:00"), "2026-11-20T07:00", True, "2026-11-20T07:00", "2026-11-20T19:00"),
    "at closing time": (window(WEEK, "07:00", "19:00"), "2026-11-20T19:00", False, "2026-11-23T07:00", "2026-11-23T19:00"),
    "on Saturday": (window(WEEK, "07:00", "19:00"), "2026-11-21T12:00", False, "2026-11-23T07:00", "2026-11-23T19:00"),
    "over midnight": (window(WEEK, "22:00", "06:00"), "2026-11-21T05:59", True, "2026-11-20T22:00", "2026-11-21T06:00"),
    "not on Sunday night": (window(WEEK, "22:00", "06:00"), "2026-11-23T05:00", False, "2026-11-23T22:00", "2026-11-24T06:00"),
    "over the weekend": (window(["Fri-Mon"], "00:00", "24:00"), "2026-11-22T12:00", True, "2026-11-20T00:00", "2026-11-24T00:00"),
    "a list": (window(["Mon", "Wed-Thu"], "08:00", "09:00"), "2026-11-17T10:00", False, "2026-11-18T08:00", "2026-11-18T09:00"),
    "once a week": (window(["Sat"], "08:00", "09:00"), "2026-11-21T09:00", False, "2026-11-28T08:00", "2026-11-28T09:00"),
    "a short day": (window(["Mon-Sun"], "01:00", "04:00"), "2026-03-29T01:30", True, "2026-03-29T01:00", "2026-03-29T04:00"),
    "opens in the gap": (window(["Mon-Sun"], "02:30", "05:00"), "2026-03-29T01:59", False, "2026-03-29T03:30", "2026-03-29T05:00"),
    "closes in the gap": (window(["Mon-Sun"], "01:00", "02:30"), "2026-03-29T03:10", True, "2026-03-29T01:00", "2026-03-29T03:30"),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.capability("A7")
def test_windows(name: str) -> None:
    """Start included, end excluded."""
    spec, now, is_open, start, end = CASES[name]
    found = window_state(spec, at(now))
    assert (found.open, found.start, found.end) == (is_open, at(start), at(end))


def test_a_time_that_comes_twice_opens_at_the_first_and_closes_at_the_second() -> None:
    """On 25 October 2026 02:00 to 03:00 comes twice in Zurich."""
    opening = window_state(window(["Sun"], "02:30", "05:00"), at("2026-10-25T01:00"))
    assert opening.start == at("2026-10-25T02:30", fold=0)
    closing = window_state(window(["Sun"], "01:00", "02:30"), at("2026-10-25T01:30"))
    assert closing.end == at("2026-10-25T02:30", fold=1)
    assert closing.end - closing.start == timedelta(hours=2, minutes=30)


def test_a_window_that_never_closes_is_open_for_a_week_at_least() -> None:
    """Looked at again by then."""
    found = window_state(window(["Mon-Sun"], "00:00", "24:00"), at("2026-11-21T12:00"))
    assert found.open
    assert found.end - at("2026-11-21T12:00") > timedelta(days=7)


CLOCK = st.times().map(lambda value: f"{value:%H:%M}")
ZONES = st.sampled_from(
    ["UTC", "Europe/Zurich", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia", "America/Sao_Paulo"]
)
MOMENTS = st.datetimes(datetime(2011, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))


@st.composite
def specs(draw: st.DrawFn) -> ActiveWindow:
    days = draw(st.sets(st.sampled_from(DAYS), min_size=1))
    from_ = draw(CLOCK)
    return window(sorted(days), from_, draw(CLOCK.filter(lambda to: to != from_) | st.just("24:00")), draw(ZONES))


@given(specs(), MOMENTS)
def test_a_window_is_around_now_or_ahead_of_it(spec: ActiveWindow, now: datetime) -> None:
    """And every moment until its edge gives the same answer."""
    found = window_state(spec, now)
    assert found.start < found.end
    assert found.open is (found.start <= now)
    edge = found.end if found.open else found.start
    assert now < edge
    between = now + (edge - now) / 2
    assert window_state(spec, between).open is found.open
    assert window_state(spec, edge).open is not found.open or found.end - now > timedelta(days=7)


@given(specs(), MOMENTS)
def test_a_window_is_what_the_clock_on_the_wall_says(spec: ActiveWindow, now: datetime) -> None:
    """Away from changes of clocks: weekday and time of day decide."""
    zone = ZoneInfo(spec.time_zone)
    local = now.astimezone(zone)
    if len({(now + timedelta(hours=hours)).astimezone(zone).utcoffset() for hours in range(-50, 51)}) > 1:
        return
    clock, to = f"{local:%H:%M}", spec.to
    today, yesterday = DAYS[local.weekday()] in spec.days, DAYS[local.weekday() - 1] in spec.days
    within_a_day = today and spec.from_ <= clock < to
    over_midnight = (today and clock >= spec.from_) or (yesterday and clock < to)
    assert window_state(spec, now).open is (within_a_day if to > spec.from_ else over_midnight)


WRONG: tuple[tuple[dict[str, Any], str], ...] = (
    ({"days": ["Mo"]}, "days[0]: must be a day or a range of days, such as Sat or Mon-Fri"),
    ({"days": []}, "days"),
    ({"from": "7:00"}, 'from: must be a time of day in quotes, such as "07:00"'),
    ({"from": "24:00"}, "from"),
    ({"to": "25:00"}, "to: "),
    ({"to": "07:00"}, "to: from and to are the same time"),
    ({"timeZone": "Europe/Atlantis"}, "timeZone: must be a time zone of the IANA database, such as Europe/Zurich or UTC"),
    ({"timeZone": "../etc/passwd"}, "timeZone: must be a time zone"),
)


@pytest.mark.parametrize(("change", "words"), WRONG)
def test_a_window_that_cannot_be_is_refused(change: dict[str, Any], words: str) -> None:
    """With field and fix."""
    with pytest.raises(ValidationFailed) as failed:
        read(ActiveWindow, {"days": ["Mon"], "from": "07:00", "to": "19:00", "timeZone": "UTC"} | change)
    assert words in "; ".join(f"{path}: {message}" for path, message in failed.value.findings)
