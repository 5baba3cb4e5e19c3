"""Models, model packages and their groups."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from service_kit import IMAGE, ROLE, UNTRUSTED, Kit

INFERENCE = {
    "Containers": [{"Image": IMAGE, "ModelDataUrl": "s3://kit-bucket/model.tar.gz"}],
    "SupportedContentTypes": ["text/csv"],
    "SupportedResponseMIMETypes": ["text/csv"],
}

VALIDATION = {
    "ValidationRole": ROLE,
    "ValidationProfiles": [
        {
            "ProfileName": "p",
            "TransformJobDefinition": {
                "TransformInput": {"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://kit-bucket/in"}}},
                "TransformOutput": {"S3OutputPath": "s3://kit-bucket/out"},
                "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
            },
        }
    ],
}


@pytest.fixture
def group(kit: Kit) -> str:
    """A new model package group."""
    name = kit.name("group")
    kit.client("sagemaker").create_model_package_group(ModelPackageGroupName=name)
    return name


def register(kit: Kit, group: str, **changes: Any) -> str:
    request = {"ModelPackageGroupName": group, "InferenceSpecification": INFERENCE} | changes
    arn: str = kit.client("sagemaker").create_model_package(**request)["ModelPackageArn"]
    return arn


def described(kit: Kit, arn: str) -> dict[str, Any]:
    answer: dict[str, Any] = kit.client("sagemaker").describe_model_package(ModelPackageName=arn)
    return answer


def test_packages_of_a_group_are_numbered(kit: Kit, group: str) -> None:
    """The first is version 1; a version is never used again, not even after a deletion."""
    first, second = register(kit, group), register(kit, group)
    kit.client("sagemaker").delete_model_package(ModelPackageName=second)
    third = register(kit, group)
    assert [arn.rpartition("/")[2] for arn in (first, second, third)] == ["1", "2", "3"]


def test_a_package_waits_for_approval(kit: Kit, group: str) -> None:
    """Without ModelApprovalStatus a versioned package is PendingManualApproval, and Completed."""
    package = described(kit, register(kit, group))
    assert package["ModelApprovalStatus"] == "PendingManualApproval"
    assert (package["ModelPackageStatus"], package["ModelPackageVersion"]) == ("Completed", 1)
    assert package["ModelPackageStatusDetails"] == {"ValidationStatuses": [], "ImageScanStatuses": []}
    assert "ModelPackageName" not in package


def test_the_same_client_token_gives_the_same_package(kit: Kit, group: str) -> None:
    """A repeated request creates nothing and answers with the first package's ARN."""
    token = kit.name("token")
    first = register(kit, group, ClientToken=token)
    assert register(kit, group, ClientToken=token) == first
    listed = kit.client("sagemaker").list_model_packages(ModelPackageGroupName=group)
    assert [each["ModelPackageArn"] for each in listed["ModelPackageSummaryList"]] == [first]


def test_a_client_token_with_other_parameters_is_a_conflict(kit: Kit, group: str) -> None:
    """A token belongs to one request."""
    token = kit.name("token")
    register(kit, group, ClientToken=token)
    with pytest.raises(ClientError, match="ConflictException"):
        register(kit, group, ClientToken=token, ModelPackageDescription="another")


def test_approval_and_properties_can_be_updated(kit: Kit, group: str) -> None:
    """UpdateModelPackage changes approval, description of it, and merges customer metadata."""
    sagemaker = kit.client("sagemaker")
    arn = register(kit, group, CustomerMetadataProperties={"run": "r1", "old": "x"})
    sagemaker.update_model_package(
        ModelPackageArn=arn,
        ModelApprovalStatus="Approved",
        ApprovalDescription="looks good",
        CustomerMetadataProperties={"approver": "ann"},
        CustomerMetadataPropertiesToRemove=["old"],
    )
    package = described(kit, arn)
    assert (package["ModelApprovalStatus"], package["ApprovalDescription"]) == ("Approved", "looks good")
    assert package["CustomerMetadataProperties"] == {"run": "r1", "approver": "ann"}
    assert package["LastModifiedTime"] >= package["CreationTime"]


def test_packages_are_found_by_approval_newest_first(kit: Kit, group: str) -> None:
    """ListModelPackages filters by group and approval and sorts."""
    arns = [register(kit, group, ModelApprovalStatus="Approved") for _ in range(2)]
    register(kit, group, ModelApprovalStatus="Rejected")
    listed = kit.client("sagemaker").list_model_packages(
        ModelPackageGroupName=group, ModelApprovalStatus="Approved", SortOrder="Descending"
    )["ModelPackageSummaryList"]
    assert [each["ModelPackageArn"] for each in listed] == arns[::-1]


