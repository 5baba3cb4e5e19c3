"""SageMaker Model Monitor in memory: job definitions, schedules and executions, for policies of `engine: ModelMonitor`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sagemaker_gitops.core.errors import Category
from tests.tenants import TEAM_A
from tests.unit.aws.monitor_world import MemoryAws, World, failure
from tests.unit.aws.passes import Crash

MONITOR_IMAGES = "048819808253.dkr.ecr.eu-central-1.amazonaws.com/*"
MONITORED: dict[str, Any] = {
    "engine": "ModelMonitor",
    "target": {"endpointRef": {"name": "fees"}},
    "schedule": {"cron": "0 * * * *"},
    "window": None,
    "baseline": {"s3Uri": "s3://team-a-ml/baselines/fees/"},
    "groundTruth": None,
    "source": None,
    "checks": [{"name": "inputs", "type": "DataQuality"}],
}
QUALITY: dict[str, Any] = {
    "groundTruth": {"s3Uri": "s3://team-a-ml/actuals/fees/", "idField": "eventId", "maxDelay": "2h"},
    "checks": [{"name": "inputs", "type": "ModelQuality", "problemType": "Regression", "inferenceAttribute": "0"}],
}
CLARIFY = "017069133835.dkr.ecr.eu-central-1.amazonaws.com/sagemaker-clarify-processing:1.0"
PARITY: dict[str, Any] = {
    "name": "inputs",
    "type": "Bias",
    "facet": "region",
    "facetValues": ["north", "7"],
    "headers": ["age", "region", "branch"],
    "inferenceAttribute": "0",
}
BIAS: dict[str, Any] = {"groundTruth": QUALITY["groundTruth"], "checks": [PARITY]}
RESOURCES = {
    "DataQuality": "data-quality-job-definition",
    "ModelQuality": "model-quality-job-definition",
    "ModelBias": "model-bias-job-definition",
}
DRIFTED = {"feature_name": "amount", "constraint_check_type": "baseline_drift_check", "description": "distance 0.4 exceeds 0.1"}
MUTATIONS = ("Create", "Update", "Start", "Stop", "Delete")


@dataclass
class MonitoringAws(MemoryAws):
    """Refuses what AWS refuses: a schedule of no definition, the deletion of one whose execution runs."""

    definitions: dict[str, dict[str, Any]] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    schedules: dict[str, dict[str, Any]] = field(default_factory=dict)
    executions: list[dict[str, Any]] = field(default_factory=list)

    def mutations(self) -> list[str]:
        return [name for name, _ in self.calls if name.startswith(MUTATIONS)]

    def ready(self) -> None:
        for schedule in self.schedules.values():
            if schedule["MonitoringScheduleStatus"] == "Pending":
                schedule["MonitoringScheduleStatus"] = "Scheduled"

    def executed(
        self,
        at: datetime,
        status: str = "Completed",
        violations: list[dict[str, str]] | None = None,
        statistics: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> None:
        """An execution of the one schedule; with its files unless it failed."""
        (name,) = self.schedules
        job = f"model-monitoring-{at:%Y%m%d%H}"
        summary = {"MonitoringScheduleName": name, "ScheduledTime": at, "MonitoringExecutionStatus": status, "LastModifiedTime": self.now}
        if status.startswith("Completed"):
            arn = f"arn:aws:sagemaker:eu-central-1:123456789012:processing-job/{job}"
            summary["ProcessingJobArn"] = arn
            output = {"S3Output": {"S3Uri": f"s3://team-a-ml/out/{job}"}}
            self.jobs[job] = {"ProcessingJobStatus": "Completed", "ProcessingOutputConfig": {"Outputs": [output]}, "CreationTime": at}
            self.objects[f"out/{job}/statistics.json"] = json.dumps({"dataset": {"item_count": 40}, **(statistics or {})}).encode()
            if violations is not None:
                self.objects[f"out/{job}/constraint_violations.json"] = json.dumps({"violations": violations}).encode()
        self.executions = [*(item for item in self.executions if item["ScheduledTime"] != at), summary | more]

    def _CreateDataQualityJobDefinition(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        return self._define("DataQuality", given)

    def _DescribeDataQualityJobDefinition(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        return self._defined("DataQuality", given)

    def _ListDataQualityJobDefinitions(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        return self._listed("DataQuality", given)

    def _DeleteDataQualityJobDefinition(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        return self._undefine("DataQuality", given)

    def _CreateModelQualityJobDefinition(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        return self._define("ModelQuality", given)

    def _DescribeModelQualityJobDefinition(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        return self._defined("ModelQuality", given)

    def _ListModelQualityJobDefinitions(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        return self._listed("ModelQuality", given)

    def _DeleteModelQualityJobDefinition(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        return self._undefine("ModelQuality", given)

    def _CreateModelBiasJobDefinition(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        return self._define("ModelBias", given)

    def _DescribeModelBiasJobDefinition(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        return self._defined("ModelBias", given)

    def _ListModelBiasJobDefinitions(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        return self._listed("ModelBias", given)

    def _DeleteModelBiasJobDefinition(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        return self._undefine("ModelBias", given)

    def _define(self, kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
        name = given["JobDefinitionName"]
        if name in self.definitions:
            raise failure(Category.EXISTS, "ResourceInUse", f"Create{kind}JobDefinition")
        self.definitions[name] = dict(given)
        self.kinds[name] = kind
        self.tags[f"{RESOURCES[kind]}/{name}"] = given["Tags"]
        return {}

    def _defined(self, kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
        if self.kinds.get(given["JobDefinitionName"]) != kind:
            raise failure(Category.NOT_FOUND, "ResourceNotFound", f"Describe{kind}JobDefinition")
        return self.definitions[given["JobDefinitionName"]]

    def _listed(self, kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
        names = [name for name in self.definitions if given["NameContains"] in name and self.kinds.get(name, kind) == kind]
        return {"JobDefinitionSummaries": [{"MonitoringJobDefinitionName": name} for name in names]}

    def _undefine(self, kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
        used = [item["MonitoringScheduleConfig"]["MonitoringJobDefinitionName"] for item in self.schedules.values()]
        assert given["JobDefinitionName"] not in used
        assert self.kinds.pop(given["JobDefinitionName"]) == kind
        del self.definitions[given["JobDefinitionName"]]
        return {}

    def _CreateMonitoringSchedule(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        name = given["MonitoringScheduleName"]
        if name in self.schedules:
            raise failure(Category.EXISTS, "ResourceInUse", "CreateMonitoringSchedule")
        self._points_at_one(given)
        self.schedules[name] = dict(given) | {"MonitoringScheduleStatus": "Pending"}
        self.tags[f"monitoring-schedule/{name}"] = given["Tags"]
        return {}

    def _points_at_one(self, given: Mapping[str, Any]) -> None:
        config = given["MonitoringScheduleConfig"]
        assert self.kinds[config["MonitoringJobDefinitionName"]] == config["MonitoringType"]

    def _DescribeMonitoringSchedule(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        if given["MonitoringScheduleName"] not in self.schedules:
            raise failure(Category.NOT_FOUND, "ResourceNotFound", "DescribeMonitoringSchedule")
        return self.schedules[given["MonitoringScheduleName"]]

    def _UpdateMonitoringSchedule(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        self._points_at_one(given)
        self.schedules[given["MonitoringScheduleName"]] |= given
        return {}

    def _StartMonitoringSchedule(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        self.schedules[given["MonitoringScheduleName"]]["MonitoringScheduleStatus"] = "Scheduled"
        return {}

    def _StopMonitoringSchedule(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        self.schedules[given["MonitoringScheduleName"]]["MonitoringScheduleStatus"] = "Stopped"
        return {}

    def _DeleteMonitoringSchedule(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        if any(item["MonitoringExecutionStatus"] == "InProgress" for item in self.executions):
            raise failure(Category.BUSY, "ValidationException", "DeleteMonitoringSchedule")
        del self.schedules[given["MonitoringScheduleName"]]
        return {}

    def _ListMonitoringExecutions(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        since = given.get("ScheduledTimeAfter")
        found = [item for item in self.executions if item["MonitoringScheduleName"] == given["MonitoringScheduleName"]]
        found = [item for item in found if since is None or item["ScheduledTime"] > since]
        found.sort(key=lambda item: item["ScheduledTime"], reverse=given["SortOrder"] == "Descending")
        return {"MonitoringExecutionSummaries": found[: given["MaxResults"]]}


class Monitored(World):
    """A policy of `engine: ModelMonitor`."""

    aws: MonitoringAws

    def __init__(self, *images: str, **spec: Any) -> None:
        allowed = [*TEAM_A["allow"]["images"], MONITOR_IMAGES, *images]
        super().__init__({"allow": TEAM_A["allow"] | {"images": allowed}}, **(MONITORED | spec))
        self.aws = MonitoringAws(objects=self.aws.objects)
        self.restart()

    def settle(self, turns: int = 4) -> None:
        """Passes until nothing is left to do, with a schedule that comes to be in between."""
        for _ in range(turns):
            self.turn()
            self.aws.ready()
            self.later(seconds=1)

    def gone(self, passes: int = 12) -> bool:
        """Deleted, pass by pass; whether the finalizer was given up."""
        for _ in range(passes):
            made = self.turn()
            if not made.finalizer:
                return True
            self.aws.now += timedelta(minutes=5)
        return False

    @property
    def schedule(self) -> dict[str, Any]:
        (found,) = self.aws.schedules.values()
        return found

    def crashed(self, operation: str, moment: str, *, wiped: bool = False) -> None:
        """Passes until the operator dies before or after that call, and starts again."""
        for _ in range(4):
            try:
                self.turn(**{moment: operation})
            except Crash:
                self.wipe() if wiped else self.restart()
                return
        raise AssertionError(f"{operation} was not called")
