"""Kubernetes JSON to snapshots: the one place that knows where an object keeps what."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from sagemaker_gitops.core.conditions import moment
from sagemaker_gitops.core.resource import ANNOTATIONS, Key, Snapshot


def snapshot_of(body: Mapping[str, Any]) -> Snapshot:
    """A Kubernetes object as a snapshot. A ConfigMap's spec is its data and binaryData, kept as given."""
    metadata = body["metadata"]
    annotations = metadata.get("annotations") or {}
    kind = body["kind"]
    return Snapshot(
        key=Key(sys.intern(kind), sys.intern(metadata.get("namespace", "")), metadata["name"]),
        uid=metadata["uid"],
        resource_version=metadata["resourceVersion"],
        generation=metadata.get("generation", 0),
        deleting="deletionTimestamp" in metadata,
        finalizers=tuple(metadata.get("finalizers") or ()),
        annotations={name: annotations[name] for name in ANNOTATIONS if name in annotations},
        labels=dict(metadata.get("labels") or {}),
        spec=_content(body) if kind == "ConfigMap" else body.get("spec") or {},
        status={} if kind == "Namespace" else body.get("status") or {},
        deleted_at=moment(metadata.get("deletionTimestamp")),
    )


def _content(config_map: Mapping[str, Any]) -> dict[str, Any]:
    return {name: config_map[name] for name in ("data", "binaryData") if config_map.get(name)}
