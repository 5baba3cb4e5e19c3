"""What CreateTrainingJob checks before there is a job, and the tags that it sets."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from service_kit import IMAGE, REGION, UNTRUSTED, Kit, channel

SAVE = "print('x')\n"


def test_a_role_that_does_not_trust_sagemaker_is_refused(kit: Kit) -> None:
    """The text is AWS's, and no job is left behind."""
    request = kit.training_request(SAVE, RoleArn=UNTRUSTED)
    with pytest.raises(ClientError, match="ensure that the role exists and allows principal 'sagemaker"):
        kit.client("sagemaker").create_training_job(**request)
    with pytest.raises(ClientError, match="Requested resource not found"):
        kit.training(request["TrainingJobName"])


def test_a_caller_that_may_not_pass_the_role_is_refused(kit: Kit) -> None:
    """iam:PassRole is checked for the caller's own role."""
    narrow = kit.world.identity.mint("arn:aws:iam::123456789012:role/narrow", "session", None)
    client = kit.client_as("sagemaker", narrow.access_key_id, narrow.session_token)
    with pytest.raises(ClientError, match="is not authorized to perform: iam:PassRole on resource"):
        client.create_training_job(**kit.training_request(SAVE))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"AlgorithmSpecification": {"AlgorithmName": "mine"}},
            "Exactly one of TrainingImage and AlgorithmName",
        ),
        (
            {"AlgorithmSpecification": {"MetricDefinitions": [{"Name": "m", "Regex": "(["}]}},
            "Invalid MetricDef",
        ),
        ({"EnableManagedSpotTraining": True}, "Invalid MaxWaitTimeInSeconds. It must be present"),
        (
            {"StoppingCondition": {"MaxRuntimeInSeconds": 9, "MaxWaitTimeInSeconds": 9}},
            "It must not be present",
        ),
        (
            {"ResourceConfig": {"InstanceCount": 1, "VolumeSizeInGB": 1}},
            "ResourceConfig.InstanceType is required",
        ),
        (
            {"InputDataConfig": [channel("a", "s3://x/y"), channel("a", "s3://x/z")]},
            "Channel names must be unique",
        ),
        ({"Tags": [{"Key": "k", "Value": "1"}, {"Key": "k", "Value": "2"}]}, "Duplicate tag keys"),
        ({"Tags": [{"Key": "aws:k", "Value": "1"}]}, "aws: prefixed tag key"),
    ],
)
def test_rules_between_members_are_checked_at_creation(kit: Kit, changes: dict[str, Any], message: str) -> None:
    """A request that the model accepts but SageMaker does not is a ValidationException."""
    with pytest.raises(ClientError, match=message):
        kit.train(SAVE, **changes)


def test_tags_of_the_request_can_be_read_changed_and_removed(kit: Kit) -> None:
    """Tags are set atomically with the creation and answer to AddTags and DeleteTags."""
    sagemaker = kit.client("sagemaker")
    arn = kit.training(kit.train(SAVE, Tags=[{"Key": "team", "Value": "a"}]))["TrainingJobArn"]
    sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "stage", "Value": "dev"}, {"Key": "team", "Value": "b"}])
    sagemaker.delete_tags(ResourceArn=arn, TagKeys=["stage"])
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "team", "Value": "b"}]


def test_tags_of_a_missing_job_are_its_own_not_found_error(kit: Kit) -> None:
    """ListTags on an ARN without a resource says what Describe would say."""
    arn = f"arn:aws:sagemaker:{REGION}:123456789012:training-job/absent"
    with pytest.raises(ClientError, match="Requested resource not found"):
        kit.client("sagemaker").list_tags(ResourceArn=arn)


def test_image_is_echoed(kit: Kit) -> None:
    """Describe repeats the request."""
    job = kit.training(kit.train(SAVE, Environment={"A": "b"}))
    assert job["AlgorithmSpecification"]["TrainingImage"] == IMAGE
    assert job["Environment"] == {"A": "b"}
