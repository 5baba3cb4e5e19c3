"""aws.approvals: whom one look at the model registry wakes, and how few calls it makes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sagemaker_gitops.aws.approvals import SeenModel, watch_once
from sagemaker_gitops.core.errors import Category
from sagemaker_gitops.core.resource import Key
from tests.unit.aws.aws_adapter_fakes import SCOPE, FakeAws, refused, scripted, sleeps_until


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sleeping takes no time."""
    monkeypatch.setattr(asyncio, "sleep", sleeps_until(1000, []))


def seen(name: str, version: int | None, approved: int | None, group: str = "digits") -> SeenModel:
    return SeenModel(Key("ModelEndpoint", "team-a", name), SCOPE, group, version, arn(approved) if approved else "")


def arn(version: int) -> str:
    return f"arn:aws:sagemaker:eu-central-1:123456789012:model-package/digits/{version}"


def page(*versions: tuple[int, str], following: str = "") -> dict[str, Any]:
    listed = [{"ModelPackageArn": arn(number), "ModelApprovalStatus": status} for number, status in versions]
    return {"ModelPackageSummaryList": listed} | ({"NextToken": following} if following else {})


def woken(aws: FakeAws, *models: SeenModel) -> list[str]:
    found: list[Key] = []
    asyncio.run(watch_once(aws, list(models), found.append))
    return [key.name for key in found]


TWO = page((2, "Approved"), (1, "Approved"))


def test_what_is_as_it_was_wakes_nobody_and_a_group_costs_one_call() -> None:
    """However many endpoints serve from it."""
    aws = scripted(TWO)
    assert woken(aws, seen("a", None, 2), seen("b", 1, 1), seen("c", 2, 2)) == []
    assert len(aws.calls) == 1


def test_a_newer_approved_version_wakes_who_follows_the_group_alone() -> None:
    """The event of the approval was lost."""
    assert woken(scripted(TWO), seen("a", None, 1), seen("b", 1, 1)) == ["a"]


def test_a_rejection_wakes_who_serves_that_version() -> None:
    """Both who follows and who pins."""
    assert woken(scripted(page((2, "Rejected"), (1, "Approved"))), seen("a", None, 2), seen("b", 2, 2), seen("c", 1, 1)) == ["a", "b"]


def test_an_approval_wakes_who_waits_for_it() -> None:
    """Pinned before it was approved."""
    assert woken(scripted(TWO), seen("a", 2, None)) == ["a"]


def test_older_versions_are_looked_for_as_far_back_as_somebody_needs() -> None:
    """Page by page, and no further."""
    aws = scripted(page((3, "PendingManualApproval"), following="2"), page((2, "Approved"), following="3"))
    assert woken(aws, seen("a", None, 2)) == []
    assert len(aws.calls) == 2


def test_a_group_that_is_gone_is_told_and_a_failed_look_is_not() -> None:
    """No answer is no evidence."""
    assert woken(scripted(refused(Category.NOT_FOUND)), seen("a", None, 2)) == ["a"]
    assert woken(scripted(refused(Category.THROTTLED)), seen("a", None, 2)) == []
