"""Waiting with a deadline: the one place of this package that polls."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class DeadlineExceededError(TimeoutError):
    """What was waited for did not happen in time."""


def wait_until(predicate: Callable[[], T | None], *, timeout: float, waiting_for: str, interval: float = 0.05) -> T:
    """Call `predicate` every `interval` seconds until it answers something true, and return that.

    Raises:
        DeadlineExceededError: nothing true within `timeout` seconds; names `waiting_for`.
    """
    deadline = time.monotonic() + timeout
    while True:
        answer = predicate()
        if answer:
            return answer
        if time.monotonic() >= deadline:
            raise DeadlineExceededError(f"waited {timeout:.0f} s for {waiting_for}")
        time.sleep(interval)
