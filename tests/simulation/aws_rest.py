"""The model registry, S3 and CloudWatch Logs, as far as a TrainingRun uses them.

Sources: Amazon SageMaker API Reference (CreateModelPackage: ClientToken; a repeated one with other parameters is a
ConflictException), Amazon S3 API Reference (strongly consistent since 2020).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.simulation.aws import Context, Handler, Refused, Tags
from tests.simulation.aws_jobs import moment

SERVING_IMAGE = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/team-a/serve:1"


@dataclass(slots=True)
class Package:
    """One version of a group."""

    arn: str
    group: str
    version: int
    created: float
    list_lag: float
    parameters: Mapping[str, Any]
    changed: float = 0.0


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

    def tagged(self) -> Mapping[str, Callable[[str], Tags]]:
        return {}

    def add(self, group: str, artifact: str, approval: str) -> Package:
        """A version that somebody registers without the operator."""
        self._groups.setdefault(group, (self._context.now, 0.0))
        version = 1 + sum(package.group == group for package in self.packages.values())
        container = {"Image": SERVING_IMAGE, "ModelDataUrl": artifact}
        bucket, _, key = artifact.removeprefix("s3://").partition("/")
        self._context.objects.setdefault((bucket, key), artifact.encode())
        parameters = {"ModelApprovalStatus": approval, "InferenceSpecification": {"Containers": [container]}}
        package = Package(package_arn(group, version), group, version, self._context.now, self._context.lags()[1], parameters)
        self.packages[package.arn] = package
        self._context.emit(group, approval)
        return package

    def approve(self, group: str, version: int, approval: str) -> None:
        """Somebody approves or rejects a version (UpdateModelPackage)."""
        package = self.packages[package_arn(group, version)]
        package.parameters = {**package.parameters, "ModelApprovalStatus": approval}
        package.changed = self._context.now
        self._context.emit(group, approval)

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
        arn = package_arn(group, version)
        package = Package(arn, group, version, self._context.now, self._context.lags()[1], parameters)
        self.packages[arn] = self._tokens[token] = package
        self._context.accept("CreateModelPackage", token)
        self._context.emit(group, parameters["ModelApprovalStatus"])
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
            if parameters.get("ModelApprovalStatus", package.parameters["ModelApprovalStatus"]) == package.parameters["ModelApprovalStatus"]
        ]
        return {"ModelPackageSummaryList": found}

    def _describe(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        arn = parameters["ModelPackageName"]
        if (package := self.packages.get(arn)) is None:
            raise Refused("ValidationException", f"ModelPackage {arn} does not exist.")
        return {
            "ModelPackageArn": package.arn,
            "ModelPackageGroupName": package.group,
            "ModelPackageVersion": package.version,
            "ModelApprovalStatus": package.parameters["ModelApprovalStatus"],
            "CustomerMetadataProperties": package.parameters.get("CustomerMetadataProperties", {}),
            "InferenceSpecification": package.parameters.get("InferenceSpecification", {}),
            "ModelMetrics": package.parameters.get("ModelMetrics", {}),
        }


def package_arn(group: str, version: int) -> str:
    return f"arn:aws:sagemaker:eu-central-1:123456789012:model-package/{group}/{version}"


class Storage:
    """S3, strongly consistent, every bucket versioned; and log streams, one line each."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def handlers(self) -> dict[str, Handler]:
        return {
            "s3:ListObjectVersions": self._versions,
            "s3:ListObjectsV2": self._list,
            "s3:HeadObject": self._head,
            "s3:GetObject": self._get,
            "s3:PutObject": self._put,
            "logs:DescribeLogStreams": lambda p: {"logStreams": [{"logStreamName": f"{p['logStreamNamePrefix']}algo-1"}]},
            "logs:GetLogEvents": lambda p: {"events": [{"message": "Traceback: division by zero"}]},
        }

    def tagged(self) -> Mapping[str, Callable[[str], Tags]]:
        return {}

    def _versions(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        found = [
            {"Key": key, "VersionId": _version(content), "ETag": f'"{_version(content)}"', "Size": len(content), "IsLatest": True}
            for (bucket, key), content in self._context.objects.items()
            if bucket == parameters["Bucket"] and key.startswith(parameters["Prefix"])
        ]
        return {"Versions": found}

    def _list(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        bucket, prefix = parameters["Bucket"], parameters["Prefix"]
        found = sorted(key for held, key in self._context.objects if held == bucket and key.startswith(prefix))
        return {"Contents": [{"Key": key} for key in found]}

    def _head(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        content = self._context.objects.get((parameters["Bucket"], parameters["Key"]))
        if content is None:
            raise Refused("404", "Not Found")
        return {"ContentLength": len(content), "ETag": f'"{_version(content)}"'}

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
