"""What a pass over a ModelEndpoint reads besides its endpoint, and when it reads nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from sagemaker_gitops.aws.kinds.adoption import alias
from sagemaker_gitops.aws.kinds.artifacts import artifacts
from sagemaker_gitops.aws.kinds.endpoint_tags import tags
from sagemaker_gitops.aws.kinds.look import Look
from sagemaker_gitops.aws.kinds.model_endpoint import ModelEndpointKind
from sagemaker_gitops.aws.kinds.spending import Spending
from sagemaker_gitops.core.errors import AwsFailure, Category
from sagemaker_gitops.core.kinds.model_endpoint.facts import (
    Alias,
    EndpointFact,
    EndpointState,
    ForeignEndpoint,
    LiveEndpoint,
    ModelEndpointFacts,
    NoEndpoint,
    Resolved,
)
from sagemaker_gitops.core.kinds.model_endpoint.requests import create_models
from sagemaker_gitops.core.kinds.model_endpoint.tagging import tagged_key
from sagemaker_gitops.core.tenancy import Bound
from tests.unit.aws.aws_adapter_fakes import Answer, FakeAws, refused, scope
from tests.unit.core.endpoint_case import IMAGE, NOW, SETTINGS, TENANT, model
from tests.unit.core.test_endpoint_tags_and_drift import Tagged

SCOPE = scope(account="123456789012", region="eu-central-1", kind="ModelEndpoint")

NOWHERE: Any = None  # these sights read no other object


class Seen(Tagged):
    """A case that is looked at."""

    def look(self, aws: FakeAws, *, anew: bool = False, **status: Any) -> Look:
        return Look(aws, SCOPE, replace(self.snapshot, status=status), self.serving(), NOW, NOWHERE, anew)

    def facts(self, **changes: Any) -> ModelEndpointFacts:
        return ModelEndpointFacts(TENANT, {"all": model()}, self.live(**changes))

    def aws(self, **gone: Answer) -> FakeAws:
        """ListTags as the creating requests set them; `gone` answers for resource types, by their name with _."""

        def answer(operation: str, parameters: Mapping[str, Any]) -> Answer:
            arn = parameters["ResourceArn"]
            kind = arn.split(":")[-1].split("/")[0].replace("-", "_")
            return gone.get(kind) or {"Tags": [{"Key": key, "Value": value} for key, value in self.created()[arn].items()]}

        return FakeAws(answer)


def read(look: Look, facts: ModelEndpointFacts) -> ModelEndpointFacts:
    return asyncio.run(tags(look, facts))


def test_tags_are_read_of_endpoint_config_and_models() -> None:
    """Once for each of them, and of nothing else."""
    case = Seen(tags={"project": "digits"})
    aws = case.aws()
    assert read(case.look(aws), case.facts()).tags == case.created()
    assert aws.operations == ["sagemaker:ListTags"] * 3


@pytest.mark.parametrize(
    ("status", "anew", "calls"),
    [({}, False, 3), ({"tagged": "?"}, False, 0), ({"tagged": "?"}, True, 3), ({"tagged": "?", "phase": "Drifted"}, False, 3)],
)
def test_tags_are_read_when_there_is_something_to_see(status: dict[str, str], anew: bool, calls: int) -> None:
    """An endpoint at rest costs nothing."""
    case = Seen()
    known = {name: tagged_key(case.serving()) if value == "?" else value for name, value in status.items()}
    aws = case.aws()
    read(case.look(aws, anew=anew, **known), case.facts())
    assert len(aws.calls) == calls


def test_tags_of_what_does_not_serve_are_not_read() -> None:
    """Absent, busy, or on another config."""
    case = Seen()
    aws = case.aws()
    for facts in (
        ModelEndpointFacts(TENANT, {"all": model()}, NoEndpoint()),
        case.facts(state=EndpointState.BUSY, raw="Updating"),
        case.facts(config="another"),
    ):
        assert read(case.look(aws, anew=True), facts) is facts
    assert aws.calls == []


def test_an_endpoint_that_lost_its_owner_tags_is_foreign() -> None:
    """failure-modes.md E4: not managed any more, and what is under it is not read."""
    case = Seen()
    aws = case.aws(endpoint={"Tags": [{"Key": "project", "Value": "x"}]})
    facts = case.facts()
    assert isinstance(facts.endpoint, LiveEndpoint)
    assert read(case.look(aws), facts).endpoint == ForeignEndpoint("somebody without our tags", {"project": "x"}, facts.endpoint)
    assert len(aws.calls) == 1


def test_a_model_that_was_deleted_under_its_endpoint_is_passed_over() -> None:
    """AWS allows it; anything else than its absence is an error."""
    case = Seen()
    found = read(case.look(case.aws(model=refused(Category.NOT_FOUND))), case.facts())
    assert found.tags is not None
    assert len(found.tags) == 2
    assert isinstance(found.endpoint, LiveEndpoint)


def test_tags_come_in_pages() -> None:
    """Fifty fit into one, but the API may cut."""
    case = Seen()
    arn, created = next(iter(case.created().items()))
    listed = [{"Key": key, "Value": value} for key, value in created.items()]

    def answer(operation: str, parameters: Mapping[str, Any]) -> Answer:
        if parameters["ResourceArn"] != arn:
            return refused(Category.NOT_FOUND)
        return {"Tags": listed[4:]} if "NextToken" in parameters else {"Tags": listed[:4], "NextToken": "2"}

    assert read(case.look(FakeAws(answer)), case.facts()).tags == {arn: created}


def test_the_config_of_somebody_else_is_compared_once() -> None:
    """Config and models are described before the first update, and not after it was asked for or where there is a history of our own."""
    case = Seen()
    variants = [{"VariantName": "all", "ModelName": "theirs", "InstanceType": "ml.m5.large"}]

    def answer(operation: str, parameters: Mapping[str, Any]) -> Answer:
        if operation == "DescribeEndpointConfig":
            return {"EndpointConfigName": "theirs", "ProductionVariants": variants}
        (wanted,) = create_models(case.serving())
        return {**wanted.parameters, "ModelName": "theirs"}

    other = case.facts(config="theirs")
    looks: tuple[tuple[str, dict[str, Any], ModelEndpointFacts], ...] = (
        ("first", {}, other),
        ("adopted", {"adoption": {"config": "theirs"}, "lastGood": {"config": "theirs"}}, other),
        ("asked for", {"update": {"config": case.config()}}, other),
        ("by hand", {"lastGood": {"config": case.config()}}, other),
        ("ours", {}, case.facts()),
        ("busy", {}, case.facts(config="theirs", state=EndpointState.BUSY, raw="Updating")),
    )
    calls = {}
    for why, status, facts in looks:
        aws = FakeAws(answer)
        found = asyncio.run(alias(case.look(aws, **status), facts))
        calls[why] = len(aws.calls)
        assert (found.alias == Alias("theirs", {"all": "theirs"})) is (why in ("first", "adopted"))
    assert calls == {"first": 2, "adopted": 2, "asked for": 0, "by hand": 0, "ours": 0, "busy": 0}


def test_a_config_that_is_gone_is_not_equal() -> None:
    """AWS lets a config in use be deleted; the update makes another."""
    case = Seen()
    aws = FakeAws(lambda operation, parameters: refused(Category.NOT_FOUND))
    assert asyncio.run(alias(case.look(aws), case.facts(config="theirs"))).alias is None


def package() -> Resolved:
    (link,) = model().containers
    return Resolved("digits/7", (replace(link, package_arn="arn:package/digits/7"),), "arn:package/digits/7")


class Packaged(Seen):
    """A case whose model is a registered one; S3 and the SageMaker model answer."""

    def see(self, endpoint: EndpointFact, *, s3: Answer, tags: Answer, **status: Any) -> tuple[Resolved, list[str]]:
        aws = FakeAws(lambda operation, parameters: s3 if operation == "HeadObject" else tags)
        registered = package()
        look = Look(aws, SCOPE, replace(self.snapshot, status=status), self.serving(registered), NOW, NOWHERE)
        facts = asyncio.run(artifacts(look, ModelEndpointFacts(TENANT, {"all": registered}, endpoint)))
        found = facts.models["all"]
        assert isinstance(found, Resolved)
        return found, [operation.partition(":")[2] for operation in aws.operations]


def test_artifacts_are_looked_at_when_a_config_is_about_to_be_made() -> None:
    """One HeadObject, and one ListTags of a package that status does not know; nothing at rest."""
    case = Packaged()
    head, gone = {"ETag": '"abc"'}, refused(Category.NOT_FOUND)
    found, calls = case.see(NoEndpoint(), s3=head, tags=gone)
    assert (found.containers[0].looked_at, found.etag, found.served_etag) == (True, "abc", "")
    assert calls == ["HeadObject", "ListTags"]
    found, _ = case.see(NoEndpoint(), s3=head, tags={"Tags": [{"Key": "sagemaker-gitops.dev/artifact-etag", "Value": "old"}]})
    assert (found.etag, found.served_etag) == ("abc", "old")
    known = {"artifacts": [{"packageArn": "arn:package/digits/7"}]}
    found, calls = case.see(case.live(config="another"), s3=gone, tags=gone, **known)
    assert (found.containers[0].looked_at, found.containers[0].etag, calls) == (True, None, ["HeadObject"])
    serving = case.serving(package()).config_name
    for endpoint in (case.live(config=serving), case.live(config="another", state=EndpointState.BUSY, raw="Updating")):
        assert case.see(endpoint, s3=head, tags=gone)[1] == []


def test_a_refused_look_at_an_artifact_is_no_absence() -> None:
    """No right to read is said as such, and nothing is made."""
    with pytest.raises(AwsFailure):
        Packaged().see(NoEndpoint(), s3=refused(Category.BLOCKED), tags=refused(Category.NOT_FOUND))
    with pytest.raises(AwsFailure):
        Packaged().see(NoEndpoint(), s3={"ETag": "x"}, tags=refused(Category.BLOCKED))


class Team:
    """References: one Tenant, nothing else."""

    def tenants(self) -> list[Bound]:
        return [TENANT]

    def namespaces(self) -> list[str]:
        return ["team-a"]

    def namespace_labels(self, namespace: str) -> dict[str, str]:
        return {}

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} is not asked for")


def looked(case: Tagged, phase: str) -> list[str]:
    """The calls of a pass over an endpoint that was parked for being idle."""
    status = {"phase": phase, "parking": {"since": "2026-11-21T09:00:00Z", "reason": "Idle"}}

    def answer(operation: str, parameters: Mapping[str, Any]) -> Answer:
        if operation == "DescribeModelPackage":
            container = {"Image": IMAGE, "ModelDataUrl": "s3://team-a-ml/models/7/model.tar.gz"}
            return {
                "ModelPackageArn": "arn:package/digits/7",
                "ModelPackageVersion": 7,
                "ModelApprovalStatus": "Approved",
                "InferenceSpecification": {"Containers": [container]},
            }
        return refused(Category.NOT_FOUND) if operation == "DescribeEndpoint" else {}

    references: Any = Team()
    aws = FakeAws(answer)
    kind = ModelEndpointKind(aws, references, SETTINGS, Spending(aws, references, SETTINGS))
    facts = asyncio.run(kind.observe(replace(case.snapshot, status=status), case.spec, NOW))
    assert isinstance(facts, ModelEndpointFacts)
    return [operation.partition(":")[2] for operation in aws.operations]


def test_a_parked_endpoint_costs_no_call() -> None:
    """While it is being parked, it and what hangs on it are looked at."""
    case = Tagged(idle={"parkAfter": "1h"})
    assert looked(case, "Parked") == []
    assert looked(case, "Parking")[0] == "DescribeEndpoint"


def test_batch_jobs_of_a_parked_endpoint_go_on() -> None:
    """At night, say: their model is looked up, the endpoint is not."""
    batch = {"input": "s3://team-a-ml/in/", "output": "s3://team-a-ml/out/", "schedule": {"cron": "0 2 * * *", "timeZone": "UTC"}}
    variants = [{"name": "all", "model": {"package": {"group": "digits", "version": 7}}}]
    calls = looked(Tagged(idle={"parkAfter": "1h"}, batch=batch, variants=variants), "Parked")
    assert "DescribeModelPackage" in calls
    assert "DescribeEndpoint" not in calls


@pytest.mark.parametrize(
    ("changes", "phase", "looks"),
    [
        ({}, "Creating", True),
        ({}, "InService", False),
        ({"state": EndpointState.FAILED}, "Creating", True),
        ({"state": EndpointState.FAILED}, "Failed", False),
        ({"state": EndpointState.BUSY}, "Creating", False),
        ({"config": "another"}, "Creating", False),
    ],
)
def test_what_status_forgot_is_looked_for_once_when_a_creation_ends(changes: dict[str, Any], phase: str, looks: bool) -> None:
    """Well or badly; at rest nothing is listed."""
    case = Seen()
    good: Any = {"config": case.config()} if phase == "InService" else None
    assert case.look(case.aws(), phase=phase, lastGood=good).arrives(case.facts(**changes)) is looks


def test_what_an_earlier_creation_may_still_leave_beside_a_failed_one_is_looked_for() -> None:
    """As long as status says that there was one."""
    case = Seen()
    look = case.look(case.aws(), phase="Failed", update={"overtaken": "2026-11-21T10:00:00Z"})
    assert look.arrives(case.facts(state=EndpointState.FAILED))
