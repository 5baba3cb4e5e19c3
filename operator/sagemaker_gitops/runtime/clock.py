"""The real clock behind ports.Clock. `monotonic` is the one that asyncio's event loop uses."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class SystemClock:
    """UTC wall-clock time, and monotonic seconds."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()
