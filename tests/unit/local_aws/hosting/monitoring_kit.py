"""Definitions and schedules of Model Monitor on an endpoint that captures, with a container that reports what it was given."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from hosting_kit import HostingKit
from service_kit import BUCKET, IMAGE, ROLE, until
from test_capture import captured, keys

# Writes what it was given into its output; with `violate` in its environment it reports a violation, as AWS's container does.
REPORT = """
import json, os, pathlib
root = pathlib.Path("/opt/ml/processing")
found = {str(path.relative_to(root)): path.read_text() for path in sorted(root.rglob("*")) if path.is_file()}
(root / "output").mkdir(exist_ok=True)
(root / "output/report.json").write_text(json.dumps({"environment": dict(os.environ), "files": found}))
if "violate" in os.environ:
    pathlib.Path("/opt/ml/output/message").write_text("CompletedWithViolations: Job completed successfully with 1 violations.")
"""
PREPROCESSOR = "/opt/ml/processing/code/preprocessing/report.py"


class Watch:
    """One test's definitions and schedules on an endpoint that captures."""

    def __init__(self, kit: HostingKit) -> None:
        self.kit = kit
        self.sagemaker = kit.client("sagemaker")
        self.script = kit.put(f"code/{kit.name()}/report.py", REPORT)

    def spec(self, kind: str) -> dict[str, Any]:
        """A container that runs the report, which comes to it as the preprocessor."""
        if kind in ("ModelBias", "ModelExplainability"):
            return {"ImageUri": IMAGE, "ConfigUri": self.script}
        called = {"ContainerEntrypoint": ["python3", PREPROCESSOR], "RecordPreprocessorSourceUri": self.script}
        return {"ImageUri": IMAGE, **called}

    def definition(self, endpoint: str, kind: str = "DataQuality", **changes: Any) -> dict[str, Any]:
        given: dict[str, Any] = {"EndpointInput": {"EndpointName": endpoint, "LocalPath": "/opt/ml/processing/input/endpoint"}}
        if kind in ("ModelQuality", "ModelBias"):
            given["GroundTruthS3Input"] = {"S3Uri": f"s3://{BUCKET}/truth/{endpoint}"}
        output = {"S3Uri": f"s3://{BUCKET}/reports/{endpoint}", "LocalPath": "/opt/ml/processing/output"}
        return {
            "JobDefinitionName": self.kit.name("definition"),
            f"{kind}AppSpecification": self.spec(kind),
            f"{kind}JobInput": given,
            f"{kind}JobOutputConfig": {"MonitoringOutputs": [{"S3Output": output}]},
            "JobResources": {"ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}},
            "RoleArn": ROLE,
        } | changes

    def defined(self, endpoint: str, kind: str = "DataQuality", **changes: Any) -> str:
        request = self.definition(endpoint, kind, **changes)
        getattr(self.sagemaker, f"create_{snake(kind)}_job_definition")(**request)
        name: str = request["JobDefinitionName"]
        return name

    def schedule(self, definition: str, kind: str = "DataQuality", **timing: str) -> str:
        name = self.kit.name("schedule")
        config = {
            "ScheduleConfig": {"ScheduleExpression": "cron(0 * ? * * *)"} | timing,
            "MonitoringJobDefinitionName": definition,
            "MonitoringType": kind,
        }
        self.sagemaker.create_monitoring_schedule(MonitoringScheduleName=name, MonitoringScheduleConfig=config)
        until(lambda: self.described(name)["MonitoringScheduleStatus"] != "Pending", "the schedule")
        return name

    def described(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.sagemaker.describe_monitoring_schedule(MonitoringScheduleName=name)
        return found

    def executions(self, name: str, **more: Any) -> list[dict[str, Any]]:
        """Oldest first."""
        found: list[dict[str, Any]] = self.sagemaker.list_monitoring_executions(MonitoringScheduleName=name, SortOrder="Ascending", **more)[
            "MonitoringExecutionSummaries"
        ]
        return found

    def ended(self, name: str, number: int = 1) -> list[dict[str, Any]]:
        """The executions, once so many have ended."""
        final = {"Completed", "CompletedWithViolations", "Failed", "Stopped"}
        until(lambda: sum(each["MonitoringExecutionStatus"] in final for each in self.executions(name)) >= number, f"{number} executions")
        return self.executions(name)

    def next_hour(self) -> datetime:
        """Let the clock pass the next full hour and the delay of executions; that hour."""
        now: datetime = self.kit.world.clock.now()
        hour = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        self.kit.world.clock.advance((hour - now).total_seconds() + 61)
        return hour

    def report(self, endpoint: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.kit.read(f"s3://{BUCKET}/reports/{endpoint}/report.json"))
        return found


def snake(kind: str) -> str:
    return "".join("_" + letter.lower() if letter.isupper() else letter for letter in kind).strip("_")


def answering(kit: HostingKit) -> str:
    """An endpoint that has captured one invocation of this hour, with the inference id `id-1`."""
    name = captured(kit)
    # Not in the last seconds of an hour: the line must lie in the hour that ends next.
    now = kit.world.clock.now()
    if now.minute >= 58:
        kit.world.clock.advance(240)
    kit.invoke(name, "1,2", InferenceId="id-1")
    kit.world.clock.advance(kit.world.settings["endpoints.captureSeconds"])
    until(lambda: len(keys(kit, name)) == 1, "the captured line")
    return name
