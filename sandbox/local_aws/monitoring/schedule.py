"""A monitoring schedule and its executions as Describe and List show them, and the alert over them. State only."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from local_aws.sagemaker.store import Summary

VIOLATIONS: Final = "CompletedWithViolations"
FINAL: Final = frozenset({"Completed", VIOLATIONS, "Failed", "Stopped"})
DescribeJob = Callable[[str], Mapping[str, Any] | None]
"""Job name -> DescribeProcessingJob; None once the job is deleted."""


class Execution:
    """One run of a schedule; its state is that of its processing job, looked up until it has ended."""

    def __init__(self, schedule: Schedule, scheduled: datetime, now: datetime) -> None:
        self.name = schedule.name
        self.scheduled = scheduled
        self.created = now
        self.job: str | None = None
        self._arn: str | None = None
        self._endpoint = schedule.endpoint
        self._definition: str | None = schedule.config.get("MonitoringJobDefinitionName")
        self._kind = schedule.kind
        self._status = "Pending"
        self._failure: str | None = None
        self._modified = now

    def started(self, job: str, arn: str) -> None:
        self.job, self._arn, self._status = job, arn, "InProgress"

    def failed(self, reason: str, now: datetime) -> None:
        self._status, self._failure, self._modified = "Failed", reason, now

    def status(self, describe: DescribeJob) -> str:
        self._look(describe)
        return self._status

    def summary(self, describe: DescribeJob) -> dict[str, Any]:
        """A MonitoringExecutionSummary."""
        self._look(describe)
        return {
            "MonitoringScheduleName": self.name,
            "ScheduledTime": self.scheduled,
            "CreationTime": self.created,
            "LastModifiedTime": self._modified,
            "MonitoringExecutionStatus": self._status,
            "ProcessingJobArn": self._arn,
            "EndpointName": self._endpoint,
            "FailureReason": self._failure,
            "MonitoringJobDefinitionName": self._definition,
            "MonitoringType": self._kind,
        }

    def _look(self, describe: DescribeJob) -> None:
        if self.job is None or self._status in FINAL:
            return
        found = describe(self.job)
        if found is None:
            return
        self._modified = found["LastModifiedTime"]
        self._failure = found.get("FailureReason")
        status = found["ProcessingJobStatus"]
        # The container tells of violations in its exit message ("Container contract outputs").
        violated = status == "Completed" and found.get("ExitMessage", "").startswith(VIOLATIONS)
        self._status = VIOLATIONS if violated else status


@dataclass(frozen=True, slots=True)
class Alert:
    """Rings when so many of the latest executions had violations; `datapoints` of `periods`."""

    datapoints: int
    periods: int
    created: datetime
    modified: datetime

    def states(self, statuses: Sequence[str]) -> list[str]:
        """After each execution, oldest first."""
        found = []
        for last in range(1, len(statuses) + 1):
            latest = statuses[max(0, last - self.periods) : last]
            found.append("InAlert" if latest.count(VIOLATIONS) >= self.datapoints else "OK")
        return found


class Schedule:
    """One monitoring schedule; every change of state appends a summary."""

    def __init__(self, name: str, arn: str, config: Mapping[str, Any], kind: str, endpoint: str, now: datetime) -> None:
        self.name = name
        self.arn = arn
        self.created = self.modified = now
        self.status = "Pending"
        self.executions: list[Execution] = []
        self.summaries: list[Summary] = []
        self.lock = threading.RLock()
        self.alert = Alert(1, 1, now, now)
        self.last: datetime = now
        self.define(config, kind, endpoint, now)

    def define(self, config: Mapping[str, Any], kind: str, endpoint: str, now: datetime) -> None:
        with self.lock:
            self.config, self.kind, self.endpoint = config, kind, endpoint
            self.become(self.status, now)

    def become(self, status: str, now: datetime) -> None:
        with self.lock:
            if status == "Scheduled" != self.status:
                self.last = now
            self.status, self.modified = status, now
            body = {
                "MonitoringScheduleName": self.name,
                "MonitoringScheduleArn": self.arn,
                "CreationTime": self.created,
                "LastModifiedTime": now,
                "MonitoringScheduleStatus": status,
                "EndpointName": self.endpoint,
                "MonitoringJobDefinitionName": self.config.get("MonitoringJobDefinitionName"),
                "MonitoringType": self.kind,
            }
            self.summaries.append(Summary(self.name, self.created, now, status, body))

    def describe(self, describe: DescribeJob) -> dict[str, Any]:
        with self.lock:
            last = self.executions[-1].summary(describe) if self.executions else None
            return {
                **self.summaries[-1].body,
                "MonitoringScheduleConfig": self.config,
                "LastMonitoringExecutionSummary": last,
            }
