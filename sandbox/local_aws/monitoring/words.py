"""Refusals of Model Monitor. AWS's words were found for none of them: codes are those that the service model or clients name."""

from __future__ import annotations

from local_aws.errors import AwsError
from local_aws.sagemaker.words import validation

NO_DATA = "Job inputs had no data"
"""FailureReason of an execution whose window has no captured data; quoted in public issues."""


def closed(operation: str, account: str) -> AwsError:
    """What an account without access gets: neither code nor text is public."""
    return AwsError(
        "AccessDeniedException",
        f"Amazon SageMaker Model Monitor is no longer open to new customers: account {account} may not call {operation}. "
        "(In this local AWS the setting monitoring.open = 1 opens it.)",
    )


def definition_absent(arn: str) -> AwsError:
    return AwsError("ResourceNotFound", f"Could not find job definition {arn}.")


def definition_taken(arn: str) -> AwsError:
    return AwsError("ResourceInUse", f"Job definition {arn} already exists.")


def schedule_absent(arn: str) -> AwsError:
    return AwsError("ResourceNotFound", f"Could not find monitoring schedule {arn}.")


def schedule_taken(arn: str) -> AwsError:
    return AwsError("ResourceInUse", f"Monitoring schedule {arn} already exists.")


def alert_absent(name: str) -> AwsError:
    return AwsError("ResourceNotFound", f"Could not find monitoring alert {name}.")


def one_of(first: str, second: str) -> AwsError:
    return validation(f"Exactly one of {first} and {second} must be specified.")


def not_captured(endpoint: str) -> AwsError:
    return validation(f"Endpoint {endpoint} cannot be monitored: data capture is not enabled on it.")


def unsupported(what: str) -> AwsError:
    return validation(f"{what} is not supported in this local AWS.")


def expression(text: str) -> AwsError:
    return validation(
        f"ScheduleExpression {text} is invalid: give NOW, cron(0 * ? * * *), cron(0 [00-23] ? * * *) or cron(0 [00-23]/[01-24] ? * * *)."
    )
