"""What every kind knows of an object on its way out, and of the Tenant that it needs for every call: shared by all kinds."""

from __future__ import annotations

from dataclasses import dataclass

from sagemaker_gitops.core.errors import AwsFailure, Category
from sagemaker_gitops.core.resource import GROUP, Key, Snapshot
from sagemaker_gitops.core.tenancy import Binding, Bound


@dataclass(frozen=True, slots=True)
class Deleting:
    """An object on its way out: all that matters of its spec is the deletion policy, None where it cannot be read."""

    policy: str | None


def deleting(snapshot: Snapshot) -> Deleting:
    policy = snapshot.spec.get("deletionPolicy")
    return Deleting(policy if policy in ("Delete", "Retain") else None)


def prove_bound(binding: Binding, key: Key, operation: str = "execute") -> Bound:
    """The Tenant. Raises AwsFailure, which stalls the object until a person acts, when there is no single one any more."""
    if isinstance(binding, Bound):
        return binding
    raise AwsFailure(
        Category.BLOCKED,
        service="sagemaker-gitops",
        operation=operation,
        code="TenantMissing",
        message=f"no single Tenant names namespace {key.namespace}: restore it, or give up the AWS side with {GROUP}/release",
    )
