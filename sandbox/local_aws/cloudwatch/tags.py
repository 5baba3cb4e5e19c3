"""Tags of alarms and dashboards by ARN: TagResource, UntagResource, ListTagsForResource."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Any, Final

from local_aws.cloudwatch import words
from local_aws.service import Call, Operations

_MOST: Final = 50


class Tags:
    """Thread safe. A resource is known from `put` to `drop`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tags: dict[str, dict[str, str]] = {}

    def operations(self) -> Operations:
        return {
            ("cloudwatch", "TagResource"): self._tag,
            ("cloudwatch", "UntagResource"): self._untag,
            ("cloudwatch", "ListTagsForResource"): self._list,
        }

    def put(self, arn: str, tags: Iterable[Mapping[str, str]]) -> None:
        """A new resource and what its request carries."""
        with self._lock:
            self._tags[arn] = _map(tags)

    def drop(self, arn: str) -> None:
        with self._lock:
            self._tags.pop(arn, None)

    def _tag(self, call: Call) -> dict[str, Any]:
        with self._lock:
            merged = self._of(call.params["ResourceARN"]) | _map(call.params["Tags"])
            if len(merged) > _MOST:
                raise words.invalid_value(f"A resource can have at most {_MOST} tags.")
            self._tags[call.params["ResourceARN"]] = merged
        return {}

    def _untag(self, call: Call) -> dict[str, Any]:
        with self._lock:
            tags = self._of(call.params["ResourceARN"])
            for key in call.params["TagKeys"]:
                tags.pop(key, None)
        return {}

    def _list(self, call: Call) -> dict[str, Any]:
        with self._lock:
            tags = self._of(call.params["ResourceARN"])
            return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}

    def _of(self, arn: str) -> dict[str, str]:
        if arn not in self._tags:
            raise words.resource_absent(arn)
        return self._tags[arn]


def _map(tags: Iterable[Mapping[str, str]]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags}
