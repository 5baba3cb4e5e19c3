"""Identity and content of a watched object, as the store hands it to a pass.

Lives in core because planning needs it; made by the shell from watch events and by the kube layer from PATCH answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

GROUP = "sagemaker-gitops.dev"
VERSION = "v1alpha1"
FINALIZER = f"{GROUP}/aws-resources"

# Annotations that a person or Argo CD sets; the operator only reads them (api.md, "Status common to all").
RECONCILE_REQUESTED_AT = f"{GROUP}/reconcile-requested-at"
RERUN = f"{GROUP}/rerun"
CHECK_NOW = f"{GROUP}/check-now"
PAUSE = f"{GROUP}/pause"
RELEASE = f"{GROUP}/release"
UNPARK = f"{GROUP}/unpark-requested-at"
REVISION = f"{GROUP}/git-revision"  # provenance: Argo CD's $ARGOCD_APP_REVISION, or what CI knows
REPOSITORY = f"{GROUP}/git-repository"
ANNOTATIONS = (RECONCILE_REQUESTED_AT, RERUN, CHECK_NOW, PAUSE, RELEASE, UNPARK, REVISION, REPOSITORY)


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """What the queue and the store are keyed by. namespace is "" for cluster-scoped kinds."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.namespace}/{self.name}" if self.namespace else f"{self.kind}/{self.name}"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One object at one resourceVersion. annotations holds ours only; spec and status are plain JSON values. `deleted_at` is the
    deletionTimestamp.
    """

    key: Key
    uid: str
    resource_version: str
    generation: int
    deleting: bool = False
    finalizers: tuple[str, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    spec: Mapping[str, Any] = field(default_factory=dict)
    status: Mapping[str, Any] = field(default_factory=dict)
    deleted_at: datetime | None = None

    @property
    def has_finalizer(self) -> bool:
        return FINALIZER in self.finalizers
