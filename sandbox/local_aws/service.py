"""What the frame and the service packages agree on: who calls, what is called, and what a handler looks like.

A service package exposes `operations(world) -> Operations`; `app` collects them at start.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Caller:
    """Who signed the request, as `sts:GetCallerIdentity` would say it.

    `arn` is the session's or the user's ARN; `role_arn` the role behind a session, None for a user.
    """

    account: str
    arn: str
    role_arn: str | None
    session_tags: Mapping[str, str]
    access_key_id: str


@dataclass(frozen=True, slots=True)
class Call:
    """One request whose `params` have been validated against the service model.

    `service` is botocore's name ("sagemaker", "glue", "sts"), `region` the region of the signature's scope.
    """

    service: str
    operation: str
    params: dict[str, Any]
    caller: Caller
    region: str
    request_id: str


Handler = Callable[[Call], dict[str, Any]]
"""Returns the members of the output shape (datetimes allowed; members the shape lacks are dropped) or
raises AwsError."""

Operations = dict[tuple[str, str], Handler]
"""(service, operation) -> handler, for example ("sagemaker", "CreateTrainingJob")."""
