"""IAM answers from the same roles that STS and the jobs use."""

from __future__ import annotations

from typing import Any

import pytest
from aws_frame import Local
from botocore.exceptions import ClientError

from local_aws.identity import Role

ARN = "arn:aws:iam::123456789012:role/team-a/training"


@pytest.fixture
def iam(local: Local) -> Any:
    """An IAM client, and one role with a path."""
    local.world.identity.register(
        Role(
            arn=ARN,
            principals=frozenset({"sagemaker.amazonaws.com", "arn:aws:iam::123456789012:role/operator"}),
            external_id="team-a",
            allow=("s3:*",),
            deny=("s3:DeleteObject",),
        )
    )
    return local.client("iam")


def test_a_role_is_described_with_its_trust(iam: Any) -> None:
    """Path, name and the policy that says who may assume it."""
    role = iam.get_role(RoleName="training")["Role"]
    assert (role["Arn"], role["Path"]) == (ARN, "/team-a/")
    statement = role["AssumeRolePolicyDocument"]["Statement"][0]
    assert statement["Principal"] == {"Service": ["sagemaker.amazonaws.com"], "AWS": ["arn:aws:iam::123456789012:role/operator"]}
    assert statement["Condition"] == {"StringEquals": {"sts:ExternalId": "team-a"}}


@pytest.mark.parametrize(
    ("action", "decision"), [("s3:PutObject", "allowed"), ("s3:DeleteObject", "explicitDeny"), ("glue:GetJob", "implicitDeny")]
)
def test_the_simulation_decides_as_the_calls_do(iam: Any, action: str, decision: str) -> None:
    """The same rules that refuse a call."""
    results = iam.simulate_principal_policy(PolicySourceArn=ARN, ActionNames=[action])["EvaluationResults"]
    assert [(each["EvalActionName"], each["EvalDecision"]) for each in results] == [(action, decision)]


def test_an_absent_role_is_not_found(iam: Any) -> None:
    """In IAM's words."""
    with pytest.raises(ClientError, match="The role with name none cannot be found") as refused:
        iam.get_role(RoleName="none")
    assert refused.value.response["Error"]["Code"] == "NoSuchEntity"


def test_the_rest_of_iam_is_refused(iam: Any) -> None:
    """A role that only moto knew could not be assumed."""
    with pytest.raises(ClientError, match="does not implement iam:CreateRole"):
        iam.create_role(RoleName="x", AssumeRolePolicyDocument="{}")
