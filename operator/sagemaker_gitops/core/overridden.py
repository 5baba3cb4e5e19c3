"""What `overrides` would bring in, sorted for the tenant's fence: every value by the AWS member that holds it.

The tables of member names are the only ones: tools/generate_policies.py makes the admission policies from them too. Sources: botocore's
service models of sagemaker and glue, every member of the requests that can be completed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from sagemaker_gitops.core.tenancy import Wanted

IMAGES = frozenset({"TrainingImage", "ImageUri", "Image", "RuleEvaluatorImage"})
INSTANCE_TYPES = frozenset({"InstanceType"})
COUNTS = frozenset({"InstanceCount", "InitialInstanceCount", "MaxInstanceCount", "NumberOfWorkers", "MaxCapacity"})
SECONDS = frozenset({"MaxRuntimeInSeconds", "KeepAlivePeriodInSeconds"})  # a warm pool is paid for as long as it waits
MINUTES = frozenset({"Timeout"})
SUBNETS, SECURITY_GROUPS, KMS = "Subnets", "SecurityGroupIds", "KmsKeyId"
# What belongs to somebody, and no list of a Tenant can allow.
UNJUDGED = frozenset(
    {
        "AlgorithmName",
        "AthenaDatasetDefinition",
        "BaseModel",
        "CodeGenConfigurationNodes",
        "Connections",
        "FeatureGroupName",
        "FileSystemId",
        "ModelName",
        "ModelNameOverride",
        "RedshiftDatasetDefinition",
        "RemoteDebugConfig",
        "SecurityConfiguration",
        "SourceControlDetails",
        "UltraServerId",
    }
)
# In these packages and containers of a model may be named; elsewhere a model package is somebody's.
PACKAGE, PACKAGE_OPERATION = "ModelPackageName", "createModelPackage"
# Free texts of the user's code: an ARN or a web address in them refers to nothing that AWS would open on our behalf.
FREE_MAPS = frozenset(
    {
        "Environment",
        "HyperParameters",
        "Arguments",
        "DefaultArguments",
        "NonOverridableArguments",
        "CustomerMetadataProperties",
        "HookParameters",
        "RuleParameters",
        "CollectionParameters",
        "ProfilingParameters",
    }
)
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_NAME = re.compile(r"[^.\[\]]+")


def wanted_of(overrides: Mapping[str, Any], path: str = "spec.overrides") -> Wanted:
    """Every value that the fence judges, each with its path."""
    found = list(_leaves(overrides, path))
    texts = [(where, value) for where, value in found if isinstance(value, str)]
    numbers = [(where, value) for where, value in found if isinstance(value, int | float) and not isinstance(value, bool)]
    arns = [(where, value) for where, value in texts if value.startswith("arn:") and not _free(where)]
    return Wanted(
        role_arns=[item for item in arns if ":iam:" in item[1]],
        s3_uris=[*_locations(texts)],
        kms_key_arns=[item for item in texts if _last(item[0]).endswith(KMS)],
        images=_named(texts, IMAGES),
        instance_types=_named(texts, INSTANCE_TYPES),
        instance_counts=[*_whole(numbers, COUNTS), *_groups(overrides, path)],
        subnet_ids=[item for item in texts if f".{SUBNETS}[" in item[0]],
        security_group_ids=[item for item in texts if f".{SECURITY_GROUPS}[" in item[0]],
        topic_arns=[item for item in arns if ":sns:" in item[1]],
        runtimes=[*_whole(numbers, SECONDS), *((where, minutes * 60) for where, minutes in _whole(numbers, MINUTES))],
        unjudged=[*_unjudged(found), *(item for item in arns if not any(f":{known}:" in item[1] for known in ("iam", "sns", "kms")))],
    )


def s3_locations(text: str) -> Iterator[str]:
    """Every address of S3 in a text, which may be a list with commas (Glue's --extra-py-files)."""
    return (part.strip() for part in text.split(",") if part.strip().lower().startswith("s3://"))


def _locations(texts: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """S3 knows addresses that begin with https too: as a member of AWS's they are judged, and so refused."""
    for where, value in texts:
        if _free(where):
            yield from ((where, part) for part in s3_locations(value))
        elif _ADDRESS.match(value) and not value.startswith("arn:"):
            yield where, value


def _unjudged(found: list[tuple[str, Any]]) -> Iterator[tuple[str, str]]:
    for where, value in found:
        names = _NAME.findall(where)
        packaged = PACKAGE in names and PACKAGE_OPERATION not in names
        if not _free(where) and (packaged or not UNJUDGED.isdisjoint(names)):
            yield where, str(value)


def _groups(value: Any, path: str) -> Iterator[tuple[str, int]]:
    """InstanceGroups of one job, together: the bound is for the job."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            if name == "InstanceGroups" and isinstance(item, list):
                counts = [group.get("InstanceCount") for group in item if isinstance(group, Mapping)]
                yield f"{path}.{name}", sum(count for count in counts if isinstance(count, int))
            else:
                yield from _groups(item, f"{path}.{name}")


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every single value in a nested one, with its path; an empty list or object is one."""
    if isinstance(value, Mapping) and value:
        for name, item in value.items():
            yield from _leaves(item, f"{path}.{name}")
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from _leaves(item, f"{path}[{index}]")
    else:
        yield path, value


def _last(path: str) -> str:
    return path.rsplit(".", 1)[-1]


def _free(path: str) -> bool:
    return not FREE_MAPS.isdisjoint(_NAME.findall(path)[:-1])


def _named(values: list[tuple[str, str]], members: frozenset[str]) -> list[tuple[str, str]]:
    return [(path, value) for path, value in values if _last(path) in members]


def _whole(values: list[tuple[str, int | float]], members: frozenset[str]) -> list[tuple[str, int]]:
    """Numbers under one of the member names, rounded up: Glue counts capacity in parts."""
    return [(path, math.ceil(value)) for path, value in values if _last(path) in members]
