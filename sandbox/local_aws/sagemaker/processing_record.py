"""A processing job as Describe, List and the events show it. State only; `processing_work` moves it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from local_aws.lifecycle import Halt, Lifecycle
from local_aws.sagemaker.store import Summary

TERMINAL = frozenset({"Completed", "Failed", "Stopped"})
_DAY = 86_400


class ProcessingJob:
    """One processing job; every change appends a summary and tells `changed`."""

    def __init__(self, arn: str, request: Mapping[str, Any], now: datetime, changed: Callable[[ProcessingJob], None]) -> None:
        self.name: str = request["ProcessingJobName"]
        self.arn = arn
        self.request = request
        self.status = "InProgress"
        self.created = now
        self.modified = now
        self.started: datetime | None = None
        self.finished: datetime | None = None
        self.failure: str | None = None
        self.exit_message: str | None = None
        self.summaries: list[Summary] = []
        self.lifecycle: Lifecycle | None = None
        self._changed = changed
        self._lock = threading.RLock()
        self._echo = _echo(arn, request, now)
        self._summarise()

    def halt(self, halt: Halt) -> None:
        """End the job from outside; without effect when it is ending already."""
        if self.lifecycle is not None:
            self.lifecycle.halt(halt)

    @property
    def max_runtime(self) -> int:
        seconds: int = self._echo["StoppingCondition"]["MaxRuntimeInSeconds"]
        return seconds

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
        """The members of DescribeProcessingJob; nested values are shared, not copied."""
        with self._lock:
            answer = {**self._echo, "ProcessingJobStatus": self.status, "LastModifiedTime": self.modified}
            optional = {
                "ProcessingStartTime": self.started,
                "ProcessingEndTime": self.finished,
                "FailureReason": self.failure,
                "ExitMessage": self.exit_message,
            }
        answer.update((member, value) for member, value in optional.items() if value is not None)
        return answer

    def _become(self, status: str, now: datetime) -> None:
        self.status = status
        self.modified = now
        self._summarise()
        self._changed(self)

    def _summarise(self) -> None:
        body = {
            "ProcessingJobName": self.name,
            "ProcessingJobArn": self.arn,
            "CreationTime": self.created,
            "LastModifiedTime": self.modified,
            "ProcessingJobStatus": self.status,
        }
        optional = {
            "ProcessingEndTime": self.finished,
            "FailureReason": self.failure,
            "ExitMessage": self.exit_message,
        }
        body.update((member, value) for member, value in optional.items() if value is not None)
        self.summaries.append(Summary(self.name, self.created, self.modified, self.status, body))


def _echo(arn: str, request: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """The request as Describe repeats it, with the defaults that AWS fills in."""
    echoed = {name: value for name, value in request.items() if name != "Tags"}
    answer = {
        **echoed,
        "StoppingCondition": {"MaxRuntimeInSeconds": _DAY, **request.get("StoppingCondition", {})},
        "ProcessingJobArn": arn,
        "CreationTime": now,
    }
    if "ProcessingInputs" in request:
        answer["ProcessingInputs"] = [_input(entry) for entry in request["ProcessingInputs"]]
    if "ProcessingOutputConfig" in request:
        config = request["ProcessingOutputConfig"]
        outputs = [{"AppManaged": False, **entry} for entry in config.get("Outputs", ())]
        answer["ProcessingOutputConfig"] = {"KmsKeyId": "", **config, "Outputs": outputs}
    return answer


def _input(entry: Mapping[str, Any]) -> dict[str, Any]:
    completed = {"AppManaged": False, **entry}
    if "S3Input" in entry:
        defaults = {
            "S3InputMode": "File",
            "S3DataDistributionType": "FullyReplicated",
            "S3CompressionType": "None",
        }
        completed["S3Input"] = {**defaults, **entry["S3Input"]}
    return completed
