"""Endpoints, configs and models at AWS, as a ModelEndpoint needs them: what is there, whose it is, and which model a reference means.

Source: Amazon SageMaker API Reference (DescribeEndpoint, ListTags, DescribeModelPackage, ListModelPackages).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sagemaker_gitops.api.model_reference import Container as Link
from sagemaker_gitops.api.model_reference import ModelReference, Package
from sagemaker_gitops.aws.errors import failure_reason
from sagemaker_gitops.aws.kinds.references import References
from sagemaker_gitops.aws.port import Aws, Scope
from sagemaker_gitops.core import naming
from sagemaker_gitops.core.errors import AwsFailure, Category
from sagemaker_gitops.core.kinds.model_endpoint.facts import (
    AwaitingApproval,
    Container,
    EndpointFact,
    EndpointState,
    ForeignEndpoint,
    LiveEndpoint,
    LiveVariant,
    ModelFact,
    ModelMissing,
    NoEndpoint,
    Resolved,
)
from sagemaker_gitops.core.kinds.model_endpoint.situation import partition
from sagemaker_gitops.core.resource import Key

BUSY = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"})
BROKEN = frozenset({"Failed", "UpdateRollbackFailed", "OutOfService"})
APPROVED = "Approved"


async def look_at_endpoint(aws: Aws, scope: Scope, name: str, install: str, owner: Key, *, proven: bool) -> EndpointFact:
    """DescribeEndpoint; `proven` says that its tags have been seen to be ours."""
    try:
        answer = await aws.call(scope, "sagemaker", "DescribeEndpoint", {"EndpointName": name})
    except AwsFailure as failure:
        if failure.category is Category.NOT_FOUND:
            return NoEndpoint()
        raise
    live = _live(answer)
    if not proven:
        _, tags = await tags_of(aws, scope, "endpoint", name)
        if not naming.owned_by(tags, install, owner):
            return foreign(tags, live)
    return live


def _live(answer: Mapping[str, Any]) -> LiveEndpoint:
    status = answer["EndpointStatus"]
    state = EndpointState.BUSY if status in BUSY else EndpointState.FAILED if status in BROKEN else EndpointState.UNKNOWN
    return LiveEndpoint(
        state=EndpointState.IN_SERVICE if status == "InService" else state,
        raw=status,
        config=answer.get("EndpointConfigName", ""),
        last_modified=answer["LastModifiedTime"],
        variants={item["VariantName"]: _variant(item) for item in answer.get("ProductionVariants", ())},
        reason=failure_reason(answer.get("FailureReason", "")),
        pending=(answer.get("PendingDeploymentSummary") or {}).get("EndpointConfigName", ""),
    )


def _variant(item: Mapping[str, Any]) -> LiveVariant:
    images = item.get("DeployedImages") or [{}]
    return LiveVariant(
        weight=float(item.get("DesiredWeight", item.get("CurrentWeight", 0.0))),
        instances=int(item.get("DesiredInstanceCount", item.get("CurrentInstanceCount", 0))),
        image_digest=str(images[0].get("ResolvedImage", "")).partition("@")[2] if len(images) == 1 else "",
        serverless="CurrentServerlessConfig" in item or "DesiredServerlessConfig" in item,
    )


async def foreign_owner(aws: Aws, scope: Scope, resource: str, name: str, install: str, owner: Key) -> str | None:
    """Whose endpoint, endpoint-config or model it is when its tags do not name `owner`; None when they do. NOT_FOUND raises."""
    _, tags = await tags_of(aws, scope, resource, name)
    return None if naming.owned_by(tags, install, owner) else foreign(tags).owner


async def tags_of(aws: Aws, scope: Scope, resource: str, name: str) -> tuple[str, dict[str, str]]:
    """ARN and tags of an endpoint, endpoint-config or model: ListTags, in pages. NOT_FOUND raises."""
    arn = f"arn:{partition(scope.region)}:sagemaker:{scope.region}:{scope.account}:{resource}/{name}"
    found: dict[str, str] = {}
    request: dict[str, Any] = {"ResourceArn": arn}
    while True:
        answer = await aws.call(scope, "sagemaker", "ListTags", request)
        found |= {tag["Key"]: tag["Value"] for tag in answer.get("Tags", ())}
        if not answer.get("NextToken"):
            return arn, found
        request = {**request, "NextToken": answer["NextToken"]}


def foreign(tags: Mapping[str, str], live: LiveEndpoint | None = None) -> ForeignEndpoint:
    """What is said of an endpoint with such tags."""
    owner = "/".join(tags[tag] for tag in naming.OWNER_TAGS if tag in tags) or "somebody without our tags"
    return ForeignEndpoint(owner, tags, live)


async def resolve(aws: Aws, scope: Scope, references: References, namespace: str, model: ModelReference) -> ModelFact:
    """What a variant's model reference means now."""
    if model.image is not None:
        return _own_image(model.image, model.artifact, model.environment)
    if model.containers is not None:
        return await _pipeline(aws, scope, model.containers)
    packages = packages_of(references, namespace, model)
    if not packages:
        assert model.training_run_ref is not None, "the schema's exactly-one-of"
        return ModelMissing(f"TrainingRun {model.training_run_ref.name} has not registered a model yet")
    return await _package(aws, scope, packages[0])