def test_a_versioned_package_takes_no_tags(kit: Kit, group: str) -> None:
    """Its tags are those of the group: the API reference forbids the argument."""
    with pytest.raises(ClientError, match="uses the tags of the group"):
        register(kit, group, Tags=[{"Key": "a", "Value": "b"}])


def test_an_unversioned_package_has_a_name(kit: Kit) -> None:
    """It is described by its name, tagged, and a second one of the same name is refused."""
    sagemaker = kit.client("sagemaker")
    name = kit.name("package")
    request = {
        "ModelPackageName": name,
        "InferenceSpecification": INFERENCE,
        "Tags": [{"Key": "a", "Value": "b"}],
    }
    arn = sagemaker.create_model_package(**request)["ModelPackageArn"]
    package = described(kit, name)
    assert (package["ModelPackageArn"], "ModelApprovalStatus" in package) == (arn, False)
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "b"}]
    with pytest.raises(ClientError, match="already exists"):
        sagemaker.create_model_package(**request)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ModelPackageGroupName": "absent-group"}, r"model-package-group/absent-group does not exist\."),
        ({"ModelPackageName": "both"}, "Both ModelPackageName and ModelPackageGroupName are provided"),
        ({"ValidationSpecification": VALIDATION}, "ValidationSpecification is not supported"),
    ],
)
def test_bad_packages_are_refused(kit: Kit, group: str, changes: dict[str, Any], message: str) -> None:
    """Each with its own reason."""
    with pytest.raises(ClientError, match=message):
        register(kit, group, **changes)


def test_a_group_with_packages_can_not_be_deleted(kit: Kit, group: str) -> None:
    """ConflictException first; after its packages are gone, the group goes."""
    sagemaker = kit.client("sagemaker")
    arn = register(kit, group)
    with pytest.raises(ClientError, match="ConflictException"):
        sagemaker.delete_model_package_group(ModelPackageGroupName=group)
    sagemaker.delete_model_package(ModelPackageName=arn)
    sagemaker.delete_model_package_group(ModelPackageGroupName=group)
    with pytest.raises(ClientError, match=r"does not exist\."):
        sagemaker.describe_model_package_group(ModelPackageGroupName=group)


def test_groups_are_listed_with_filters(kit: Kit, group: str) -> None:
    """NameContains finds it."""
    listed = kit.client("sagemaker").list_model_package_groups(NameContains=group[-8:])
    names = [each["ModelPackageGroupName"] for each in listed["ModelPackageGroupSummaryList"]]
    assert names == [group]


def test_a_model_is_created_described_and_deleted(kit: Kit) -> None:
    """Describe adds the container's defaults; Delete frees the name."""
    sagemaker = kit.client("sagemaker")
    name, data = kit.name("model"), kit.put("models/model.tar.gz", b"x")
    request = {
        "ModelName": name,
        "ExecutionRoleArn": ROLE,
        "PrimaryContainer": {"Image": IMAGE, "ModelDataUrl": data},
    }
    arn = sagemaker.create_model(**request)["ModelArn"]
    model = sagemaker.describe_model(ModelName=name)
    assert (model["ModelArn"], model["EnableNetworkIsolation"]) == (arn, False)
    assert model["PrimaryContainer"]["Mode"] == "SingleModel"
    assert [each["ModelName"] for each in sagemaker.list_models(NameContains=name)["Models"]] == [name]
    sagemaker.delete_model(ModelName=name)
    with pytest.raises(ClientError, match="Could not find model"):
        sagemaker.describe_model(ModelName=name)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"PrimaryContainer": {"Image": IMAGE, "ModelDataUrl": "s3://kit-bucket/no"}},
            "Could not find model data at",
        ),
        ({"ExecutionRoleArn": UNTRUSTED}, "Could not assume role"),
        ({"Containers": [{"Image": IMAGE}]}, "Exactly one of PrimaryContainer and Containers"),
        ({"PrimaryContainer": {}}, "exactly one of Image and ModelPackageName"),
    ],
)
def test_bad_models_are_refused(kit: Kit, changes: dict[str, Any], message: str) -> None:
    """Missing data, a role that SageMaker can't assume, contradicting members."""
    request = {"ModelName": kit.name("m"), "ExecutionRoleArn": ROLE, "PrimaryContainer": {"Image": IMAGE}}
    with pytest.raises(ClientError, match=message):
        kit.client("sagemaker").create_model(**(request | changes))
