"""A ModelEndpoint with batch jobs, pass by pass: the real kind over an AWS in memory, a clock moved by hand, crashes on demand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from sagemaker_gitops.api.endpoint_status import ModelEndpointStatus
from sagemaker_gitops.aws.kinds.model_endpoint import ModelEndpointKind
from sagemaker_gitops.aws.kinds.references import ConfigMap
from sagemaker_gitops.aws.kinds.spending import Spending
from sagemaker_gitops.aws.port import Scope
from sagemaker_gitops.aws.requests import validate
from sagemaker_gitops.core.errors import AwsFailure, Category
from sagemaker_gitops.core.kinds.training_run.settings import Settings
from sagemaker_gitops.core.plan import Plan
from sagemaker_gitops.core.resource import RERUN, Key, Snapshot
from sagemaker_gitops.core.tenancy import Bound
from tests.tenants import TEAM_A, bound
from tests.unit.aws.passes import Passes

START = datetime(2026, 11, 21, 10, tzinfo=UTC)
KEY = Key("ModelEndpoint", "team-a", "digits")
IMAGE = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/team-a/serve:1"
INPUT, OUTPUT = "s3://team-a-ml/customers/", "s3://team-a-ml/predictions/"
KMS_KEY = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
NIGHTLY = {"cron": "0 2 * * *"}
TENANT = bound(allow=TEAM_A["allow"] | {"kmsKeyArns": [KMS_KEY]}, limits={"maxInstanceCount": 4})


def failure(category: Category, code: str, operation: str, message: str = "no") -> AwsFailure:
    return AwsFailure(category, service="sagemaker", operation=operation, code=code, message=message)


def model(version: int = 7) -> dict[str, Any]:
    return {"image": IMAGE, "artifact": f"s3://team-a-ml/models/{version}/model.tar.gz"}


@dataclass
class MemoryAws:
    """aws.port.Aws: jobs, one endpoint and one folder of S3; every call is kept, requests are held against botocore's model."""

    now: datetime = START
    objects: dict[str, str] = field(default_factory=lambda: {"customers/a.csv": "v1"})
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    endpoint: dict[str, Any] | None = None
    tags: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    refuses: dict[str, AwsFailure] = field(default_factory=dict)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    log: tuple[str, ...] = ("ValueError: could not convert string to float",)

    async def call(self, scope: Scope, service: str, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        assert validate(service, operation, parameters) == ()
        self.calls.append((operation, dict(parameters)))
        if operation in self.refuses:
            raise self.refuses[operation]
        answer = getattr(self, f"_{operation}", None)
        return answer(parameters) if answer else {}

    def count(self, operation: str) -> int:
        return sum(name == operation for name, _ in self.calls)

    def end(self, status: str = "Completed", reason: str = "") -> None:
        """Every running job comes to its end."""
        for job in self.jobs.values():
            if job["TransformJobStatus"] in ("InProgress", "Stopping"):
                job |= {"TransformJobStatus": status, "TransformEndTime": self.now} | ({"FailureReason": reason} if reason else {})

    def _CreateTransformJob(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        name = given["TransformJobName"]
        if name in self.jobs:
            raise failure(Category.EXISTS, "ResourceInUse", "CreateTransformJob")
        self.jobs[name] = dict(given) | {"TransformJobStatus": "InProgress", "CreationTime": self.now}
        self.tags[f"transform-job/{name}"] = given["Tags"]
        return {}

    def _DescribeTransformJob(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        if given["TransformJobName"] not in self.jobs:
            raise failure(Category.NOT_FOUND, "ValidationException", "DescribeTransformJob")
        return self.jobs[given["TransformJobName"]]

    def _StopTransformJob(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        self.jobs[given["TransformJobName"]]["TransformJobStatus"] = "Stopping"
        return {}

    def _ListTransformJobs(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        found = [name for name, job in self.jobs.items() if job["TransformJobStatus"] == given["StatusEquals"]]
        return {"TransformJobSummaries": [{"TransformJobName": name} for name in found if given["NameContains"] in name]}

    def _ListTags(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        return {"Tags": self.tags.get(given["ResourceArn"].partition(":123456789012:")[2], [])}

    def _ListObjectVersions(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        found = [{"Key": key, "VersionId": version, "ETag": "e", "Size": 1, "IsLatest": True} for key, version in self.objects.items()]
        return {"Versions": [item for item in found if str(item["Key"]).startswith(given["Prefix"])]}

    def _DescribeLogStreams(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        return {"logStreams": [{"logStreamName": "one"}]}

    def _GetLogEvents(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        return {"events": [{"message": line} for line in self.log]}

    def _CreateModel(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        self.tags[f"model/{given['ModelName']}"] = given["Tags"]
        return {}

    def _CreateEndpointConfig(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        self.tags[f"endpoint-config/{given['EndpointConfigName']}"] = given["Tags"]
        return {}

    def _CreateEndpoint(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        self.tags[f"endpoint/{given['EndpointName']}"] = given["Tags"]
        self.endpoint = {"EndpointStatus": "InService", "EndpointConfigName": given["EndpointConfigName"], "LastModifiedTime": self.now}
        return {}

    def _UpdateEndpoint(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        assert self.endpoint is not None
        self.endpoint |= {"EndpointStatus": "Updating", "wanted": given["EndpointConfigName"], "LastModifiedTime": self.now}
        return {}

    def _DeleteEndpoint(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        self.endpoint = None
        return {}

    def _DescribeEndpoint(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        if self.endpoint is None:
            raise failure(Category.NOT_FOUND, "ValidationException", "DescribeEndpoint")
        return self.endpoint

    def updated(self, *, rolled_back: bool = False) -> None:
        """The update is over, one way or the other."""
        assert self.endpoint is not None
        wanted = self.endpoint.pop("wanted")
        self.endpoint |= {"EndpointStatus": "InService"} | ({} if rolled_back else {"EndpointConfigName": wanted})
        self.endpoint["LastModifiedTime"] = self.now


class OneTenant:
    """aws.kinds.references.References with one Tenant and nothing else."""

    def tenants(self) -> list[Bound]:
        return [TENANT]

    def namespaces(self) -> list[str]:
        return ["team-a"]

    def namespace_labels(self, namespace: str) -> Mapping[str, str]:
        return {}

    async def config_map(self, namespace: str, name: str) -> ConfigMap | None:
        return None

    def object(self, key: Key) -> Snapshot | None:
        return None

    def running(self, kind: str) -> list[Key]:
        return []

    def referrers(self, key: Key) -> list[Key]:
        return []

    def exists(self, key: Key) -> bool:
        return True

    def enqueue(self, key: Key) -> None:
        """Nobody waits."""


class World(Passes):
    """`batch` is completed by input, output and, without variants, a model."""

    said = ModelEndpointStatus
    aws: MemoryAws

    def __init__(self, *, variants: Any = None, batch: Mapping[str, Any] | None = None, **spec: Any) -> None:
        self.aws = MemoryAws()
        given = {"input": INPUT, "output": OUTPUT} | ({} if variants else {"model": model()}) | dict(batch or {})
        whole = {"batch": given} | ({"variants": variants} if variants else {}) | spec
        self.snapshot = Snapshot(KEY, "u", "1", 1, spec=whole)
        self.settings = Settings(install="test")
        self.restart()

    def restart(self) -> None:
        """Another process: nothing is remembered."""
        self.kind = ModelEndpointKind(self.aws, OneTenant(), self.settings, Spending(self.aws, OneTenant(), self.settings))

    @property
    def batch(self) -> dict[str, Any]:
        return dict(self.snapshot.status.get("batch") or {})

    def at(self, moment: datetime) -> None:
        self.aws.now = moment

    def edit(self, *, variants: Any = None, annotations: Mapping[str, str] | None = None, **batch: Any) -> None:
        """Another generation; a value of None removes a field of batch."""
        made = {name: value for name, value in (dict(self.snapshot.spec["batch"]) | batch).items() if value is not None}
        spec = {**self.snapshot.spec, "batch": made} | ({"variants": variants} if variants else {})
        self.snapshot = replace(self.snapshot, spec=spec, generation=self.snapshot.generation + 1)
        if annotations is not None:
            self.snapshot = replace(self.snapshot, annotations=dict(annotations))

    def without_batch(self) -> None:
        spec = {name: value for name, value in self.snapshot.spec.items() if name != "batch"}
        self.snapshot = replace(self.snapshot, spec=spec, generation=self.snapshot.generation + 1)

    def rerun(self, nonce: str) -> None:
        self.snapshot = replace(self.snapshot, annotations={RERUN: nonce})

    def settle(self, turns: int = 4) -> Plan:
        """Passes until nothing is called any more."""
        for _ in range(turns):
            made = self.turn()
            if not made.actions:
                break
        return made


def variants(version: int = 7) -> list[dict[str, Any]]:
    return [{"name": "all", "model": model(version)}]


def serving(**batch: Any) -> World:
    """An endpoint in service, with batch."""
    world = World(variants=variants(), batch=batch)
    world.settle()
    return world


def ended(world: World, status: str = "Completed", reason: str = "") -> None:
    world.later(minutes=5)
    world.aws.end(status, reason)
    world.turn()
