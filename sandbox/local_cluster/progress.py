"""Progress of long work, on stderr, with or without a terminal.

A line says how long the work has run, what it does now and how long it should take, so that nobody takes
thirteen minutes of compiling for a hang. On a terminal the line is rewritten in place; without one a new
line is written every `QUIET_INTERVAL` seconds.
"""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType
from typing import Self, TextIO

TERMINAL_INTERVAL = 0.5
QUIET_INTERVAL = 15.0


def say(text: str, stream: TextIO | None = None) -> None:
    """Write one line to stderr at once."""
    print(text, file=stream or sys.stderr, flush=True)


def clock(seconds: float) -> str:
    """`seconds` as minutes and seconds: 75 is `1:15`."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


class Progress:
    """Shows that one piece of work goes on, until the `with` block ends.

    `expected` is a text such as "about 6 min". `detail` may be set from any thread while the work runs.
    """

    def __init__(self, work: str, expected: str, stream: TextIO | None = None) -> None:
        self.detail = ""
        self._work = work
        self._expected = expected
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._tick, name="progress", daemon=True)
        self._started = time.monotonic()

    def __enter__(self) -> Self:
        self._started = time.monotonic()
        say(f"{self._work} ({self._expected})", self._stream)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._done.set()
        self._thread.join()
        outcome = "done" if error is None else "failed"
        say(f"{self._clear()}{self._work}: {outcome} after {clock(self.elapsed)}", self._stream)

    @property
    def elapsed(self) -> float:
        """Seconds since the work began."""
        return time.monotonic() - self._started

    def line(self) -> str:
        """What is shown now."""
        detail = f": {self.detail}" if self.detail else ""
        return f"[{clock(self.elapsed)}] {self._work} ({self._expected}){detail}"

    def _tick(self) -> None:
        while not self._done.wait(TERMINAL_INTERVAL if self._terminal else QUIET_INTERVAL):
            end = "" if self._terminal else "\n"
            print(f"{self._clear()}{self.line()}", end=end, file=self._stream, flush=True)

    def _clear(self) -> str:
        return "\r\x1b[K" if self._terminal else ""
