"""What else a pass over a ModelEndpoint looks at once its endpoint is known: one sight for each concern of core's upkeep.py.

A sight reads AWS only where the spec or the status says that there is something to see.
"""

from __future__ import annotations

from sagemaker_gitops.aws.kinds.adoption import alias
from sagemaker_gitops.aws.kinds.alarms import look_at_alarms
from sagemaker_gitops.aws.kinds.artifacts import artifacts
from sagemaker_gitops.aws.kinds.endpoint_tags import tags
from sagemaker_gitops.aws.kinds.inventory import strays
from sagemaker_gitops.aws.kinds.look import Sight
from sagemaker_gitops.aws.kinds.scaling import look_at_scaling
from sagemaker_gitops.aws.kinds.smoke import smoke
from sagemaker_gitops.aws.kinds.trail import trail

SIGHTS: tuple[Sight, ...] = (alias, artifacts, smoke, look_at_scaling, look_at_alarms, tags, strays, trail)
