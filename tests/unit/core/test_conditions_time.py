"""Times in status are UTC, whatever zone the machine is in: botocore gives AWS's times in that zone."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from sagemaker_gitops.core.conditions import exact, moment, timestamp

IN_ZURICH = datetime(2026, 11, 21, 11, 0, 0, 123_456, tzinfo=ZoneInfo("Europe/Zurich"))


def test_a_time_of_another_zone_is_told_in_utc() -> None:
    assert (timestamp(IN_ZURICH), exact(IN_ZURICH)) == ("2026-11-21T10:00:00Z", "2026-11-21T10:00:00.123Z")


def test_what_was_told_is_read_again() -> None:
    assert moment(timestamp(IN_ZURICH)) == IN_ZURICH.replace(microsecond=0)
