"""Where a sight of a ModelEndpoint looks from; the sights themselves are listed in sights.py."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from sagemaker_gitops.aws.kinds.references import References
from sagemaker_gitops.aws.port import Aws, Scope
from sagemaker_gitops.core.kinds.model_endpoint.facts import EndpointState, LiveEndpoint, ModelEndpointFacts
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

    def arrives(self, facts: ModelEndpointFacts) -> bool:
        """Whether this pass may be the first to say that the wanted config serves, or has failed: then what status may have forgotten is
        looked for.
        """
        live, status = facts.endpoint, self.snapshot.status
        if not isinstance(live, LiveEndpoint) or live.config != self.serving.config_name:
            return False
        if live.state is EndpointState.FAILED:
            return status.get("phase") != "Failed" or "overtaken" in (status.get("update") or {})
        if live.state is not EndpointState.IN_SERVICE:
            return False
        return status.get("phase") != "InService" or (status.get("lastGood") or {}).get("config") != self.serving.config_name


Sight = Callable[[Look, ModelEndpointFacts], Awaitable[ModelEndpointFacts]]
