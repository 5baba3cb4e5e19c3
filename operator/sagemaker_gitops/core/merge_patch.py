"""JSON merge patches (RFC 7386) between two statuses, and the question whether they differ in meaning at all.

A key whose value is None means the same as no such key: the API server prunes nulls, so writing them again would
be a write for nothing (failure-modes.md G7).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def pruned(value: Any) -> Any:
    """`value` as plain JSON without None members, the way the API server stores it."""
    if isinstance(value, (str, int, float)):  # most of a status; asking the abstract Mapping first takes twice as long
        return value
    if isinstance(value, Mapping):
        return {str(key): pruned(item) for key, item in value.items() if item is not None}
    if isinstance(value, (list, tuple)):
        return [pruned(item) for item in value]
    return value


def merge_patch(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """A merge patch that turns `old` into `new`; empty when they mean the same. It says all of `new`: over a status that somebody has
    wiped or put back meanwhile, a part would leave a mixture that nobody ever decided, and an object at rest would keep it.
    """
    before, after = pruned(old), pruned(new)
    return _whole(before, after) if _differ(before, after) else {}


def _differ(old: Any, new: Any) -> bool:
    if isinstance(old, dict) and isinstance(new, dict):
        return old.keys() != new.keys() or any(_differ(old[key], value) for key, value in new.items())
    return bool(old != new) or isinstance(old, bool) is not isinstance(new, bool)


def _whole(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    patch: dict[str, Any] = {key: None for key in old if key not in new}
    for key, value in new.items():
        before = old.get(key)
        patch[key] = _whole(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return patch


def apply_merge_patch(target: Any, patch: Mapping[str, Any]) -> dict[str, Any]:
    """`target` after `patch`, as RFC 7386 section 2 defines it."""
    result = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping):
            result[key] = apply_merge_patch(result.get(key), value)
        else:
            result[key] = value
    return result
