"""What AWS is asked about a champion: its numbers once, and whether an endpoint serves that Kubernetes does not know of."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from sagemaker_gitops.api.parse import read
from sagemaker_gitops.api.tenant import TenantSpec
from sagemaker_gitops.api.training_run import TrainingRunSpec
from sagemaker_gitops.aws.kinds.evidence import concluding
from sagemaker_gitops.core.errors import Category
from sagemaker_gitops.core.kinds.model_endpoint.serving import endpoint_name
from sagemaker_gitops.core.kinds.training_run.effective import effective_of
from sagemaker_gitops.core.kinds.training_run.facts import Champion, ChampionFact, ChampionPending, NoChampion, Source, TrainingRunFacts
from sagemaker_gitops.core.kinds.training_run.run import Progress, Run
from sagemaker_gitops.core.naming import owner_tags
from sagemaker_gitops.core.resource import Key, Snapshot
from sagemaker_gitops.core.tenancy import Bound
from sagemaker_gitops.wiring import training_run_references
from tests.unit.aws.aws_adapter_fakes import ACCOUNT, REGION, SCOPE, START, Answer, FakeAws, refused

INSTALL = "test"
ENDPOINT = Key("ModelEndpoint", "team-a", "digits")
IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/team-a/train:1"
ARN = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model-package/digits/7"
TENANT = read(
    TenantSpec,
    {
        "namespaces": ["team-a"],
        "account": ACCOUNT,
        "region": REGION,
        "roleArn": f"arn:aws:iam::{ACCOUNT}:role/team-a",
        "allow": {
            "executionRoleArns": [f"arn:aws:iam::{ACCOUNT}:role/*"],
            "s3Prefixes": ["s3://team-a/"],
            "images": [f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/*"],
            "instanceTypes": ["ml.*"],
        },
        "defaults": {
            "executionRoleArn": f"arn:aws:iam::{ACCOUNT}:role/jobs",
            "artifactPrefix": "s3://team-a/",
            "instanceTypes": {"training": "ml.m5.large"},
        },
        "limits": {"maxRuntime": "1h"},
    },
)


def concluded(aws: FakeAws, champion: ChampionFact, **gate: Any) -> ChampionFact:
    """The champion after the last look, for a run that is judged against ModelEndpoint digits."""
    gates = [{"metric": "accuracy", "champion": {"endpointRef": {"name": "digits"}, "goal": "Maximize", **gate}}]
    evaluate = {"processing": {"image": IMAGE}}
    spec = read(TrainingRunSpec, {"train": {"image": IMAGE}, "evaluate": evaluate, "gates": gates})
    bound = Bound("team-a", TENANT)
    run = Run(INSTALL, Key("TrainingRun", "team-a", "digits"), spec, bound, effective_of(spec, TENANT), Source({}), {})
    return asyncio.run(concluding(aws, SCOPE, run, Progress(), TrainingRunFacts(bound, champion=champion))).champion


def endpoint(status: str, owner: Key = ENDPOINT) -> FakeAws:
    """An AWS with our endpoint in this status; its tags name `owner`."""
    tags = owner_tags(INSTALL, owner, step="endpoint", key="k", attempt=1, revision="")

    def answer(operation: str, parameters: Mapping[str, Any]) -> Answer:
        if operation == "ListTags":
            return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
        assert parameters["EndpointName"] == endpoint_name(INSTALL, ENDPOINT)
        return {"EndpointStatus": status, "LastModifiedTime": START}

    return FakeAws(answer)


@pytest.mark.parametrize("status", ["InService", "Updating", "RollingBack", "SystemUpdating", "UpdateRollbackFailed", "SomethingNew"])
def test_an_endpoint_that_serves_is_no_missing_champion(status: str) -> None:
    """A rebuilt cluster brings the run before the endpoint: a worse model must not pass meanwhile."""
    found = concluded(endpoint(status), NoChampion("there is no ModelEndpoint digits"))
    assert isinstance(found, ChampionPending)
    assert f"is {status} in AWS" in found.message


@pytest.mark.parametrize(
    "aws",
    [
        endpoint("Creating"),
        endpoint("Failed"),
        endpoint("Deleting"),
        endpoint("InService", Key("ModelEndpoint", "team-b", "digits")),
        FakeAws(lambda operation, parameters: refused(Category.NOT_FOUND)),
    ],
    ids=["creating", "failed", "deleting", "foreign", "none"],
)
def test_nothing_that_serves_is_no_champion(aws: FakeAws) -> None:
    """What does not answer, or is somebody else's, is nothing to beat."""
    assert concluded(aws, NoChampion("there is none")) == NoChampion("there is none")


def test_the_numbers_of_a_registered_champion_are_read_once() -> None:
    """One DescribeModelPackage; the endpoint itself is not asked again."""
    metadata = {"metric/accuracy": "0.9"}
    aws = FakeAws(lambda operation, parameters: {"ModelPackageArn": ARN, "CustomerMetadataProperties": metadata})
    assert concluded(aws, Champion("digits/7", ARN)) == Champion("digits/7", ARN, metrics={"accuracy": 0.9})
    assert aws.operations == ["sagemaker:DescribeModelPackage"]


@pytest.mark.parametrize(("uri", "reads"), [("s3://team-a/x.json", 1), ("s3://team-a-evil/x.json", 0), ("s3://team-b/x.json", 0)])
def test_the_statistics_of_a_strangers_package_are_read_inside_the_fence_only(uri: str, reads: int) -> None:
    """Whoever may register a package says where they lie: that is no reason to open another team's folder."""
    statistics = {"ModelQuality": {"Statistics": {"S3Uri": uri}}}
    aws = FakeAws(
        lambda operation, parameters: (
            {"ModelPackageArn": ARN, "ModelMetrics": statistics} if operation == "DescribeModelPackage" else refused(Category.NOT_FOUND)
        )
    )
    concluded(aws, Champion("digits/7", ARN))
    assert sum(operation.startswith("s3:") for operation in aws.operations) == reads


@pytest.mark.parametrize(("arn", "gate"), [(ARN, {"reevaluate": True}), ("", {})])
def test_numbers_that_are_not_needed_or_do_not_exist_are_not_read(arn: str, gate: dict[str, Any]) -> None:
    """A champion that is evaluated again, and one that no registry knows."""
    aws = FakeAws(lambda operation, parameters: AssertionError(operation))
    assert concluded(aws, Champion("digits/7", arn), **gate) == Champion("digits/7", arn)
    assert aws.calls == []


def test_a_champion_whose_package_was_deleted_has_no_numbers() -> None:
    """The gate then fails in its own words; the pass does not."""
    aws = FakeAws(lambda operation, parameters: refused(Category.NOT_FOUND))
    assert concluded(aws, Champion("digits/7", ARN)) == Champion("digits/7", ARN)


@pytest.mark.parametrize(
    ("gates", "woken"),
    [
        ([{"metric": "a", "champion": {"endpointRef": {"name": "digits"}}}], True),
        ([{"metric": "a", "champion": {}}], False),
        ([{"metric": "a", "champion": {"endpointRef": None}}, "x", {"champion": None}], False),
        (None, False),
    ],
)
def test_a_run_is_woken_by_the_endpoint_of_its_gates(gates: Any, woken: bool) -> None:
    """Read defensively: the spec may be one that does not parse."""
    snapshot = Snapshot(Key("TrainingRun", "team-a", "run"), "uid", "1", 1, spec={"gates": gates})
    assert (ENDPOINT in training_run_references(snapshot)) is woken
