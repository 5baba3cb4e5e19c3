"""Where a sight of a ModelEndpoint looks from (sights.py lists them)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sagemaker_gitops.aws.port import Aws, Scope
from sagemaker_gitops.core.kinds.model_endpoint.serving import Serving
from sagemaker_gitops.core.resource import Snapshot


@dataclass(frozen=True, slots=True)
class Look:
    """One pass: the door, for whom, the object as it is, and what it wants."""

    aws: Aws
    scope: Scope
    snapshot: Snapshot
    serving: Serving
    now: datetime
