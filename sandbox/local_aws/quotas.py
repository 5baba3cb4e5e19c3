"""Service quotas per instance type and use: refused in AWS's words, shown and set at `/_local/quotas`.

One `Quotas` per world, shared by the families that run on instances.
"""

from __future__ import annotations

import threading
from typing import Any

from local_aws.errors import AwsError

# High enough that nobody who did not set a quota meets one.
DEFAULT_LIMIT = 10_000


class Quotas:
    """Counts instances in use by quota name (`ml.m5.large for training job usage`), AWS's own quota names."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._limits: dict[str, int] = {}
        self._used: dict[str, int] = {}

    def reserve(self, name: str, count: int) -> None:
        """Take `count` instances of a quota or raise ResourceLimitExceeded."""
        with self._lock:
            used = self._used.get(name, 0)
            limit = self._limits.get(name, DEFAULT_LIMIT)
            if used + count > limit:
                raise AwsError("ResourceLimitExceeded", _refusal(name, limit, used, count))
            self._used[name] = used + count

    def release(self, name: str, count: int) -> None:
        with self._lock:
            self._used[name] = self._used.get(name, 0) - count

    def report(self) -> dict[str, Any]:
        """Limit and utilisation of every quota that was set or used."""
        with self._lock:
            names = sorted(self._limits.keys() | self._used.keys())
            return {name: {"limit": self._limits.get(name, DEFAULT_LIMIT), "used": self._used.get(name, 0)} for name in names}

    def configure(self, values: dict[str, Any]) -> None:
        """Set limits by quota name; null restores the default. ValueError names the wrong field."""
        for name, limit in values.items():
            if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 0):
                raise ValueError(f"{name}: a quota is a whole number >= 0 or null, not {limit!r}")
        with self._lock:
            for name, limit in values.items():
                if limit is None:
                    self._limits.pop(name, None)
                else:
                    self._limits[name] = limit


def _refusal(name: str, limit: int, used: int, delta: int) -> str:
    return (
        f"The account-level service limit '{name}' is {limit} Instances, with current utilization of {used} "
        f"Instances and a request delta of {delta} Instances. Please use AWS Service Quotas to request an "
        "increase for this quota. If AWS Service Quotas is not available, contact AWS support to request an "
        "increase for this quota."
    )
