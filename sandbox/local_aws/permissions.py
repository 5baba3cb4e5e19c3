"""Execution roles: whether a caller may pass one, whether the service may assume it, and a job's own
credentials.

Used by every create operation that names a role and by every process that runs under one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from local_aws.errors import AwsError
from local_aws.service import Caller
from local_aws.world import World

# One thread for every numeric library: a small fit took 30 times longer with two.
_SINGLE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1")


@dataclass(frozen=True, slots=True)
class JobIdentity:
    """A job's own session: what goes into its environment, and the key to revoke when it ends."""

    access_key_id: str
    environment: Mapping[str, str]


def check_pass_role(world: World, caller: Caller, role_arn: str) -> None:
    """Refuse as IAM does when the caller lacks iam:PassRole on the role."""
    if world.identity.may_pass(caller, role_arn):
        return
    raise AwsError(
        "AccessDeniedException",
        f"User: {caller.arn} is not authorized to perform: iam:PassRole on resource: {role_arn} because no "
        "identity-based policy allows the iam:PassRole action",
    )


def job_identity(world: World, role_arn: str, session_name: str) -> JobIdentity:
    """Mint credentials of the execution role and the environment every job process gets."""
    credentials = world.identity.mint(role_arn, session_name[:64], None)
    environment = {
        "AWS_ACCESS_KEY_ID": credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
        "AWS_SESSION_TOKEN": credentials.session_token,
        "AWS_REGION": world.region,
        "AWS_DEFAULT_REGION": world.region,
        "AWS_ENDPOINT_URL": world.endpoint_url,
        "PYTHONUNBUFFERED": "1",
        **_SINGLE_THREAD,
    }
    return JobIdentity(credentials.access_key_id, environment)
