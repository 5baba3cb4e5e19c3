"""A training job as Describe, List and the events show it: status, secondary status, transitions and times.

State only; `training_work` moves it. Defaults that AWS adds to the request are part of the echo, so that a
client that compares or late-initialises sees what it would see there.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from local_aws.lifecycle import Halt, Lifecycle
from local_aws.sagemaker.store import Summary

TERMINAL = frozenset({"Completed", "Failed", "Stopped"})
SPOT_SHARE = 0.3  # of the training time is billed on spot capacity: the discount that AWS's examples show

# Status messages as DescribeTrainingJob shows them in SecondaryStatusTransitions.
_MESSAGES = {
    "Starting": "Preparing the instances for training",
    "Downloading": "Downloading input data",
    "Training": "Training image download completed. Training in progress.",
    "Uploading": "Uploading generated training model",
    "Stopping": "Stopping the training job",
    "Stopped": "Training job stopped",
    "Completed": "Training job completed",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
    "MaxWaitTimeExceeded": "Training job wait time exceeded MaxWaitTimeInSeconds provided",
    "Interrupted": "Training job was interrupted because managed spot capacity was reclaimed",
    "Restarting": "Restarting the training job",
}


class TrainingJob:
    """One training job; every change goes through a method that appends a summary and tells `changed`."""

    def __init__(self, arn: str, request: Mapping[str, Any], now: datetime, changed: Callable[[TrainingJob], None]) -> None:
        self.name: str = request["TrainingJobName"]
        self.arn = arn
        self.request = request
        self.status = "InProgress"
        self.secondary = "Starting"
        self.created = now
        self.modified = now
        self.started: datetime | None = None
        self.finished: datetime | None = None
        self.failure: str | None = None
        self.artifacts: str | None = None
        self.metrics: list[dict[str, Any]] = []
        self.transitions: list[dict[str, Any]] = []
        self.summaries: list[Summary] = []
        self.lifecycle: Lifecycle | None = None
        self._changed = changed
        self._lock = threading.RLock()
        self._echo = _echo(arn, request, now)
        self._enter("Starting", now)
        self._summarise()

    def halt(self, halt: Halt) -> None:
        """End the job from outside; without effect when it is ending already."""
        if self.lifecycle is not None:
            self.lifecycle.halt(halt)

    @property
    def spot(self) -> bool:
        return bool(self._echo["EnableManagedSpotTraining"])

    @property
    def limits(self) -> tuple[int, int | None]:
        """(MaxRuntimeInSeconds, MaxWaitTimeInSeconds); the second only for spot capacity."""
        condition = self._echo["StoppingCondition"]
        return condition["MaxRuntimeInSeconds"], condition.get("MaxWaitTimeInSeconds") if self.spot else None

    def training_seconds(self) -> int | None:
        """Seconds from the start on instances to the end, at least 1 once both are known."""
        if self.started is None or self.finished is None:
            return None
        return max(1, round((self.finished - self.started).total_seconds()))

    def billable_seconds(self) -> int | None:
        seconds = self.training_seconds()
        if seconds is None:
            return None
        return max(1, round(seconds * SPOT_SHARE)) if self.spot else seconds

    def moved(self, secondary: str, now: datetime) -> None:
        """A phase of an InProgress job; ignored when the job is being stopped or has ended."""
        with self._lock:
            if self.status != "InProgress":
                return
            if secondary == "Downloading" and self.started is None:
                self.started = now
            self._become("InProgress", secondary, now)

    def stopping(self, now: datetime) -> None:
        with self._lock:
            if self.status == "InProgress":
                self._become("Stopping", "Stopping", now)

    def ended(self, status: str, secondary: str, now: datetime, failure: str | None = None) -> None:
        """Terminal state; happens once."""
        with self._lock:
            if self.status in TERMINAL:
                return
            self.finished = now
            self.failure = failure
            self._become(status, secondary, now)

    def describe(self) -> dict[str, Any]:
        """The members of DescribeTrainingJob; nested values are shared, not copied."""
        with self._lock:
            answer = {
                **self._echo,
                "TrainingJobStatus": self.status,
                "SecondaryStatus": self.secondary,
                "LastModifiedTime": self.modified,
                "SecondaryStatusTransitions": list(self.transitions),
            }
            optional = {
                "TrainingStartTime": self.started,
                "TrainingEndTime": self.finished,
                "FailureReason": self.failure,
                "FinalMetricDataList": self.metrics or None,
                "TrainingTimeInSeconds": self.training_seconds(),
                "BillableTimeInSeconds": self.billable_seconds(),
                "ModelArtifacts": {"S3ModelArtifacts": self.artifacts} if self.artifacts else None,
            }
        answer.update((member, value) for member, value in optional.items() if value is not None)
        return answer

    def _become(self, status: str, secondary: str, now: datetime) -> None:
        self.status = status
        self.secondary = secondary
        self.modified = now
        self._enter(secondary, now)
        self._summarise()
        self._changed(self)

    def _enter(self, secondary: str, now: datetime) -> None:
        if self.transitions:
            self.transitions[-1] = {**self.transitions[-1], "EndTime": now}
        message = self.failure if secondary == "Failed" and self.failure else _MESSAGES.get(secondary, secondary)
        entry = {"Status": secondary, "StartTime": now, "StatusMessage": message}
        if self.status in TERMINAL:
            entry["EndTime"] = now
        self.transitions.append(entry)

    def _summarise(self) -> None:
        body = {
            "TrainingJobName": self.name,
            "TrainingJobArn": self.arn,
            "CreationTime": self.created,
            "LastModifiedTime": self.modified,
            "TrainingJobStatus": self.status,
            "SecondaryStatus": self.secondary,
        }
        if self.finished is not None:
            body["TrainingEndTime"] = self.finished
        self.summaries.append(Summary(self.name, self.created, self.modified, self.status, body))


def _echo(arn: str, request: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """The request as Describe repeats it, with the defaults that AWS fills in."""
    echoed = {name: value for name, value in request.items() if name != "Tags"}
    algorithm = {"EnableSageMakerMetricsTimeSeries": False, **request.get("AlgorithmSpecification", {})}
    output = {"KmsKeyId": "", "CompressionType": "GZIP", **request["OutputDataConfig"]}
    defaults: dict[str, Any] = {
        "EnableNetworkIsolation": False,
        "EnableInterContainerTrafficEncryption": False,
        "EnableManagedSpotTraining": False,
        "ProfilingStatus": "Disabled",
    }
    inputs = [_channel(channel) for channel in request.get("InputDataConfig", ())]
    profiler = {"ProfilerConfig": {"DisableProfiler": True}} if "ProfilerConfig" not in request else {}
    stopping = {"MaxRuntimeInSeconds": 86_400, **request.get("StoppingCondition", {})}
    return {
        **defaults,
        **profiler,
        **echoed,
        "StoppingCondition": stopping,
        "AlgorithmSpecification": algorithm,
        "OutputDataConfig": output,
        **({"InputDataConfig": inputs} if inputs else {}),
        "TrainingJobArn": arn,
        "CreationTime": now,
    }


def _channel(channel: Mapping[str, Any]) -> dict[str, Any]:
    source = channel["DataSource"]
    if "S3DataSource" in source:
        s3 = {"S3DataDistributionType": "FullyReplicated", **source["S3DataSource"]}
        source = {**source, "S3DataSource": s3}
    return {"CompressionType": "None", "RecordWrapperType": "None", **channel, "DataSource": source}
