"""When something runs by the clock: a cron expression and the time zone that it is meant in."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime
from typing import Annotated

from cronsim import CronSim, CronSimError

from sagemaker_gitops.api.base import Model, Text

DEFAULT_TIME_ZONE = "UTC"
_FIELD = r"[0-9A-Za-z*,/#-]+"
_CRON_WORDS = 'must be five fields in quotes: minute, hour, day of month, month, day of week, such as "0 2 * * *" or "30 6 * * MON-FRI"'
_ZONE_WORDS = "must be a time zone of the IANA database, such as Europe/Zurich or UTC"


def _cron(text: str) -> str:
    try:
        CronSim(text, datetime(2026, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        raise ValueError(f"{_CRON_WORDS} ({error})") from error
    return text


def _time_zone(text: str) -> str:
    try:
        zoneinfo.ZoneInfo(text)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(_ZONE_WORDS) from error
    return text


Cron = Annotated[str, Text(rf"{_FIELD}(?: {_FIELD}){{4}}", _CRON_WORDS, 100, convert=_cron)]
TimeZone = Annotated[str, Text(r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+){0,2}", _ZONE_WORDS, 64, convert=_time_zone)]


class Schedule(Model):
    """Moments that come again and again."""

    cron: Cron
    """Minute, hour, day of month, month, day of week. Example: "0 2 * * *"."""
    time_zone: TimeZone | None = None
    """Time zone of the expression. Where the clock is set forward, a skipped time runs right afterwards; where it is set back, a time
    that comes twice runs once. Example: Europe/Zurich. Left out: UTC.
    """
