"""A job run as GetJobRun shows it. State only; `runs` moves it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from local_aws.lifecycle import Halt, Lifecycle
from local_aws.sagemaker.store import Summary

TERMINAL = frozenset({"STOPPED", "SUCCEEDED", "FAILED", "TIMEOUT", "ERROR", "EXPIRED"})


class JobRun:
    """One run; every change replaces `body` and appends a summary, so that lists may lag."""

    def __init__(self, body: Mapping[str, Any], now: datetime, changed: Callable[[JobRun], None]) -> None:
        self.name: str = body["Id"]
        self.job_name: str = body["JobName"]
        self.started = now
        self.body: Mapping[str, Any] = {}
        self.summaries: list[Summary] = []
        self.lifecycle: Lifecycle | None = None
        self._changed = changed
        self._lock = threading.RLock()
        self._replace({**body, "StartedOn": now, "JobRunState": "STARTING", "ExecutionTime": 0}, now)

    def halt(self, halt: Halt) -> None:
        """End the job from outside; without effect when it is ending already."""
        if self.lifecycle is not None:
            self.lifecycle.halt(halt)

    @property
    def state(self) -> str:
        state: str = self.body["JobRunState"]
        return state

    @property
    def active(self) -> bool:
        return self.state not in TERMINAL

    def moved(self, state: str, now: datetime, **members: object) -> None:
        """Go to `state` unless the run has ended; RUNNING never follows STOPPING."""
        with self._lock:
            if not self.active or (state == "RUNNING" and self.state == "STOPPING"):
                return
            self._replace({**self.body, "JobRunState": state, **members}, now)
            self._changed(self)

    def _replace(self, body: Mapping[str, Any], now: datetime) -> None:
        self.body = {**body, "LastModifiedOn": now}
        self.summaries.append(Summary(self.name, self.started, now, body["JobRunState"], self.body))
