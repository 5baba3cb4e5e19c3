"""Where a sight of a ModelEndpoint looks from; the sights themselves are listed in sights.py."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from sagemaker_gitops.aws.kinds.references import References
from sagemaker_gitops.aws.port import Aws, Scope
from sagemaker_gitops.core.kinds.model_endpoint.facts import ModelEndpointFacts
from sagemaker_gitops.core.kinds.model_endpoint.serving import Serving
from sagemaker_gitops.core.resource import Snapshot


@dataclass(frozen=True, slots=True)
class Look:
    """Where a sight looks from. `anew`: look although status says that nothing has changed."""

    aws: Aws
    scope: Scope
    snapshot: Snapshot
    serving: Serving
    now: datetime
    references: References
    anew: bool = False


Sight = Callable[[Look, ModelEndpointFacts], Awaitable[ModelEndpointFacts]]
