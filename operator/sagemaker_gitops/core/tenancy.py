"""The tenant's fence, checked again in code: everything outside `allow` is refused before any AWS call (failure-modes.md I).

Each check is named after what it finds. The same rules stand in the ValidatingAdmissionPolicy; this one holds when that is gone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields

from sagemaker_gitops.api.fields import IMAGE_FORM, duration
from sagemaker_gitops.api.tenant import TenantSpec, matches
from sagemaker_gitops.core.errors import Finding

UNJUDGED_WORDS = "it names something that no list of a Tenant can allow, so leave it out"


@dataclass(frozen=True, slots=True)
class Bound:
    """Exactly one Tenant names the namespace."""

    name: str
    spec: TenantSpec


@dataclass(frozen=True, slots=True)
class Unbound:
    """No Tenant, or more than one: no AWS call at all. `candidates` is empty or names them."""

    candidates: tuple[str, ...] = ()


Binding = Bound | Unbound


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a resource would use, each as (path in the spec, value)."""

    role_arns: Sequence[tuple[str, str]] = ()
    s3_uris: Sequence[tuple[str, str]] = ()
    kms_key_arns: Sequence[tuple[str, str]] = ()
    images: Sequence[tuple[str, str]] = ()
    instance_types: Sequence[tuple[str, str]] = ()
    instance_counts: Sequence[tuple[str, int]] = ()
    subnet_ids: Sequence[tuple[str, str]] = ()
    security_group_ids: Sequence[tuple[str, str]] = ()
    endpoint_names: Sequence[tuple[str, str]] = ()
    runtimes: Sequence[tuple[str, int]] = ()
    topic_arns: Sequence[tuple[str, str]] = ()
    groups: Sequence[tuple[str, str]] = ()
    unjudged: Sequence[tuple[str, str]] = ()

    def __add__(self, other: Wanted) -> Wanted:
        """What both would use."""
        return Wanted(*([*getattr(self, field.name), *getattr(other, field.name)] for field in fields(Wanted)))


def findings(tenant_name: str, tenant: TenantSpec, wanted: Wanted) -> tuple[Finding, ...]:
    """Everything the Tenant forbids, in the order of its fields."""
    allow = tenant.allow
    return (
        *_not_allowed(tenant_name, "executionRoleArns", wanted.role_arns, allow.execution_role_arns),
        *outside_prefixes(tenant_name, wanted.s3_uris, allow.s3_prefixes),
        *_not_allowed(tenant_name, "kmsKeyArns", wanted.kms_key_arns, allow.kms_key_arns),
        *_not_allowed(tenant_name, "images", wanted.images, allow.images, IMAGE_FORM),
        *_not_allowed(tenant_name, "instanceTypes", wanted.instance_types, allow.instance_types),
        *_not_allowed(tenant_name, "subnetIds", wanted.subnet_ids, allow.subnet_ids),
        *_not_allowed(tenant_name, "securityGroupIds", wanted.security_group_ids, allow.security_group_ids),
        *_not_allowed(tenant_name, "endpointNames", wanted.endpoint_names, allow.endpoint_names),
        *(_not_allowed(tenant_name, "modelPackageGroups", wanted.groups, groups) if (groups := allow.model_package_groups) else ()),
        *topic_findings(tenant_name, tenant, wanted.topic_arns),
        *(Finding(path, f'"{value}" is not allowed: {UNJUDGED_WORDS}') for path, value in wanted.unjudged),
        *_missing_requirements(tenant_name, tenant, wanted),
        *_over_limits(tenant_name, tenant, wanted),
    )


def _not_allowed(
    tenant: str, field: str, values: Iterable[tuple[str, str]], patterns: Iterable[str] | None, form: str = ".*"
) -> Iterator[Finding]:
    """`form`: what has another one is not allowed either, whatever it begins with (an image with a second address behind an @)."""
    allowed = tuple(patterns or ())
    for path, value in values:
        if not matches(allowed, value) or ".." in value or "*" in value or not re.fullmatch(form, value, re.ASCII):
            yield Finding(path, f'"{value}" is not allowed: Tenant {tenant} allows {field} {_listed(allowed)}')


def outside_prefixes(tenant: str, uris: Iterable[tuple[str, str]], prefixes: Iterable[str]) -> Iterator[Finding]:
    """Bucket equality and whole path segments: s3://b/team-a-evil/ is not under s3://b/team-a."""
    allowed = tuple(prefix if prefix.endswith("/") else prefix + "/" for prefix in prefixes)
    for path, uri in uris:
        whole = uri if uri.endswith("/") else uri + "/"
        dotted = "/../" in whole or "/./" in whole
        if dotted or not any(whole.startswith(prefix) for prefix in allowed):
            yield Finding(path, f'"{uri}" is not allowed: Tenant {tenant} allows s3Prefixes {_listed(allowed)}')


def topic_findings(tenant: str, spec: TenantSpec, arns: Iterable[tuple[str, str]]) -> Iterator[Finding]:
    """An SNS topic is told where answers are and what failed: it must be in the Tenant's own account and region, and in its list if any."""
    listed = spec.allow.sns_topic_arns
    words = f"snsTopicArns {_listed(listed)}" if listed else f"SNS topics of account {spec.account} in {spec.region}"
    for path, arn in arns:
        if arn.split(":")[3:5] != [spec.region, spec.account] or (listed and not matches(listed, arn)):
            yield Finding(path, f'"{arn}" is not allowed: Tenant {tenant} allows {words}')


def _missing_requirements(tenant: str, spec: TenantSpec, wanted: Wanted) -> Iterator[Finding]:
    required = spec.require
    if "kms" in required and not wanted.kms_key_arns:
        yield Finding("spec.kmsKeyArn", f"is required by Tenant {tenant} (require: [kms])")
    if "vpc" in required and not wanted.subnet_ids:
        yield Finding("spec.network.subnetIds", f"is required by Tenant {tenant} (require: [vpc])")


def _over_limits(tenant: str, spec: TenantSpec, wanted: Wanted) -> Iterator[Finding]:
    limits = spec.limits
    if limits is None:
        return
    for path, count in wanted.instance_counts:
        if limits.max_instance_count is not None and count > limits.max_instance_count:
            yield Finding(path, f"{count} is more than Tenant {tenant} allows (limits.maxInstanceCount: {limits.max_instance_count})")
    for path, seconds in wanted.runtimes:
        if limits.max_runtime is not None and seconds > limits.max_runtime:
            allowed = duration(limits.max_runtime)
            yield Finding(path, f"{duration(seconds)} is more than Tenant {tenant} allows (limits.maxRuntime: {allowed})")


def _listed(values: Sequence[str]) -> str:
    return "[" + ", ".join(values) + "]" if values else "nothing"
