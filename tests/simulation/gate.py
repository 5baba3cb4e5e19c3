"""The boundary between the operator and the world: every call passes it, and any call can go wrong on either side of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum


class Fault(StrEnum):
    """What happens to one call. REFUSED is a throttle at AWS, a 409 (writes) or a 429 (reads) at the API server."""

    CRASH_BEFORE = "crash-before"
    CRASH_AFTER = "crash-after"
    LOST = "lost-answer"
    ERROR = "error-not-executed"
    REFUSED = "refused"
    LATE = "executed-late"


class Crash(BaseException):
    """The operator process dies here. Not an Exception: nothing in the operator may handle it."""


class Gate:
    """Counts the calls of a run across restarts; call number n meets `faults[n]`.

    `pause` lets the world go on for the time a call takes, so that things happen in the middle of a pass. `calm`: no more faults.
    """

    def __init__(self, faults: Mapping[int, Fault], pause: Callable[[int], None]) -> None:
        self._faults = faults
        self._pause = pause
        self.labels: list[str] = []
        self.calm = False

    def enter(self, label: str) -> Fault | None:
        """Before the call reaches the server. Returns what still has to happen to it."""
        number = len(self.labels)
        self.labels.append(label)
        self._pause(number)
        fault = None if self.calm else self._faults.get(number)
        if fault is Fault.CRASH_BEFORE:
            raise Crash(f"before #{number} {label}")
        return fault

    def leave(self, fault: Fault | None) -> None:
        """After the server executed the call, before the operator sees the answer."""
        if fault is Fault.CRASH_AFTER:
            raise Crash(f"after #{len(self.labels) - 1} {self.labels[-1]}")
