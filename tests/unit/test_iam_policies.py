"""docs/iam: what the files must never say, and that they say what the code calls. The system tests run under tenant.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import generate_iam

FOLDER = Path(__file__).parents[2] / "docs" / "iam"
POLICIES = sorted(path.stem for path in FOLDER.glob("*.json"))


def _statements(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((FOLDER / f"{name}.json").read_text())["Statement"]
    return found


@pytest.mark.parametrize("name", POLICIES)
def test_no_policy_is_wide(name: str) -> None:
    """No action with a star; a resource with nothing but a star only where AWS takes no other."""
    for statement in _statements(name):
        assert not [action for action in statement["Action"] if "*" in action]
        assert len(statement["Action"]) == len(set(statement["Action"]))
        if statement["Resource"] == ["*"]:
            assert statement["Sid"] in {"SageMakerLists", "GlueLists", "Metrics", "Scaling", "Trail", "WhoAmI", "Registry", "Interfaces"}


def test_roles_are_passed_to_two_services_only() -> None:
    """failure-modes.md I1: iam:PassRole has a path of the team's and says to whom."""
    passes = [statement for name in POLICIES for statement in _statements(name) if "iam:PassRole" in statement["Action"]]
    assert [(item["Resource"], item["Condition"]) for item in passes] == [
        (
            ["arn:aws:iam::123456789012:role/team-a/*"],
            {"StringEquals": {"iam:PassedToService": ["sagemaker.amazonaws.com", "glue.amazonaws.com"]}},
        )
    ]


def test_the_operator_itself_touches_no_job() -> None:
    """failure-modes.md I12: it assumes the tenants' roles and reads the queue."""
    assert {action.split(":")[0] for statement in _statements("operator") for action in statement["Action"]} == {"sts", "sqs"}


def test_every_operation_of_the_code_is_in_one_of_the_two() -> None:
    """What the operator calls as itself or as a tenant's role."""
    allowed = {action for name in ("operator", "tenant") for statement in _statements(name) for action in statement["Action"]}
    needed = {
        action
        for operation in generate_iam.operations()
        for action in generate_iam.ACTIONS.get(operation, (operation.replace("-runtime:", ":"),))
    }
    assert {"sagemaker:CreateTrainingJob", "glue:StartJobRun", "s3:PutObject", "sts:AssumeRole"} <= needed
    assert needed <= allowed
    besides = {"iam:PassRole", "iam:CreateServiceLinkedRole", "s3:ListBucket", "sagemaker:AddTags"}  # of no call of its own name
    assert allowed - needed <= besides
