"""Model package groups: Create, Describe, List, Delete."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from local_aws.errors import AwsError
from local_aws.sagemaker import store, tags, words
from local_aws.service import Call, Caller, Operations
from local_aws.services import Services


class ModelPackageGroup:
    """One group; it hands out version numbers, which are never used again."""

    def __init__(self, arn: str, request: Mapping[str, Any], caller: Caller, now: datetime) -> None:
        self.name: str = request["ModelPackageGroupName"]
        self.arn = arn
        self._versions = itertools.count(1)
        self._lock = threading.Lock()
        shown = {
            "ModelPackageGroupName": self.name,
            "ModelPackageGroupArn": arn,
            "CreationTime": now,
            "ModelPackageGroupStatus": "Completed",
        }
        if "ModelPackageGroupDescription" in request:
            shown["ModelPackageGroupDescription"] = request["ModelPackageGroupDescription"]
        self.body: Mapping[str, Any] = {**shown, "CreatedBy": created_by(caller)}
        self.summaries = [store.Summary(self.name, now, now, "Completed", shown)]

    def next_version(self) -> int:
        with self._lock:
            return next(self._versions)


class ModelPackageGroups:
    """All groups of one world; `is_empty` tells whether a group still has packages."""

    def __init__(self, services: Services, tag_store: tags.Tags, is_empty: Callable[[str], bool]) -> None:
        self._services = services
        self._tags = tag_store
        self._is_empty = is_empty
        self._groups: store.Store[ModelPackageGroup] = store.Store(
            lambda name: words.group_absent(self._arn(name)), lambda group: words.group_taken(group.arn)
        )
        tag_store.register("model-package-group", self._groups.get)

    def operations(self) -> Operations:
        return {
            ("sagemaker", "CreateModelPackageGroup"): self.create,
            ("sagemaker", "DescribeModelPackageGroup"): self.describe,
            ("sagemaker", "ListModelPackageGroups"): self.list,
            ("sagemaker", "DeleteModelPackageGroup"): self.delete,
        }

    def get(self, name_or_arn: str) -> ModelPackageGroup:
        return self._groups.get(name_or_arn.rpartition("/")[2])

    def create(self, call: Call) -> dict[str, Any]:
        wanted = tags.requested(call.params.get("Tags"))
        arn = self._arn(call.params["ModelPackageGroupName"])
        group = ModelPackageGroup(arn, call.params, call.caller, self._services.now())
        self._groups.add(group)
        self._tags.put(arn, wanted)
        return {"ModelPackageGroupArn": arn}

    def describe(self, call: Call) -> dict[str, Any]:
        return dict(self.get(call.params["ModelPackageGroupName"]).body)

    def list(self, call: Call) -> dict[str, Any]:
        world = self._services.world
        entries = self._groups.visible(self._services.now(), world.faults.list_lag)
        return store.page(entries, call.params).answer("ModelPackageGroupSummaryList")

    def delete(self, call: Call) -> dict[str, Any]:
        group = self.get(call.params["ModelPackageGroupName"])
        if not self._is_empty(group.name):
            raise AwsError(
                "ConflictException",
                f"Model Package Group {group.arn} cannot be deleted because it still has model packages. "
                "Delete all model packages in the group first.",
            )
        self._groups.remove(group.name, self._services.now())
        self._tags.drop(group.arn)
        return {}

    def _arn(self, name: str) -> str:
        world = self._services.world
        return f"arn:aws:sagemaker:{world.region}:{world.account}:model-package-group/{name}"


def created_by(caller: Caller) -> dict[str, Any]:
    """CreatedBy and LastModifiedBy of registry resources."""
    return {"IamIdentity": {"Arn": caller.arn, "PrincipalId": caller.access_key_id}}
