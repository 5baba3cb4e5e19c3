"""The model registry, endpoints, S3 and CloudWatch Logs, as far as a TrainingRun uses them.

Sources: Amazon SageMaker API Reference (CreateModelPackage: ClientToken; a repeated one with other parameters is a
ConflictException), Amazon S3 API Reference (strongly consistent since 2020).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sagemaker_gitops.core.kinds.model_endpoint.serving import endpoint_name
from sagemaker_gitops.core.naming import owner_tags
from sagemaker_gitops.core.resource import Key
from tests.simulation.aws import Context, Handler, Refused
from tests.simulation.aws_jobs import Jobs, moment
from tests.simulation.scenarios import INSTALL


@dataclass(slots=True)
class Package:
    """One version of a group."""

    arn: str
    group: str
    version: int
    created: float
    list_lag: float
    parameters: Mapping[str, Any]


class Registry:
    """Groups and packages."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._groups: dict[str, tuple[float, float]] = {}
        self._tokens: dict[str, Package] = {}
        self.packages: dict[str, Package] = {}

    def handlers(self) -> dict[str, Handler]:
        return {
            "sagemaker:CreateModelPackageGroup": self._create_group,
            "sagemaker:CreateModelPackage": self._create,
            "sagemaker:ListModelPackages": self._list,
            "sagemaker:DescribeModelPackage": self._describe,
        }

    def _create_group(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        name = parameters["ModelPackageGroupName"]
        if name in self._groups:
            message = f"Model Package Group already exists: {name}"
            raise self._context.refuse("CreateModelPackageGroup", name, "ValidationException", message)
        self._groups[name] = (self._context.now, self._context.lags()[1])
        self._context.accept("CreateModelPackageGroup", name)
        return {"ModelPackageGroupArn": name}

    def _create(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        group, token = parameters["ModelPackageGroupName"], parameters["ClientToken"]
        if (known := self._tokens.get(token)) is not None:
            if known.parameters != parameters:
                message = "The request uses a ClientToken that was already used by a request with different parameters."
                raise self._context.refuse("CreateModelPackage", token, "ConflictException", message)
            return {"ModelPackageArn": known.arn}
        if group not in self._groups:
            raise self._context.refuse("CreateModelPackage", token, "ValidationException", f"ModelPackageGroup {group} does not exist.")
        version = 1 + sum(package.group == group for package in self.packages.values())
        arn = f"arn:aws:sagemaker:eu-central-1:123456789012:model-package/{group}/{version}"
        package = Package(arn, group, version, self._context.now, self._context.lags()[1], parameters)
        self.packages[arn] = self._tokens[token] = package
        self._context.accept("CreateModelPackage", token)
        return {"ModelPackageArn": arn}

    def _list(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        group = parameters["ModelPackageGroupName"]
        created, lag = self._groups.get(group, (0.0, 0.0))
        if group not in self._groups or self._context.now - lag < created:
            raise Refused("ValidationException", f"ModelPackageGroup {group} does not exist.")
        found = [
            {
                "ModelPackageArn": package.arn,
                "CreationTime": moment(package.created),
                "ModelApprovalStatus": package.parameters["ModelApprovalStatus"],
            }
            for package in reversed(self.packages.values())
            if package.group == group and self._context.now - package.list_lag >= package.created
        ]
        return {"ModelPackageSummaryList": found}

    def _describe(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        package = self.packages[parameters["ModelPackageName"]]
        return {
            "ModelPackageArn": package.arn,
            "ModelPackageGroupName": package.group,
            "ModelPackageVersion": package.version,
            "ModelApprovalStatus": package.parameters["ModelApprovalStatus"],
            "CustomerMetadataProperties": package.parameters["CustomerMetadataProperties"],
        }


class Hosting:
    """Endpoints that have served all along: one for every ModelEndpoint of the scenario, ours by its tags."""

    def __init__(self, jobs: Jobs, endpoints: Sequence[Mapping[str, Any]]) -> None:
        self._jobs = jobs
        owners = [Key(body["kind"], body["metadata"]["namespace"], body["metadata"]["name"]) for body in endpoints]
        self._owners = {endpoint_name(INSTALL, owner): owner for owner in owners}

    def handlers(self) -> dict[str, Handler]:
        return {"sagemaker:DescribeEndpoint": self._describe, "sagemaker:ListTags": self._list_tags}

    def _describe(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        name = parameters["EndpointName"]
        if name not in self._owners:
            raise Refused("ValidationException", f'Could not find endpoint "{name}".')
        return {"EndpointName": name, "EndpointStatus": "InService", "LastModifiedTime": moment(0.0), "ProductionVariants": []}

    def _list_tags(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        owner = self._owners.get(parameters["ResourceArn"].rpartition("/")[2])
        if owner is None:
            return self._jobs.list_tags(parameters)
        tags = owner_tags(INSTALL, owner, step="endpoint", key="k", attempt=1, revision="")
        return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}


class Storage:
    """S3, strongly consistent, every bucket versioned; and log streams, one line each."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def handlers(self) -> dict[str, Handler]:
        return {
            "s3:ListObjectVersions": self._versions,
            "s3:HeadObject": self._head,
            "s3:GetObject": self._get,
            "s3:PutObject": self._put,
            "logs:DescribeLogStreams": lambda p: {"logStreams": [{"logStreamName": f"{p['logStreamNamePrefix']}algo-1"}]},
            "logs:GetLogEvents": lambda p: {"events": [{"message": "Traceback: division by zero"}]},
        }

    def _versions(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        found = [
            {"Key": key, "VersionId": _version(content), "ETag": f'"{_version(content)}"', "Size": len(content), "IsLatest": True}
            for (bucket, key), content in self._context.objects.items()
            if bucket == parameters["Bucket"] and key.startswith(parameters["Prefix"])
        ]
        return {"Versions": found}

    def _head(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        content = self._context.objects.get((parameters["Bucket"], parameters["Key"]))
        if content is None:
            raise Refused("404", "Not Found")
        return {"ContentLength": len(content)}

    def _get(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        content = self._context.objects.get((parameters["Bucket"], parameters["Key"]))
        if content is None:
            raise Refused("NoSuchKey", "The specified key does not exist.")
        return {"Body": content}

    def _put(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        self._context.objects[parameters["Bucket"], parameters["Key"]] = parameters["Body"]
        self._context.accept("PutObject", parameters["Key"])
        return {}


def _version(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:8]
