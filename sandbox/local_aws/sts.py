"""AWS STS: AssumeRole with trust, external id and session tags, and GetCallerIdentity.

Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from local_aws.errors import AwsError
from local_aws.identity import Identity, Role, unique_id
from local_aws.service import Call, Caller, Operations
from local_aws.world import World

_CHAINED_LIMIT: Final = 3600


def operations(world: World) -> Operations:
    """The STS operations of this local AWS."""
    identity = world.identity
    return {
        ("sts", "AssumeRole"): lambda call: _assume_role(identity, call),
        ("sts", "GetCallerIdentity"): _get_caller_identity,
    }


def _get_caller_identity(call: Call) -> dict[str, Any]:
    caller = call.caller
    user_id = unique_id(caller.role_arn or caller.arn)
    if caller.role_arn is not None:
        user_id += ":" + caller.arn.rpartition("/")[2]
    return {"UserId": user_id, "Account": caller.account, "Arn": caller.arn}


def _assume_role(identity: Identity, call: Call) -> dict[str, Any]:
    params, arn = call.params, call.params["RoleArn"]
    if "Policy" in params or "PolicyArns" in params:
        raise AwsError("InvalidParameterValue", "local_aws does not evaluate session policies: leave them out")
    tags = {tag["Key"]: tag["Value"] for tag in params.get("Tags", ())}
    role = identity.role(arn)
    if role is None or not _trusts(role, call.caller, params.get("ExternalId")):
        raise _denied(call.caller, "sts:AssumeRole", arn)
    if tags and "*" not in role.session_tags and not set(tags) <= role.session_tags:
        raise _denied(call.caller, "sts:TagSession", arn)
    seconds = params.get("DurationSeconds", 3600)
    _check_duration(role, call.caller, seconds)
    session_name = params["RoleSessionName"]
    credentials = identity.mint(arn, session_name, seconds, tags)
    return {
        "Credentials": {
            "AccessKeyId": credentials.access_key_id,
            "SecretAccessKey": credentials.secret_access_key,
            "SessionToken": credentials.session_token,
            "Expiration": credentials.expiration,
        },
        "AssumedRoleUser": {
            "AssumedRoleId": f"{unique_id(arn)}:{session_name}",
            "Arn": f"arn:aws:sts::{identity.account}:assumed-role/{role.name}/{session_name}",
        },
        **_packed_size(tags),
    }


def _trusts(role: Role, caller: Caller, external_id: str | None) -> bool:
    principals = {caller.arn, caller.role_arn, f"arn:aws:iam::{caller.account}:root", caller.account, "*"}
    if not role.principals & principals:
        return False
    return role.external_id is None or role.external_id == external_id


def _check_duration(role: Role, caller: Caller, seconds: int) -> None:
    exceeds = "The requested DurationSeconds exceeds the"
    if caller.role_arn is not None and seconds > _CHAINED_LIMIT:
        limit = "1 hour session limit for roles assumed by role chaining"
        raise AwsError("ValidationError", f"{exceeds} {limit}")
    if seconds > role.max_session:
        raise AwsError("ValidationError", f"{exceeds} MaxSessionDuration set for this role.")


def _packed_size(tags: Mapping[str, str]) -> dict[str, int]:
    """Percent of the tag budget used: AWS packs tags, so the number is only shown to be there."""
    used = sum(len(key) + len(value) for key, value in tags.items())
    return {"PackedPolicySize": min(100, used * 100 // 2048)} if tags else {}


def _denied(caller: Caller, action: str, resource: str) -> AwsError:
    message = f"User: {caller.arn} is not authorized to perform: {action} on resource: {resource}"
    return AwsError("AccessDenied", message, status=403)
