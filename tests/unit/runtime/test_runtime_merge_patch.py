"""core.merge_patch: differences in meaning, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sagemaker_gitops.core.merge_patch import apply_merge_patch, merge_patch, pruned

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=10,
)
OBJECT = st.dictionaries(st.sampled_from("abcd"), JSON, max_size=4)


@pytest.mark.parametrize(
    ("old", "new", "patch"),
    [
        ({}, {"a": 1}, {"a": 1}),
        ({"a": 1}, {}, {"a": None}),
        ({"a": {"b": 1, "c": 2}, "d": {"e": 1}}, {"a": {"b": 1, "c": 3}, "d": {"e": 1}}, {"a": {"b": 1, "c": 3}, "d": {"e": 1}}),
        ({"a": {"b": {"c": 1}, "d": 1}}, {"a": {"b": {"e": 1}}}, {"a": {"b": {"c": None, "e": 1}, "d": None}}),
        ({"a": {"b": 1}}, {"a": {"b": True}}, {"a": {"b": True}}),
        ({"a": [1, 2]}, {"a": [1]}, {"a": [1]}),
        ({"a": 1}, {"a": 1, "b": None}, {}),
        ({"a": {}}, {"a": {"b": None}}, {}),
        ({"a": (1, 2)}, {"a": [1, 2]}, {}),
        ({"a": 1}, {"a": True}, {"a": True}),
    ],
)
def test_the_patch_says_what_differs(old: dict[str, Any], new: dict[str, Any], patch: dict[str, Any]) -> None:
    """Everything, if anything differs; members are removed with null, and a null value is no member."""
    assert merge_patch(old, new) == patch


@settings(deadline=None)
@given(OBJECT, OBJECT)
def test_the_patch_leads_from_old_to_new(old: dict[str, Any], new: dict[str, Any]) -> None:
    """Applied to the old status the patch gives the new one."""
    assert apply_merge_patch(pruned(old), merge_patch(old, new)) == pruned(new)


@settings(deadline=None)
@given(OBJECT, OBJECT, OBJECT)
def test_what_was_decided_is_there_whatever_stood_there(old: Any, new: Any, now: Any) -> None:
    """What stands there now, wiped or put back, does not show through, but for members that neither side knew."""
    patch, wanted = merge_patch(old, new), pruned(new)
    assert not patch or _within(wanted, apply_merge_patch(pruned(now), patch))


def _within(wanted: Any, found: Any) -> bool:
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(key in found and _within(value, found[key]) for key, value in wanted.items())
    return bool(wanted == found)


@settings(deadline=None)
@given(OBJECT)
def test_equal_meaning_needs_no_patch(status: dict[str, Any]) -> None:
    """A status compared with itself, as the API server stores it, is no write."""
    assert merge_patch(pruned(status), status) == {}
