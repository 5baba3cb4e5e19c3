"""Application Auto Scaling's own words for refusals that no service model holds.

Texts from public issues and from moto's tests, which quote AWS; where none was found the function says so.
"""

from __future__ import annotations

from local_aws.errors import AwsError
from local_aws.hosting.scalable import DIMENSION, NAMESPACE


def validation(message: str) -> AwsError:
    return AwsError("ValidationException", message)


def unsupported(what: str) -> AwsError:
    """What AWS can do and this local AWS cannot; the wording is ours."""
    return validation(f"{what} is not supported in this local AWS, which scales {DIMENSION} by target tracking.")


def unknown_resource() -> AwsError:
    return validation("Unsupported service namespace, resource type or scalable dimension")


def target_absent(resource_id: str) -> AwsError:
    """Deregistering or describing what is not registered."""
    return AwsError("ObjectNotFoundException", f"No scalable target found for {_identity(resource_id)}")


def target_needed(resource_id: str) -> AwsError:
    """A policy for what is not registered."""
    return AwsError("ObjectNotFoundException", f"No scalable target registered for {_identity(resource_id)}")


def policy_absent(resource_id: str, name: str) -> AwsError:
    return AwsError("ObjectNotFoundException", f"No scaling policy found for {_identity(resource_id)}, policy name: {name}")


def _identity(resource_id: str) -> str:
    return f"service namespace: {NAMESPACE}, resource ID: {resource_id}, scalable dimension: {DIMENSION}"


def resource_absent(arn: str) -> AwsError:
    """A tag operation on what is not there; AWS's wording was not found."""
    return AwsError("ResourceNotFoundException", f"The resource {arn} does not exist.", members={"ResourceName": arn})


def burstable(instance_type: str) -> AwsError:
    return validation(
        f"You cannot register a variant with {instance_type} instance type as a scalable target. This is because the burstable "
        "performance of these instances can lead to unpredictable behavior with Auto Scaling."
    )


def denied(caller: str, action: str) -> AwsError:
    return AwsError(
        "AccessDeniedException",
        f"User: {caller} is not authorized to perform: {action} because no identity-based policy allows the {action} action",
    )
