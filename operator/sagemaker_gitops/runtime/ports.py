"""The interfaces the reconciler is written against, so that the simulation runs the very same code on fakes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from sagemaker_gitops.aws.kinds.around import Kind as Kind
from sagemaker_gitops.core.resource import Snapshot
from sagemaker_gitops.kube.errors import Conflict as Conflict
from sagemaker_gitops.kube.errors import Gone as Gone
from sagemaker_gitops.kube.errors import Unavailable as Unavailable


class Clock(Protocol):
    """Wall-clock time for status and naming of moments; monotonic seconds for delays."""

    def now(self) -> datetime: ...

    def monotonic(self) -> float: ...


class KubeWriter(Protocol):
    """The only writes the operator makes. Each answers with the object as the API server now holds it."""

    async def read(self, snapshot: Snapshot) -> Snapshot:
        """A quorum GET. Raises Gone."""

    async def patch_finalizers(self, snapshot: Snapshot, finalizers: tuple[str, ...]) -> Snapshot:
        """Replace metadata.finalizers under the snapshot's resourceVersion. Raises Conflict, Gone."""

    async def patch_status(self, snapshot: Snapshot, patch: Mapping[str, Any], *, locked: bool) -> Snapshot:
        """Merge-patch the status subresource; `locked` demands the snapshot's resourceVersion. Raises Conflict, Gone."""

    def event(self, snapshot: Snapshot, *, type_: str, reason: str, message: str) -> None:
        """Post a Kubernetes Event in the background; its failure never disturbs a pass."""
