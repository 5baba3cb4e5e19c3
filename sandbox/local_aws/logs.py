"""Log files of running processes, followed line by line into CloudWatch Logs in batches.

One thread follows every file; `Followed.finish` reads the rest when the process is gone, so that all lines
are there before the job's state says that it ended. Limits are those of PutLogEvents.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local_aws.clock import Clock

_INTERVAL = 0.5  # wall seconds between two looks at a file
_BATCH_LINES = 1_000
_LINE_BYTES = 8_192
_READ_BYTES = 1_048_576
_TAIL_BYTES = 65_536
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Line:
    at: datetime
    text: str


OnLines = Callable[[Sequence[Line]], None]


class Followed:
    """One log file on its way to one log stream; thread safe."""

    def __init__(self, shipper: LogShipper, path: Path, target: tuple[str, str], on_lines: OnLines | None) -> None:
        self._shipper = shipper
        self._path = path
        self._target = target
        self._on_lines = on_lines
        self._offset = 0
        self._rest = b""
        self._lock = threading.Lock()

    @property
    def target(self) -> tuple[str, str]:
        """Log group and stream."""
        return self._target

    def pump(self, *, last: bool = False) -> None:
        """Ship what was written since the last look; `last` also ships a line without a newline."""
        with self._lock:
            while lines := self._read(last=last):
                if self._on_lines is not None:
                    self._on_lines(lines)
                self._shipper.send(self._target, lines)

    def finish(self) -> None:
        """Ship the rest and stop following."""
        self._shipper.forget(self)
        self.pump(last=True)

    def _read(self, *, last: bool) -> list[Line]:
        if not self._path.exists():
            return []
        with self._path.open("rb") as source:
            source.seek(self._offset)
            chunk = source.read(_READ_BYTES)
        self._offset += len(chunk)
        *complete, self._rest = (self._rest + chunk).split(b"\n")
        if self._rest and (last and len(chunk) < _READ_BYTES):
            complete.append(self._rest)
            self._rest = b""
        at = self._shipper.clock.now()
        return [Line(at, line[:_LINE_BYTES].decode("utf-8", "replace").rstrip("\r")) for line in complete]


class LogShipper:
    """Creates groups and streams as needed and puts events; a refusal is logged and never stops a job."""

    def __init__(self, client: Any, clock: Clock) -> None:
        self.clock = clock
        self._client = client
        self._lock = threading.Lock()
        self._followed: list[Followed] = []
        self._groups: set[str] = set()
        self._known: set[tuple[str, str]] = set()
        self._wake = threading.Event()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def follow(self, path: Path, group: str, stream: str, on_lines: OnLines | None = None) -> Followed:
        """Follow `path` from its beginning (it may not exist yet) until `finish`."""
        followed = Followed(self, path, (group, stream), on_lines)
        with self._lock:
            self._followed.append(followed)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="log-shipper", daemon=True)
                self._thread.start()
        self._wake.set()
        return followed

    def forget(self, followed: Followed) -> None:
        with self._lock:
            if followed in self._followed:
                self._followed.remove(followed)

    def send(self, target: tuple[str, str], lines: Sequence[Line]) -> None:
        """Put lines into a stream, creating it at first use; empty lines are dropped (PutLogEvents refuses
        them).
        """
        # The wall's time: CloudWatch Logs, which knows no other here, refuses events from the future.
        stamp = int(time.time() * 1000)
        events = [{"timestamp": stamp, "message": line.text} for line in lines if line.text]
        group, stream = target
        try:
            self._ensure(target)
            for start in range(0, len(events), _BATCH_LINES):
                self._client.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events[start : start + _BATCH_LINES])
        except (BotoCoreError, ClientError):
            _log.exception("log lines for %s %s could not be sent", group, stream)

    def close(self) -> None:
        self._closed.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    def _ensure(self, target: tuple[str, str]) -> None:
        if target in self._known:
            return
        group, stream = target
        if group not in self._groups:
            self._create("create_log_group", logGroupName=group)
            self._groups.add(group)
        self._create("create_log_stream", logGroupName=group, logStreamName=stream)
        self._known.add(target)

    def _create(self, operation: str, **arguments: str) -> None:
        try:
            getattr(self._client, operation)(**arguments)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceAlreadyExistsException":
                raise

    def _run(self) -> None:
        while not self._closed.is_set():
            with self._lock:
                followed = list(self._followed)
            for each in followed:
                each.pump()
            if followed:
                self._closed.wait(_INTERVAL)
            else:
                self._wake.wait()
                self._wake.clear()


def tail(path: Path, lines: int, width: int = 400) -> list[str]:
    """The last non-empty lines of a log, each cut to `width` characters; empty when there is no log."""
    if not path.exists():
        return []
    with path.open("rb") as source:
        source.seek(0, 2)
        source.seek(max(0, source.tell() - _TAIL_BYTES))
        text = source.read().decode("utf-8", "replace")
    return [line.rstrip()[:width] for line in text.splitlines() if line.strip()][-lines:]
