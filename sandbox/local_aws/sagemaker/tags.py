"""Tags of SageMaker resources: AddTags, DeleteTags, ListTags, and the tags that a create request carries.

A family registers how an ARN of its own is looked up, so that a tag call on a missing resource gets that
family's error.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from local_aws.sagemaker import words
from local_aws.service import Call, Operations

Check = Callable[[str], object]


class Tags:
    """Tags by ARN; thread safe. `register` ties a resource type of the ARN to the check that it exists."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tags: dict[str, dict[str, str]] = {}
        self._checks: dict[str, Check] = {}

    def register(self, resource_type: str, check: Check) -> None:
        """`check` gets what follows `resource_type/` in the ARN and raises when there is no such resource."""
        self._checks[resource_type] = check

    def put(self, arn: str, tags: Mapping[str, str]) -> None:
        """Set the tags of a resource that is being created."""
        with self._lock:
            self._tags[arn] = dict(tags)

    def drop(self, arn: str) -> None:
        with self._lock:
            self._tags.pop(arn, None)

    def get(self, arn: str) -> dict[str, str]:
        with self._lock:
            return dict(self._tags.get(arn, {}))

    def operations(self) -> Operations:
        return {
            ("sagemaker", "AddTags"): self._add,
            ("sagemaker", "DeleteTags"): self._delete,
            ("sagemaker", "ListTags"): self._list,
        }

    def _add(self, call: Call) -> dict[str, Any]:
        arn = self._checked(call)
        with self._lock:
            merged = {**self._tags.get(arn, {}), **words.check_tags(call.params["Tags"])}
            words.check_tags(listed(merged))
            self._tags[arn] = merged
        return {"Tags": listed(merged)}

    def _delete(self, call: Call) -> dict[str, Any]:
        arn = self._checked(call)
        with self._lock:
            for key in call.params["TagKeys"]:
                self._tags.get(arn, {}).pop(key, None)
        return {}

    def _list(self, call: Call) -> dict[str, Any]:
        return {"Tags": listed(self.get(self._checked(call)))}

    def _checked(self, call: Call) -> str:
        arn: str = call.params["ResourceArn"]
        resource_type, _, name = arn.split(":", 5)[-1].partition("/")
        check = self._checks.get(resource_type)
        if check is None or not arn.startswith("arn:aws:sagemaker:"):
            raise words.validation(f"The resource {arn} cannot be tagged in this local AWS.")
        check(name)
        return arn


def listed(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags in the form of the API."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def requested(tags: Sequence[Mapping[str, str]] | None) -> dict[str, str]:
    """Checked tags of a create request; empty when it has none."""
    return words.check_tags(tags or ())
