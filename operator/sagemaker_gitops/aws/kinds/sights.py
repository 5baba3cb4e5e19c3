"""What else a pass over a ModelEndpoint looks at once its endpoint is known: one sight for each concern of core's upkeep.py.

A sight reads AWS only where the spec or the status says that there is something to see.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from sagemaker_gitops.aws.port import Aws, Scope
from sagemaker_gitops.core.kinds.model_endpoint.facts import ModelEndpointFacts
from sagemaker_gitops.core.kinds.model_endpoint.serving import Serving
from sagemaker_gitops.core.resource import Snapshot


@dataclass(frozen=True, slots=True)
class Look:
    """Where a sight looks from."""

    aws: Aws
    scope: Scope
    snapshot: Snapshot
    serving: Serving
    now: datetime


Sight = Callable[[Look, ModelEndpointFacts], Awaitable[ModelEndpointFacts]]

SIGHTS: tuple[Sight, ...] = ()
