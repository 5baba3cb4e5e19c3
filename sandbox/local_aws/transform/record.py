"""A transform job as Describe, List and the events show it. State only; `run` moves it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from local_aws.sagemaker.store import Summary

TERMINAL: Final = frozenset({"Completed", "Failed", "Stopped"})


class TransformJob:
    """One transform job; every change appends a summary and tells `changed`."""

    def __init__(self, arn: str, request: Mapping[str, Any], now: datetime, changed: Callable[[TransformJob], None]) -> None:
        self.name: str = request["TransformJobName"]
        self.arn = arn
        self.request = request
        self.status = "InProgress"
        self.created = self.modified = now
        self.started: datetime | None = None
        self.finished: datetime | None = None
        self.failure: str | None = None
        self.summaries: list[Summary] = []
        self.stop: Callable[[], None] = lambda: None
        self._changed = changed
        self._lock = threading.RLock()
        self._echo = _echo(arn, request, now)
        self._summarise()

    @property
    def instances(self) -> tuple[str, int]:
        """(type, count)."""
        resources = self.request["TransformResources"]
        return resources["InstanceType"], resources["InstanceCount"]

    def billable_seconds(self) -> int | None:
        """Seconds from the start on instances to the end; None for a job that never got there."""
        if self.started is None or self.finished is None:
            return None
        return max(1, round((self.finished - self.started).total_seconds()))

    def running(self, now: datetime) -> None:
        """Instances are there; the status stays InProgress."""
        with self._lock:
            if self.status == "InProgress":
                self.started = now
                self._become("InProgress", now)

    def stopping(self, now: datetime) -> None:
        with self._lock:
            if self.status == "InProgress":
                self._become("Stopping", now)

    def ended(self, status: str, now: datetime, failure: str | None) -> None:
        """Terminal state; happens once."""
        with self._lock:
            if self.status not in TERMINAL:
                self.finished = now
                self.failure = failure
                self._become(status, now)

    def describe(self) -> dict[str, Any]:
        """The members of DescribeTransformJob; nested values are shared, not copied."""
        with self._lock:
            optional = {"TransformStartTime": self.started, "TransformEndTime": self.finished, "FailureReason": self.failure}
            answer = {**self._echo, "TransformJobStatus": self.status}
        return answer | {member: value for member, value in optional.items() if value is not None}

    def _become(self, status: str, now: datetime) -> None:
        self.status = status
        self.modified = now
        self._summarise()
        self._changed(self)

    def _summarise(self) -> None:
        optional = {"TransformEndTime": self.finished, "FailureReason": self.failure}
        body = {
            "TransformJobName": self.name,
            "TransformJobArn": self.arn,
            "CreationTime": self.created,
            "LastModifiedTime": self.modified,
            "TransformJobStatus": self.status,
            **{member: value for member, value in optional.items() if value is not None},
        }
        self.summaries.append(Summary(self.name, self.created, self.modified, self.status, body))


def _echo(arn: str, request: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """The request as Describe repeats it, with the defaults that AWS fills in."""
    return {
        **{name: value for name, value in request.items() if name != "Tags"},
        "TransformJobArn": arn,
        "CreationTime": now,
        "TransformInput": {"CompressionType": "None", "SplitType": "None", **request["TransformInput"]},
        "TransformOutput": {"AssembleWith": "None", "KmsKeyId": "", **request["TransformOutput"]},
        "DataProcessing": {"InputFilter": "$", "OutputFilter": "$", "JoinSource": "None", **request.get("DataProcessing", {})},
    }
