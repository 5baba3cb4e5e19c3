"""SageMaker's own words for refusals that no service model holds.

Texts from public issues, from the ACK controller's error table (tested against AWS) and from the API
reference; clients match on them, so change nothing here without a source.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from local_aws.errors import AwsError

INTERNAL_ERROR = "InternalServerError: We encountered an internal error. Please try again."


def validation(message: str) -> AwsError:
    return AwsError("ValidationException", message)


def training_job_absent(_: str) -> AwsError:
    return validation("Requested resource not found.")


def training_job_taken(arn: str) -> AwsError:
    return AwsError(
        "ResourceInUse",
        f"Training job names must be unique within an AWS account and region, and a training job with this name already exists ({arn})",
    )


def processing_job_absent(name: str) -> AwsError:
    return validation(f"Could not find requested job with name: {name}")


def processing_job_taken(arn: str) -> AwsError:
    return AwsError(
        "ResourceInUse",
        f"Job name must be unique within an AWS account and region, and a job with this name already exists ({arn})",
    )


def model_absent(arn: str) -> AwsError:
    return validation(f'Could not find model "{arn}".')


def model_taken(arn: str) -> AwsError:
    return validation(f'Cannot create already existing model "{arn}".')


def package_absent(arn: str) -> AwsError:
    return validation(f"ModelPackage {arn} does not exist.")


def package_taken(arn: str) -> AwsError:
    return validation(f"Model Package already exists: {arn}")


def group_absent(arn: str) -> AwsError:
    return validation(f"ModelPackageGroup {arn} does not exist.")


def group_taken(arn: str) -> AwsError:
    return validation(f"Model Package Group already exists: {arn}")


def wrong_status(kind: str, status: str) -> AwsError:
    """A Stop on a job that has ended; `kind` is "training job" or "processing job"."""
    return validation(f"The request was rejected because the {kind} is in status {status}.")


def not_deletable(kind: str, status: str) -> AwsError:
    """A Delete on a job that has not ended (DeleteTrainingJob models ResourceInUse)."""
    return AwsError(
        "ResourceInUse",
        f"The request was rejected because the {kind} is in status {status}. "
        "Only jobs in a terminal state (Stopped, Failed, or Completed) can be deleted.",
    )


def role_not_assumable(role_arn: str) -> AwsError:
    return validation(
        f"Could not assume role {role_arn}. Please ensure that the role exists and allows principal "
        "'sagemaker.amazonaws.com' to assume the role."
    )


def no_objects(uri: str, region: str, role_arn: str) -> str:
    bucket = uri.removeprefix("s3://").partition("/")[0]
    return (
        f'No S3 objects found under S3 URL "{uri}" given in input data source. '
        f"Please ensure that the bucket exists in the selected region ({region}), "
        "that objects exist under that S3 prefix, and that the "
        f'role "{role_arn}" has "s3:ListBucket" permissions on bucket "{bucket}".'
    )


def algorithm_error(message: str, code: int | str) -> str:
    """FailureReason of a container that failed, cut to AWS's 1,024 characters at the front, where the least
    is lost.
    """
    suffix = f", exit code: {code}"
    room = 1024 - len("AlgorithmError: ") - len(suffix)
    return f"AlgorithmError: {message if len(message) <= room else '...' + message[3 - room :]}{suffix}"


def client_error(message: str) -> str:
    return f"ClientError: {message}"[:1024]


def check_tags(tags: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Tags as a map; duplicate keys and reserved prefixes are refused."""
    seen: dict[str, str] = {}
    for tag in tags:
        key = tag["Key"]
        if key.lower().startswith("aws:"):
            raise validation("aws: prefixed tag key names are not allowed for external use.")
        if key in seen:
            raise validation(f"Duplicate tag keys found. Please note that Tag keys are case insensitive: {key}")
        seen[key] = tag["Value"]
    if len(seen) > 50:
        raise validation("Tag limit exceeded: a resource can have at most 50 tags.")
    return seen
