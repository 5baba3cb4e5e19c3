"""How AWS answers a second, a late or a wrong call: reference/failure-modes.md 2.1, one case for each row and
column.

Rows of endpoints, tuning, monitoring schedules and scaling belong to later kinds.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from target import SLEEPS, Target


def refusal(call: Callable[[], Any]) -> tuple[str, str]:
    """(code, message) of a call that must be refused."""
    with pytest.raises(ClientError) as caught:
        call()
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


@pytest.mark.live
def test_a_second_training_job_of_a_name_is_resource_in_use(target: Target) -> None:
    """Names are unique; the message carries the ARN of the first, which stays as it was."""
    request = target.training()
    first = target.train(request)
    code, message = refusal(lambda: target.client("sagemaker").create_training_job(**request))
    assert code == "ResourceInUse"
    assert message.startswith("Training job names must be unique within an AWS account and region")
    assert first["TrainingJobArn"] in message
    assert target.trained(request["TrainingJobName"])["CreationTime"] == first["CreationTime"]


@pytest.mark.live
def test_a_second_processing_job_of_a_name_is_resource_in_use(target: Target) -> None:
    """As for training jobs, in the words of processing."""
    request = target.processing()
    sagemaker = target.client("sagemaker")
    arn = sagemaker.create_processing_job(**request)["ProcessingJobArn"]
    code, message = refusal(lambda: sagemaker.create_processing_job(**request))
    assert (code, arn in message) == ("ResourceInUse", True)
    target.processed(request["ProcessingJobName"])


@pytest.mark.live
def test_a_second_model_of_a_name_is_not_a_modelled_error(target: Target) -> None:
    """CreateModel answers ValidationException "Cannot create already existing model"."""
    request = target.model()
    sagemaker = target.client("sagemaker")
    arn = sagemaker.create_model(**request)["ModelArn"]
    code, message = refusal(lambda: sagemaker.create_model(**request))
    sagemaker.delete_model(ModelName=request["ModelName"])
    assert code == "ValidationException"
    assert message == f'Cannot create already existing model "{arn}".'


@pytest.mark.live
def test_a_second_group_of_a_name_already_exists(target: Target) -> None:
    """CreateModelPackageGroup answers ValidationException too."""
    group = target.group()
    sagemaker = target.client("sagemaker")
    code, message = refusal(lambda: sagemaker.create_model_package_group(ModelPackageGroupName=group))
    sagemaker.delete_model_package_group(ModelPackageGroupName=group)
    assert code == "ValidationException"
    assert message.startswith("Model Package Group already exists")


@pytest.mark.live
def test_create_model_package_is_idempotent_by_client_token(target: Target) -> None:
    """The same token and parameters give the same ARN and one package."""
    group = target.group()
    sagemaker = target.client("sagemaker")
    request = target.package(group, ClientToken=target.name("token"))
    arns = {sagemaker.create_model_package(**request)["ModelPackageArn"] for _ in range(2)}
    listed = sagemaker.list_model_packages(ModelPackageGroupName=group)["ModelPackageSummaryList"]
    sagemaker.delete_model_package(ModelPackageName=next(iter(arns)))
    sagemaker.delete_model_package_group(ModelPackageGroupName=group)
    assert (len(arns), len(listed)) == (1, 1)


@pytest.mark.live
def test_a_model_package_of_a_missing_group_is_refused(target: Target) -> None:
    """The group must exist first."""
    request = target.package("conformance-absent")
    code, message = refusal(lambda: target.client("sagemaker").create_model_package(**request))
    assert code == "ValidationException"
    assert message.endswith("does not exist.")


@pytest.mark.live
def test_a_group_with_packages_is_a_conflict(target: Target) -> None:
    """DeleteModelPackageGroup wants an empty group."""
    group = target.group()
    sagemaker = target.client("sagemaker")
    arn = sagemaker.create_model_package(**target.package(group))["ModelPackageArn"]
    code, _ = refusal(lambda: sagemaker.delete_model_package_group(ModelPackageGroupName=group))
    sagemaker.delete_model_package(ModelPackageName=arn)
    sagemaker.delete_model_package_group(ModelPackageGroupName=group)
    assert code == "ConflictException"


@pytest.mark.live
def test_stopping_a_finished_training_job_is_refused(target: Target) -> None:
    """The message names the status."""
    name = target.train(target.training())["TrainingJobName"]
    code, message = refusal(lambda: target.client("sagemaker").stop_training_job(TrainingJobName=name))
    assert code == "ValidationException"
    assert message.startswith("The request was rejected because the training job is in status Completed")


@pytest.mark.live
def test_deleting_a_running_training_job_is_resource_in_use(target: Target) -> None:
    """Only terminal jobs can be deleted; then the name is free and the metadata is gone."""
    sagemaker = target.client("sagemaker")
    request = target.training(SLEEPS)
    name = request["TrainingJobName"]
    sagemaker.create_training_job(**request)
    code, _ = refusal(lambda: sagemaker.delete_training_job(TrainingJobName=name))
    sagemaker.stop_training_job(TrainingJobName=name)
    target.trained(name)
    sagemaker.delete_training_job(TrainingJobName=name)
    absent, message = refusal(lambda: sagemaker.describe_training_job(TrainingJobName=name))
    assert code == "ResourceInUse"
    assert (absent, message.startswith("Requested resource not found")) == ("ValidationException", True)


@pytest.mark.live
def test_a_role_that_does_not_exist_is_refused_in_awss_words(target: Target) -> None:
    """Create checks that SageMaker can assume the role."""
    role = f"arn:aws:iam::{target.account}:role/conformance-absent"
    request = target.training(RoleArn=role)
    code, message = refusal(lambda: target.client("sagemaker").create_training_job(**request))
    assert code == "ValidationException"
    assert message.startswith(f"Could not assume role {role}. Please ensure that the role exists")


@pytest.mark.live
@pytest.mark.parametrize(
    ("changes", "pattern"),
    [
        ({"TrainingJobName": "x" * 64}, r"at 'trainingJobName'.*less than or equal to 63"),
        ({"TrainingJobName": "no_underscore"}, r"at 'trainingJobName'.*regular expression pattern"),
        ({"Environment": {"A": "x" * 513}}, r"at 'environment'.*512"),
        ({"HyperParameters": {"a": "x" * 2501}}, r"at 'hyperParameters'.*2500"),
        (
            {"ResourceConfig": {"InstanceType": "ml.unknown", "InstanceCount": 1, "VolumeSizeInGB": 5}},
            r"at 'resourceConfig.instanceType'.*enum value set",
        ),
    ],
    ids=["long-name", "bad-name", "long-environment", "long-hyperparameter", "instance-type"],
)
def test_bounds_that_the_client_does_not_check(target: Target, changes: dict[str, Any], pattern: str) -> None:
    """Enum, pattern, maximum length and maximum value are refused by the service in its own form."""
    request = target.training(**changes)
    code, message = refusal(lambda: target.client("sagemaker").create_training_job(**request))
    assert code == "ValidationException"
    assert re.match(r"\d+ validation errors? detected: ", message), message
    assert re.search(pattern, message), message


def test_a_quota_that_is_used_up_names_limit_utilization_and_delta(target: Target) -> None:
    """ResourceLimitExceeded, so that a client can tell "wait" from "never"."""
    assert target.admin is not None
    quota = "ml.m4.xlarge for training job usage"
    target.admin.admin("PUT", "quotas", {quota: 1})
    resource = {"InstanceType": "ml.m4.xlarge", "InstanceCount": 2, "VolumeSizeInGB": 5}
    request = target.training(ResourceConfig=resource)
    code, message = refusal(lambda: target.client("sagemaker").create_training_job(**request))
    assert code == "ResourceLimitExceeded"
    assert message.startswith(
        f"The account-level service limit '{quota}' is 1 Instances, with current utilization of 0 "
        "Instances and a request delta of 2 Instances."
    )


def test_missing_capacity_is_a_failure_reason_not_an_error(target: Target) -> None:
    """CreateTrainingJob is accepted; CapacityError arrives as FailureReason of a Failed job."""
    assert target.admin is not None
    reason = "CapacityError: Unable to provision requested ML compute capacity."
    target.admin.fail_jobs(job="TrainingJob", reason=reason)
    job = target.train(target.training())
    assert (job["TrainingJobStatus"], job["FailureReason"]) == ("Failed", reason)


@pytest.mark.live
def test_a_second_glue_job_of_a_name_already_exists(target: Target) -> None:
    """CreateJob knows no update."""
    glue = target.client("glue")
    request = target.glue_job()
    glue.create_job(**request)
    code, _ = refusal(lambda: glue.create_job(**request))
    glue.delete_job(JobName=request["Name"])
    assert code in {"AlreadyExistsException", "IdempotentParameterMismatchException"}


@pytest.mark.live
def test_starting_a_glue_job_has_no_idempotency(target: Target) -> None:
    """A second StartJobRun is a second run where the job allows it, and refused where it does not."""
    glue = target.client("glue")
    request = target.glue_job(SLEEPS, ExecutionProperty={"MaxConcurrentRuns": 2})
    glue.create_job(**request)
    name = request["Name"]
    runs = {glue.start_job_run(JobName=name)["JobRunId"] for _ in range(2)}
    code, _ = refusal(lambda: glue.start_job_run(JobName=name))
    glue.batch_stop_job_run(JobName=name, JobRunIds=sorted(runs))
    for run in runs:
        target.wait(lambda run=run: glue.get_job_run(JobName=name, RunId=run)["JobRun"]["JobRunState"])
    glue.delete_job(JobName=name)
    assert (len(runs), code) == (2, "ConcurrentRunsExceededException")


@pytest.mark.live
def test_a_glue_job_that_times_nothing_out_says_so(target: Target) -> None:
    """Without Timeout the default is days: 2,880 minutes for this Glue version."""
    glue = target.client("glue")
    request = target.glue_job()
    glue.create_job(**request)
    job = glue.get_job(JobName=request["Name"])["Job"]
    glue.delete_job(JobName=request["Name"])
    assert job["Timeout"] == 2_880
