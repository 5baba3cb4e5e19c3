"""AWS IAM, as far as clients ask before they create: GetRole, ListRoles, SimulatePrincipalPolicy.

Answers from the roles of `identity`, which the seed file and the admin API make; the rest of IAM is refused, because a
role that only moto knew could not be assumed. Source: https://docs.aws.amazon.com/IAM/latest/APIReference/
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from local_aws.errors import AwsError
from local_aws.identity import Identity, Role, unique_id
from local_aws.service import Call, Operations
from local_aws.world import World

_DECISIONS: Final = {None: "allowed", "explicit": "explicitDeny", "implicit": "implicitDeny"}
_CREATED: Final = datetime(2026, 1, 1, tzinfo=UTC)


def operations(world: World) -> Operations:
    """The IAM operations of this local AWS."""
    identity = world.identity
    return {
        ("iam", "GetRole"): lambda call: {"Role": _described(_by_name(identity, call.params["RoleName"]))},
        ("iam", "ListRoles"): lambda call: {"Roles": [_described(role) for role in identity.roles()], "IsTruncated": False},
        ("iam", "SimulatePrincipalPolicy"): lambda call: _simulate(identity, call),
    }


def _by_name(identity: Identity, name: str) -> Role:
    found = next((role for role in identity.roles() if role.name == name), None)
    if found is None:
        raise AwsError("NoSuchEntity", f"The role with name {name} cannot be found.", status=404)
    return found


def _described(role: Role) -> dict[str, Any]:
    path = role.arn.partition(":role")[2].removesuffix(role.name)
    return {
        "Path": path,
        "RoleName": role.name,
        "RoleId": unique_id(role.arn),
        "Arn": role.arn,
        "CreateDate": _CREATED,
        "AssumeRolePolicyDocument": quote(json.dumps(_trust(role)), safe=""),
        "MaxSessionDuration": role.max_session,
    }


def _trust(role: Role) -> dict[str, Any]:
    services = sorted(name for name in role.principals if name.endswith(".amazonaws.com"))
    others = sorted(role.principals - set(services))
    principal = {kind: names for kind, names in (("Service", services), ("AWS", others)) if names}
    statement: dict[str, Any] = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    if role.external_id is not None:
        statement["Condition"] = {"StringEquals": {"sts:ExternalId": role.external_id}}
    return {"Version": "2012-10-17", "Statement": [statement] if principal else []}


def _simulate(identity: Identity, call: Call) -> dict[str, Any]:
    """Actions of a role by what it may do here; resources are not told apart, so each gets the action's decision."""
    arn = call.params["PolicySourceArn"]
    if ":role/" in arn and identity.role(arn) is None:
        raise AwsError("NoSuchEntity", f"The entity {arn} cannot be found.", status=404)
    results = [
        {
            "EvalActionName": action,
            "EvalResourceName": resource,
            "EvalDecision": _DECISIONS[identity.decision(arn if ":role/" in arn else None, action)],
            "MatchedStatements": [],
            "MissingContextValues": [],
        }
        for action in call.params["ActionNames"]
        for resource in call.params.get("ResourceArns", ["*"])
    ]
    return {"EvaluationResults": results, "IsTruncated": False}