def packages_of(references: References, namespace: str, model: ModelReference) -> list[Package]:
    """What a reference takes from the registry: versions, or the rule by which one is chosen; of a TrainingRun what it registered last."""
    found = [link.package for _, link in model.links if link.package is not None]
    if model.training_run_ref is not None and (registered := registered_model(references, namespace, model.training_run_ref.name)):
        group, _, version = registered.rpartition("/")
        found.append(Package(group=group, version=int(version)))
    return found


def _own_image(image: str, artifact: str | None, environment: Mapping[str, str]) -> Resolved:
    return Resolved(image.rpartition("/")[2], (Container(image, artifact, dict(environment)),))


async def _pipeline(aws: Aws, scope: Scope, links: tuple[Link, ...]) -> ModelFact:
    """The containers of every link, in order. The first link that may not be served decides."""
    found = []
    for link in links:
        if link.package is not None:
            model = await _package(aws, scope, link.package)
        else:
            assert link.image is not None, "the schema's exactly-one-of"
            model = _own_image(link.image, link.artifact, link.environment)
        if not isinstance(model, Resolved):
            return model
        found.append(model)
    return Resolved(
        label="+".join(model.label for model in found),
        containers=tuple(container for model in found for container in model.containers),
        approver=", ".join(dict.fromkeys(model.approver for model in found if model.approver)),
        package_arns=tuple(arn for model in found for arn in model.package_arns),
    )


def registered_model(references: References, namespace: str, name: str) -> str | None:
    """group/version of the newest run of a TrainingRun that succeeded and registered a model."""
    found = references.object(Key("TrainingRun", namespace, name))
    if found is None:
        return None
    status = found.status
    runs = [status, *(status.get("history") or ())]
    models = (run.get("model") for run in runs if isinstance(run, Mapping) and run.get("phase") == "Succeeded")
    return next((model for model in models if isinstance(model, str) and model.rpartition("/")[2].isdigit()), None)


async def _package(aws: Aws, scope: Scope, wanted: Package) -> ModelFact:
    region, group = scope.region, wanted.group
    try:
        if wanted.version is not None:
            arn = f"arn:{partition(region)}:sagemaker:{region}:{scope.account}:model-package/{group}/{wanted.version}"
        else:
            page = {"ModelPackageGroupName": group, "ModelApprovalStatus": APPROVED, "SortBy": "CreationTime", "SortOrder": "Descending"}
            listed = (await aws.call(scope, "sagemaker", "ListModelPackages", page | {"MaxResults": 1})).get("ModelPackageSummaryList", [])
            if not listed:
                return AwaitingApproval(f"no version of {group} is approved: approve one in the registry")
            arn = listed[0]["ModelPackageArn"]
        described = await aws.call(scope, "sagemaker", "DescribeModelPackage", {"ModelPackageName": arn})
    except AwsFailure as failure:
        if failure.category is Category.NOT_FOUND:
            return ModelMissing(f"the registry has no {group}{f'/{wanted.version}' if wanted.version else ''}")
        raise
    return _as_model(described, f"{group}/{described.get('ModelPackageVersion', 0)}")


def _as_model(described: Mapping[str, Any], label: str) -> ModelFact:
    approval = described.get("ModelApprovalStatus", "")
    if approval != APPROVED:
        return AwaitingApproval(f"{label} is {approval}: approve it in the registry, or choose another version")
    containers = (described.get("InferenceSpecification") or {}).get("Containers") or []
    if not containers:
        return ModelMissing(f"{label} has no container: its InferenceSpecification must name the image that serves it")
    identity = (described.get("LastModifiedBy") or described.get("CreatedBy") or {}).get("IamIdentity") or {}
    return Resolved(
        label=label,
        containers=tuple(
            Container(item["Image"], item.get("ModelDataUrl"), dict(item.get("Environment") or {}), described["ModelPackageArn"])
            for item in containers
        ),
        package_arn=described["ModelPackageArn"],
        approver=identity.get("Arn", ""),
        package_arns=(described["ModelPackageArn"],),
    )
