"""The scalable targets, their policies and the activities of one world, and pages of them."""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Final

from local_aws.autoscaling import words
from local_aws.autoscaling.target import Activity, Policy, Target
from local_aws.errors import AwsError
from local_aws.hosting.scalable import DIMENSION, NAMESPACE
from local_aws.world import World

_ID: Final = re.compile(r"endpoint/([a-zA-Z0-9-]+)/variant/([a-zA-Z0-9-]+)")
_ACTIVITIES: Final = 1000
_PAGE: Final = 50


class Registry:
    """Targets by resource id; `lock` guards every change and is never held while another service is called."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.lock = threading.RLock()
        self.targets: dict[str, Target] = {}
        self.activities: deque[Activity] = deque(maxlen=_ACTIVITIES)

    @property
    def alarm_arn(self) -> str:
        """The prefix of an alarm's ARN."""
        return f"arn:aws:cloudwatch:{self.world.region}:{self.world.account}:alarm:"

    def get(self, resource_id: str) -> Target | None:
        return self.targets.get(resource_id)

    def all(self) -> list[Target]:
        with self.lock:
            return list(self.targets.values())

    def owner(self, action: str) -> tuple[Target, Policy] | None:
        """Whose policy an alarm's action is."""
        arn = action.partition(":createdBy/")[0]
        return next(((target, policy) for target in self.all() for policy in tuple(target.policies.values()) if policy.arn == arn), None)

    def tagged(self, arn: str) -> Target:
        found = next((target for target in self.all() if target.arn == arn), None)
        if found is None:
            raise words.resource_absent(arn)
        return found


def identify(params: Mapping[str, Any]) -> tuple[str, str]:
    """(endpoint, variant) of a request about one target; refused when it is about another service's."""
    check_namespace(params)
    found = _ID.fullmatch(params["ResourceId"])
    if found is None or params["ScalableDimension"] != DIMENSION:
        raise words.unknown_resource()
    return found[1], found[2]


def check_namespace(params: Mapping[str, Any]) -> None:
    """Only SageMaker's variants are scaled here."""
    if params["ServiceNamespace"] != NAMESPACE:
        raise words.unsupported(f"Service namespace {params['ServiceNamespace']}")
    if params.get("ScalableDimension", DIMENSION) != DIMENSION:
        if params["ScalableDimension"].startswith(f"{NAMESPACE}:"):
            raise words.unsupported(f"Scalable dimension {params['ScalableDimension']}")
        raise words.unknown_resource()
    if "ScalableDimension" in params and "ResourceId" not in params and "ResourceIds" not in params:
        raise words.validation("ResourceId must be provided when ScalableDimension is provided")


def page(entries: Sequence[Mapping[str, Any]], params: Mapping[str, Any], member: str) -> dict[str, Any]:
    """The answer of a Describe operation: `member` and NextToken."""
    token = params.get("NextToken")
    if token is not None and not token.isdigit():
        raise AwsError("InvalidNextTokenException", "The next token supplied was invalid.")
    start = int(token or 0)
    end = start + params.get("MaxResults", _PAGE)
    return {member: list(entries[start:end]), "NextToken": str(end) if end < len(entries) else None}
