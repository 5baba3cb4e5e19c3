"""Completing a request with a user's `overrides`: AWS's own member names, merged last (design.md section 6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def deep_merge(request: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Structures are merged member by member; everything else, lists included, is replaced."""
    merged = dict(request)
    for member, value in overrides.items():
        present = merged.get(member)
        nested = isinstance(present, Mapping) and isinstance(value, Mapping)
        merged[member] = deep_merge(present, value) if nested else value  # type: ignore[arg-type]
    return merged
