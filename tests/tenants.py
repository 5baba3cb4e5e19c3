"""Team-a: the Tenant of every test that needs some tenant. One that is about a field of it says `{**TEAM_A, field: ...}`."""

from __future__ import annotations

from typing import Any

from sagemaker_gitops.api.parse import read
from sagemaker_gitops.api.tenant import TenantSpec
from sagemaker_gitops.core.tenancy import Bound

ACCOUNT, REGION = "123456789012", "eu-central-1"
TEAM_A: dict[str, Any] = {
    "namespaces": ["team-a"],
    "account": ACCOUNT,
    "region": REGION,
    "roleArn": f"arn:aws:iam::{ACCOUNT}:role/sagemaker-gitops-team-a",
    "externalId": "team-a",
    "allow": {
        "executionRoleArns": [f"arn:aws:iam::{ACCOUNT}:role/team-a/*"],
        "s3Prefixes": ["s3://team-a-ml/"],
        "images": [f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/team-a/*", f"492215442770.dkr.ecr.{REGION}.amazonaws.com/*"],
        "instanceTypes": ["ml.m5.*"],
    },
    "defaults": {
        "executionRoleArn": f"arn:aws:iam::{ACCOUNT}:role/team-a/training",
        "artifactPrefix": "s3://team-a-ml/artifacts/",
        "instanceTypes": {"training": "ml.m5.large", "processing": "ml.m5.large", "hosting": "ml.m5.large"},
    },
}


def bound(**fields: Any) -> Bound:
    """Team-a with some of its fields replaced, as a namespace is bound to it."""
    return Bound("team-a", read(TenantSpec, {**TEAM_A, **fields}))
