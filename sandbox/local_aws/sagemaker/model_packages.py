"""Model packages: Create (idempotent by ClientToken), Describe, List, Update, Delete, and their events.

A versioned package belongs to a group, an unversioned one has a name of its own. Packages are Completed at
once: AWS validates only those that carry a ValidationSpecification, which this local AWS refuses.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from local_aws.errors import AwsError
from local_aws.sagemaker import store, tags, words
from local_aws.sagemaker.model_groups import ModelPackageGroup, ModelPackageGroups, created_by
from local_aws.service import Call, Caller, Operations
from local_aws.services import Services

_EVENT = "SageMaker Model Package State Change"
_CHANGEABLE = (
    "ModelApprovalStatus",
    "ApprovalDescription",
    "ModelPackageRegistrationType",
    "InferenceSpecification",
    "SourceUri",
    "ModelCard",
    "ModelLifeCycle",
)
_SUMMARY = (
    "ModelPackageName",
    "ModelPackageGroupName",
    "ModelPackageVersion",
    "ModelPackageArn",
    "ModelPackageDescription",
    "CreationTime",
    "ModelPackageStatus",
    "ModelApprovalStatus",
    "ModelLifeCycle",
    "ModelPackageRegistrationType",
)


class ModelPackage:
    """One package; `name` is what follows `model-package/` in its ARN. Updates replace `body` as a whole."""

    def __init__(self, name: str, body: Mapping[str, Any], now: datetime, changed: Callable[[ModelPackage], None]) -> None:
        self.name = name
        self.created = now
        self.body = body
        self.summaries: list[store.Summary] = []
        self._changed = changed
        self._publish(now)

    @property
    def arn(self) -> str:
        arn: str = self.body["ModelPackageArn"]
        return arn

    @property
    def group(self) -> str | None:
        return self.body.get("ModelPackageGroupName")

    def update(self, members: Mapping[str, Any], caller: Caller, now: datetime) -> None:
        modified = {"LastModifiedTime": now, "LastModifiedBy": created_by(caller)}
        self.body = {**self.body, **members, **modified}
        self._publish(now)

    def _publish(self, now: datetime) -> None:
        shown = {member: self.body[member] for member in _SUMMARY if member in self.body}
        self.summaries.append(store.Summary(self.name, self.created, now, "Completed", shown))
        self._changed(self)


class ModelPackages:
    """All model packages of one world, with their groups."""

    def __init__(self, services: Services, tag_store: tags.Tags) -> None:
        self._services = services
        self._tags = tag_store
        self._lock = threading.Lock()
        self._packages: store.Store[ModelPackage] = store.Store(
            lambda name: words.package_absent(self._arn(name)),
            lambda package: words.package_taken(package.arn),
        )
        self._tokens: dict[str, tuple[dict[str, Any], str]] = {}
        self._groups = ModelPackageGroups(services, tag_store, self._is_empty)
        tag_store.register("model-package", self._packages.get)

    def operations(self) -> Operations:
        return {
            **self._groups.operations(),
            ("sagemaker", "CreateModelPackage"): self.create,
            ("sagemaker", "DescribeModelPackage"): self.describe,
            ("sagemaker", "ListModelPackages"): self.list,
            ("sagemaker", "UpdateModelPackage"): self.update,
            ("sagemaker", "DeleteModelPackage"): self.delete,
        }

    def create(self, call: Call) -> dict[str, Any]:
        request = call.params
        token = request.get("ClientToken")
        wanted = {name: value for name, value in request.items() if name != "ClientToken"}
        _check(wanted)
        with self._lock:
            known = None if token is None else self._tokens.get(token)
            if known is not None:
                return {"ModelPackageArn": _same(known, wanted)}
            package = self._create(wanted, call.caller)
            if token is not None:
                self._tokens[token] = (wanted, package.arn)
        return {"ModelPackageArn": package.arn}

    def describe(self, call: Call) -> dict[str, Any]:
        return dict(self._find(call.params["ModelPackageName"]).body)

    def list(self, call: Call) -> dict[str, Any]:
        world, params = self._services.world, call.params
        group, approval = params.get("ModelPackageGroupName"), params.get("ModelApprovalStatus")
        if group is not None:
            group = self._groups.get(group).name
        kind = params.get("ModelPackageType", "Unversioned" if group is None else "Versioned")
        entries = self._packages.visible(self._services.now(), world.faults.list_lag)

        def keep(summary: store.Summary) -> bool:
            versioned = "ModelPackageGroupName" in summary.body
            return (
                (kind == "Both" or versioned == (kind == "Versioned"))
                and (group is None or summary.body.get("ModelPackageGroupName") == group)
                and (approval is None or summary.body.get("ModelApprovalStatus") == approval)
            )

        return store.page(entries, params, keep=keep).answer("ModelPackageSummaryList")

    def update(self, call: Call) -> dict[str, Any]:
        request = call.params
        with self._lock:
            package = self._find(request["ModelPackageArn"])
            members = {name: request[name] for name in _CHANGEABLE if name in request}
            if "ModelApprovalStatus" in members and package.group is None:
                raise words.validation("ModelApprovalStatus does not apply to an unversioned model package.")
            members |= _merged_properties(package.body, request)
            added = request.get("AdditionalInferenceSpecificationsToAdd")
            if added:
                present = package.body.get("AdditionalInferenceSpecifications", [])
                members["AdditionalInferenceSpecifications"] = [*present, *added]
            package.update(members, call.caller, self._services.now())
        return {"ModelPackageArn": package.arn}

    def delete(self, call: Call) -> dict[str, Any]:
        package = self._find(call.params["ModelPackageName"])
        self._packages.remove(package.name, self._services.now())
        self._tags.drop(package.arn)
        return {}

    def _create(self, request: Mapping[str, Any], caller: Caller) -> ModelPackage:
        now = self._services.now()
        wanted = tags.requested(request.get("Tags"))
        if "ModelPackageGroupName" in request:
            group = self._groups.get(request["ModelPackageGroupName"])
            name, members = _versioned(group, request)
        else:
            name, members = request["ModelPackageName"], {"ModelPackageName": request["ModelPackageName"]}
            self._packages.check_free(name)
        echoed = {key: value for key, value in request.items() if key not in {"Tags", "ModelPackageGroupName"}}
        body = {
            "CertifyForMarketplace": False,
            "SkipModelValidation": "None",
            **echoed,
            **members,
            "ModelPackageArn": self._arn(name),
            "CreationTime": now,
            "CreatedBy": created_by(caller),
            "ModelPackageStatus": "Completed",
            "ModelPackageStatusDetails": {"ValidationStatuses": [], "ImageScanStatuses": []},
        }
        package = ModelPackage(name, body, now, self._changed)
        self._packages.add(package)
        self._tags.put(package.arn, wanted)
        return package

    def _find(self, name_or_arn: str) -> ModelPackage:
        """By ARN, or by the name of an unversioned package."""
        return self._packages.get(name_or_arn.partition(":model-package/")[2] or name_or_arn)

    def _is_empty(self, group: str) -> bool:
        return all(package.group != group for package in self._packages.records())

    def _arn(self, name: str) -> str:
        world = self._services.world
        return f"arn:aws:sagemaker:{world.region}:{world.account}:model-package/{name}"

    def _changed(self, package: ModelPackage) -> None:
        self._services.events.publish("aws.sagemaker", _EVENT, [package.arn], package.body)


def _versioned(group: ModelPackageGroup, request: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    version = group.next_version()
    return f"{group.name}/{version}", {
        "ModelPackageGroupName": group.name,
        "ModelPackageVersion": version,
        "ModelApprovalStatus": request.get("ModelApprovalStatus", "PendingManualApproval"),
    }


def _same(known: tuple[Mapping[str, Any], str], wanted: Mapping[str, Any]) -> str:
    """The answer to a repeated ClientToken: the first package, if the request is the same one."""
    first, arn = known
    if first != wanted:
        raise AwsError(
            "ConflictException",
            "The request uses a ClientToken that was already used by a request with different parameters.",
        )
    return arn


def _merged_properties(body: Mapping[str, Any], request: Mapping[str, Any]) -> dict[str, Any]:
    added = request.get("CustomerMetadataProperties", {})
    removed = request.get("CustomerMetadataPropertiesToRemove", ())
    if not added and not removed:
        return {}
    merged = {**body.get("CustomerMetadataProperties", {}), **added}
    return {"CustomerMetadataProperties": {key: merged[key] for key in merged if key not in removed}}


def _check(request: Mapping[str, Any]) -> None:
    """Rules between members."""
    versioned = "ModelPackageGroupName" in request
    if versioned and "ModelPackageName" in request:
        raise words.validation(
            "Both ModelPackageName and ModelPackageGroupName are provided in the input. Cannot determine which one to use."
        )
    if not versioned and "ModelPackageName" not in request:
        raise words.validation("Missing ARN.")
    if versioned and request.get("Tags"):
        raise words.validation(
            "Tags are not supported for a model package that belongs to a model package group: it uses the tags of the group."
        )
    if not versioned and "ModelApprovalStatus" in request:
        raise words.validation("ModelApprovalStatus does not apply to an unversioned model package.")
    if "InferenceSpecification" in request and "SourceAlgorithmSpecification" in request:
        raise words.validation("Exactly one of InferenceSpecification and SourceAlgorithmSpecification must be specified.")
    if "ValidationSpecification" in request:
        raise words.validation("ValidationSpecification is not supported in this local AWS.")
