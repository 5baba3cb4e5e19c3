"""A MonitorPolicy, pass by pass: the real kind over an AWS in memory, a clock moved by hand, crashes on demand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sagemaker_gitops.api.monitor_status import MonitorPolicyStatus
from sagemaker_gitops.api.parse import read
from sagemaker_gitops.api.tenant import TenantSpec
from sagemaker_gitops.aws.kinds.monitor_policy import MonitorPolicyKind
from sagemaker_gitops.aws.kinds.references import ConfigMap
from sagemaker_gitops.aws.kinds.spending import Spending
from sagemaker_gitops.aws.port import Scope
from sagemaker_gitops.aws.requests import validate
from sagemaker_gitops.core.actions import UploadSource
from sagemaker_gitops.core.errors import AwsFailure, Category
from sagemaker_gitops.core.kinds.training_run.settings import Settings
from sagemaker_gitops.core.plan import Plan
from sagemaker_gitops.core.resource import CHECK_NOW, Key, Snapshot
from sagemaker_gitops.core.tenancy import Bound
from tests.tenants import TEAM_A
from tests.unit.aws.passes import Passes, operations

START = datetime(2026, 11, 21, 10, 10, tzinfo=UTC)
KEY = Key("MonitorPolicy", "team-a", "fees")
ENDPOINT = Key("ModelEndpoint", "team-a", "fees")
AWS_ENDPOINT = "team-a-fees-4k2mzq"
MODEL_PACKAGE = "arn:aws:sagemaker:eu-central-1:123456789012:model-package/fees"
CAPTURE = "artifacts/team-a/fees/capture/"
HOURLY = {"cron": "30 * * * *", "timeZone": "Europe/Zurich"}
ERRORS = {"name": "loss", "type": "Custom", "entryPoint": "loss.py", "metric": "wql"}
SPEC: dict[str, Any] = {
    "target": {"endpointRef": {"name": "fees"}, "variant": "blue"},
    "schedule": HOURLY,
    "window": "1h",
    "baseline": {"trainingRunRef": {"name": "fees"}},
    "groundTruth": {"s3Uri": "s3://team-a-ml/actuals/fees/", "idField": "eventId"},
    "source": {"configMapRef": {"name": "fees-checks"}},
    "checks": [ERRORS],
}
CODE = {"check.py": b"print('checks')\n"}


def failure(category: Category, code: str, operation: str, message: str = "no") -> AwsFailure:
    return AwsFailure(category, service="sagemaker", operation=operation, code=code, message=message)


def report(value: float | None = 0.2, *, state: str = "Available", **more: Any) -> dict[str, Any]:
    """report.json of the one check."""
    metric = {"check": "loss", "name": "wql", "variant": "blue", "value": value, "sampleSize": 40}
    metric["state"] = "InsufficientData" if value is None else "Measured"
    return {"version": 1, "data": {"state": state, "captured": 40, "matched": 40, "matchRate": 1.0}, "metrics": [metric]} | more


@dataclass
class MemoryAws:
    """aws.port.Aws: processing jobs, one endpoint, one bucket; every call is kept, requests are held against botocore's model."""

    now: datetime = START
    objects: dict[str, bytes] = field(default_factory=dict)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    tags: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    refuses: dict[str, AwsFailure] = field(default_factory=dict)
    capture: bool = True
    trained: dict[str, tuple[datetime, dict[str, str]]] = field(default_factory=dict)
    metrics: list[dict[str, Any]] = field(default_factory=list)
    alarms: dict[str, dict[str, Any]] = field(default_factory=dict)
    dashboards: dict[str, dict[str, Any]] = field(default_factory=dict)
    endpoints: dict[str, dict[str, Any]] = field(default_factory=dict)
    transforms: dict[str, dict[str, Any]] = field(default_factory=dict)
    models: dict[str, str] = field(default_factory=dict)
    approval: str = "Approved"
    raw: str = "v1"
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    async def call(self, scope: Scope, service: str, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        assert validate(service, operation, parameters) == ()
        self.calls.append((operation, dict(parameters)))
        if operation in self.refuses:
            raise self.refuses[operation]
        answer = getattr(self, f"_{operation}", None)
        return answer(parameters) if answer else {}

    def count(self, operation: str) -> int:
        return sum(name == operation for name, _ in self.calls)

    def captured(self, moment: datetime, variant: str = "blue") -> None:
        """A file of that hour."""
        self.objects[f"{CAPTURE}{AWS_ENDPOINT}/{variant}/{moment:%Y/%m/%d/%H}/{moment:%M-%S}.jsonl"] = b"{}\n"

    def end(self, found: Mapping[str, Any] | None = None, *, reason: str = "") -> None:
        """Every running job comes to its end, with this report or for this reason."""
        for name, job in self.jobs.items():
            if job["ProcessingJobStatus"] != "InProgress":
                continue
            job |= {"ProcessingJobStatus": "Failed" if reason else "Completed", "ProcessingEndTime": self.now}
            if reason:
                job["FailureReason"] = reason
            elif found is not None:
                uri = job["ProcessingOutputConfig"]["Outputs"][0]["S3Output"]["S3Uri"]
                self.objects[f"{uri.removeprefix('s3://team-a-ml/')}report.json"] = json.dumps(found).encode()
            assert name

    def _CreateProcessingJob(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        name = given["ProcessingJobName"]
        if name in self.jobs:
            raise failure(Category.EXISTS, "ResourceInUse", "CreateProcessingJob")
        self.jobs[name] = dict(given) | {"ProcessingJobStatus": "InProgress", "CreationTime": self.now}
        self.tags[f"processing-job/{name}"] = given["Tags"]
        return {}

    def _DescribeProcessingJob(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        if given["ProcessingJobName"] not in self.jobs:
            raise failure(Category.NOT_FOUND, "ValidationException", "DescribeProcessingJob")
        return self.jobs[given["ProcessingJobName"]]

    def _StopProcessingJob(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        self.jobs[given["ProcessingJobName"]]["ProcessingJobStatus"] = "Stopped"
        return {}

    def _ListProcessingJobs(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        wanted = given.get("StatusEquals")
        newest = sorted(self.jobs.items(), key=lambda item: item[1]["CreationTime"], reverse=True)
        found = [name for name, job in newest if wanted in (None, job["ProcessingJobStatus"])]
        return {"ProcessingJobSummaries": [{"ProcessingJobName": name} for name in found if given["NameContains"] in name]}

    def _PutMetricData(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        self.metrics += given["MetricData"]
        return {}

    def _PutMetricAlarm(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        self.alarms[given["AlarmName"]] = dict(given)
        return {}

    def _DeleteAlarms(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        for name in given["AlarmNames"]:
            del self.alarms[name]
        return {}

    def _PutDashboard(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        self.dashboards[given["DashboardName"]] = json.loads(given["DashboardBody"])
        return {"DashboardValidationMessages": []}

    def _ListDashboards(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        found = [name for name in self.dashboards if name.startswith(given["DashboardNamePrefix"])]
        return {"DashboardEntries": [{"DashboardName": name} for name in found]}

    def _DeleteDashboards(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        for name in given["DashboardNames"]:
            if name not in self.dashboards:
                raise failure(Category.NOT_FOUND, "ResourceNotFound", "DeleteDashboards")
            del self.dashboards[name]
        return {}

    def _DescribeAlarms(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        found = [alarm | {"StateValue": "OK"} for name, alarm in self.alarms.items() if name.startswith(given["AlarmNamePrefix"])]
        return {"MetricAlarms": found}

    def _ListTagsForResource(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        return {"Tags": self.alarms[given["ResourceARN"].rpartition(":")[2]]["Tags"]}

    def _GetMetricStatistics(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        (statistic,) = given["Statistics"]
        found = [item for item in self.metrics if item["MetricName"] == given["MetricName"] and item["Dimensions"] == given["Dimensions"]]
        return {"Datapoints": [{"Timestamp": item["Timestamp"], statistic: item["Value"]} for item in found]}

    def _ListTrainingJobs(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        since = given.get("CreationTimeAfter", START - timedelta(days=99))
        found = [(name, at) for name, (at, _) in self.trained.items() if given["NameContains"] in name and at >= since]
        return {"TrainingJobSummaries": [{"TrainingJobName": name, "CreationTime": at} for name, at in found]}

    def _ListObjectVersions(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        return {"Versions": [{"Key": given["Prefix"], "VersionId": self.raw, "ETag": "e", "Size": 1, "IsLatest": True}]}

    def _ListTags(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        name = given["ResourceArn"].partition(":123456789012:")[2]
        if name.removeprefix("training-job/") in self.trained:
            return {"Tags": [{"Key": k, "Value": v} for k, v in self.trained[name.removeprefix("training-job/")][1].items()]}
        return {"Tags": self.tags.get(name, [])}

    def _DescribeTransformJob(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        if given["TransformJobName"] not in self.transforms:
            raise failure(Category.NOT_FOUND, "ValidationException", "DescribeTransformJob")
        return self.transforms[given["TransformJobName"]]

    def _DescribeEndpointConfig(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        return {"ProductionVariants": [{"VariantName": variant, "ModelName": name} for variant, name in self.models.items()]}

    def _DescribeModel(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        return {"PrimaryContainer": {"ModelPackageName": f"{MODEL_PACKAGE}/{given['ModelName'].rpartition('-')[2]}"}}

    def _DescribeEndpoint(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        if given["EndpointName"] in self.endpoints:
            return self.endpoints[given["EndpointName"]]
        if given["EndpointName"] != AWS_ENDPOINT:
            raise failure(Category.NOT_FOUND, "ValidationException", "DescribeEndpoint")
        capture = {"EnableCapture": True, "DestinationS3Uri": f"s3://team-a-ml/{CAPTURE}"}
        return {"EndpointStatus": "InService"} | ({"DataCaptureConfig": capture} if self.capture else {})

    def _DescribeModelPackage(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        version = given["ModelPackageName"].rpartition("/")[2]
        statistics = {"S3Uri": f"s3://team-a-ml/evaluations/{version}/statistics.json"}
        return {"ModelMetrics": {"ModelDataQuality": {"Statistics": statistics}}, "ModelApprovalStatus": self.approval}

    def _HeadObject(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        if given["Key"] not in self.objects:
            raise failure(Category.NOT_FOUND, "404", "HeadObject")
        return {"ETag": '"e"', "ContentLength": len(self.objects[given["Key"]])}

    def _GetObject(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        return {"Body": self.objects[given["Key"]]}

    def _PutObject(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        self.objects[given["Key"]] = given["Body"]
        return {}

    def _ListObjectsV2(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        return {"Contents": [{"Key": key} for key in sorted(self.objects) if key.startswith(given["Prefix"])]}

    def _DescribeLogStreams(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        return {"logStreams": [{"logStreamName": "one"}]}

    def _GetLogEvents(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        return {"events": [{"message": "KeyError: 'eventId'"}]}


class Objects:
    """aws.kinds.references.References with one Tenant, the source of the scripts, and what a test puts there."""

    def __init__(self, tenant: Mapping[str, Any]) -> None:
        self.tenant = Bound("team-a", read(TenantSpec, tenant))
        self.objects: dict[Key, Snapshot] = {}
        self.files = {"loss.py": b"print()\n"}
        self.woken: list[Key] = []

    def tenants(self) -> list[Bound]:
        return [self.tenant]

    def namespaces(self) -> list[str]:
        return ["team-a"]

    def namespace_labels(self, namespace: str) -> Mapping[str, str]:
        return {}

    async def config_map(self, namespace: str, name: str) -> ConfigMap | None:
        return ConfigMap(self.files, {})

    def object(self, key: Key) -> Snapshot | None:
        return self.objects.get(key)

    def running(self, kind: str) -> list[Key]:
        return []

    def referrers(self, key: Key) -> list[Key]:
        return []

    def exists(self, key: Key) -> bool:
        return True

    def enqueue(self, key: Key) -> None:
        self.woken.append(key)


class World(Passes):
    """A policy over an endpoint that serves fees/1; what a test does not say is SPEC."""

    said = MonitorPolicyStatus
    aws: MemoryAws

    def __init__(self, tenant: Mapping[str, Any] | None = None, **spec: Any) -> None:
        self.aws = MemoryAws()
        self.references = Objects({**TEAM_A, **(tenant or {})})
        self.snapshot = Snapshot(KEY, "u", "1", 1, spec={name: value for name, value in (SPEC | spec).items() if value is not None})
        self.settings = Settings(install="test")
        self.serves(1)
        self.restart()

    def restart(self) -> None:
        """Another process: nothing is remembered."""
        self.kind = MonitorPolicyKind(self.aws, self.references, self.settings, CODE, Spending(self.aws, self.references, self.settings))

    def serves(self, version: int, phase: str = "InService", capture: bool = True) -> None:
        """The ModelEndpoint's status names that version of fees."""
        arn = f"arn:aws:sagemaker:eu-central-1:123456789012:model-package/fees/{version}"
        variant = {"name": "blue", "model": f"fees/{version}", "packageArn": arn, "artifact": f"s3://team-a-ml/{version}/model.tar.gz"}
        config = f"team-a-fees-config-{version}"
        status = {
            "phase": phase,
            "endpointName": AWS_ENDPOINT,
            "liveConfig": config,
            "lastGood": {"config": config, "variants": [variant]},
        }
        spec = {"dataCapture": {"initialSamplingPercentage": 100}} if capture else {}
        self.references.objects[ENDPOINT] = Snapshot(ENDPOINT, "e", "1", 1, spec=spec, status=status)
        self.aws.objects[f"evaluations/{version}/baseline.json"] = b"{}"

    @property
    def status(self) -> dict[str, Any]:
        return dict(self.snapshot.status)

    def at(self, hour: int, minute: int = 0, day: int = 21) -> None:
        self.aws.now = datetime(2026, 11, day, hour, minute, tzinfo=UTC)

    def edit(self, **spec: Any) -> None:
        """Another generation; a value of None removes a field."""
        made = {name: value for name, value in (dict(self.snapshot.spec) | spec).items() if value is not None}
        self.snapshot = replace(self.snapshot, spec=made, generation=self.snapshot.generation + 1)

    def check_now(self, nonce: str) -> None:
        self.snapshot = replace(self.snapshot, annotations={CHECK_NOW: nonce})

    def checked(self, found: Mapping[str, Any] | None = None, *, reason: str = "") -> dict[str, Any]:
        """A check that is due now runs to its end; what is said of it."""
        made = self.turn()
        assert operations(made) == ["UploadSource", "UploadSource", "UploadSource", "CreateProcessingJob"], self.status
        self.later(minutes=1)
        self.aws.end(found, reason=reason)
        self.turn()
        return dict(self.status["lastCheck"])

    def message(self, kind: str = "Ready") -> str:
        return str(next(item["message"] for item in self.status["conditions"] if item["type"] == kind))


def uploaded(made: Plan, name: str) -> Any:
    """A JSON document that a plan uploads."""
    (found,) = (action.files[name] for action in made.actions if isinstance(action, UploadSource) and name in action.files)
    return json.loads(found)
