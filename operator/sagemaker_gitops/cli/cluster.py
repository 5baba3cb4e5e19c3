"""Reads from a cluster for commands that look: nothing in here can write."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from sagemaker_gitops.api.kinds import KINDS
from sagemaker_gitops.aws.kinds.bindings import tenant_of
from sagemaker_gitops.aws.kinds.references import ConfigMap
from sagemaker_gitops.cli.errors import USAGE, CommandError
from sagemaker_gitops.cli.files import Manifest, is_name
from sagemaker_gitops.core.resource import Key, Snapshot
from sagemaker_gitops.core.tenancy import Bound
from sagemaker_gitops.kube.credentials import LoginError, from_kubeconfig
from sagemaker_gitops.kube.objects import snapshot_of
from sagemaker_gitops.kube.resources import RESOURCES
from sagemaker_gitops.kube.session import open_session

TIMEOUT = aiohttp.ClientTimeout(total=30, sock_connect=5)
ACTIVE_PHASES = ("Running", "Deleting")
NAMESPACED = tuple(kind for kind, api in KINDS.items() if api.scope == "Namespaced")


@dataclass(slots=True)
class Cluster:
    """GET, and only GET, on the API server at `server`; `namespace` is the context's."""

    session: aiohttp.ClientSession
    server: str
    namespace: str

    async def get(self, key: Key) -> Snapshot | None:
        """One object, None when there is none."""
        if not is_name(key.name):
            return None
        body = await self._get(RESOURCES[key.kind].path(key))
        return snapshot_of(body) if body else None

    async def every(self, kind: str) -> list[Snapshot]:
        """Every object of a kind in the cluster."""
        body = await self._get(RESOURCES[kind].collection())
        if body is None:
            raise CommandError(f"the cluster at {self.server} knows no {RESOURCES[kind].plural}: install the operator's crds/ there first")
        wanted = {"kind": kind, "apiVersion": RESOURCES[kind].api_version}
        return [snapshot_of({**wanted, **item}) for item in body.get("items", ())]

    async def _get(self, path: str) -> dict[str, Any] | None:
        try:
            async with self.session.get(f"{self.server.rstrip('/')}{path}", timeout=TIMEOUT) as response:
                if response.status == 404:
                    return None
                if response.status != 200:
                    said = _said(await response.text(), response.status)
                    raise CommandError(f"the API server at {self.server} refuses GET {path}: {said}")
                answer: dict[str, Any] = await response.json()
                return answer
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise CommandError(f"the API server at {self.server} does not answer: {type(error).__name__}: {error}") from error


def _said(text: str, status: int) -> str:
    """The message of a Kubernetes Status, or what there is instead."""
    try:
        return f"{json.loads(text)['message']} (HTTP {status})"
    except (ValueError, KeyError, TypeError):
        return f"HTTP {status}: {text[:200]}"


def named(text: str) -> tuple[str, str]:
    """(kind, name) of NAME, which is a TrainingRun's, or KIND/NAME, the kind in one of the spellings that kubectl takes."""
    given, slash, name = text.partition("/")
    if not slash:
        return "TrainingRun", text
    spelled = {word: kind for kind in NAMESPACED for word in (kind.lower(), KINDS[kind].plural, *KINDS[kind].short_names)}
    return spelled.get(given.lower(), given), name


def connect(context: str) -> Cluster:
    """The cluster of $KUBECONFIG (or ~/.kube/config). Must be called in a running loop; close the session after use."""
    path = Path(os.environ.get("KUBECONFIG", "").split(os.pathsep)[0] or Path.home() / ".kube" / "config")
    try:
        credentials = from_kubeconfig(path, context, plugins=True)
    except LoginError as error:
        raise CommandError(str(error), USAGE) from error
    return Cluster(open_session(credentials), credentials.server, credentials.namespace)


@dataclass(slots=True)
class FilesOverCluster:
    """aws.kinds.references.References: what the files say, and the cluster where they say nothing."""

    cluster: Cluster
    files: Iterable[Manifest] = ()
    _tenants: dict[str, Bound] = field(default_factory=dict)
    _labels: dict[str, Mapping[str, str]] = field(default_factory=dict)
    _objects: dict[Key, Snapshot] = field(default_factory=dict)

    async def read(self) -> None:
        """Fetch what is asked for without waiting later: Tenants, namespace labels, who runs now and what serves."""
        snapshots = [
            *await self.cluster.every("Tenant"),
            *(as_snapshot(item) for item in self.files if item.kind == "Tenant" and item.ours),
        ]
        self._tenants = {bound.name: bound for bound in map(tenant_of, snapshots) if bound is not None}
        self._labels = {item.key.name: item.labels for item in await self.cluster.every("Namespace")}
        self._objects = {
            item.key: item for kind in ("TrainingRun", "ModelEndpoint", "MonitorPolicy") for item in await self.cluster.every(kind)
        }

    def tenants(self) -> list[Bound]:
        return list(self._tenants.values())

    def namespaces(self) -> list[str]:
        return list(self._labels)

    def namespace_labels(self, namespace: str) -> Mapping[str, str]:
        return self._labels.get(namespace, {})

    async def config_map(self, namespace: str, name: str) -> ConfigMap | None:
        for item in self.files:
            if item.kind == "ConfigMap" and (item.namespace, item.name) == (namespace, name):
                return ConfigMap(item.files, {})
        found = await self.cluster.get(Key("ConfigMap", namespace, name))
        if found is None:
            return None
        files = {key: text.encode() for key, text in (found.spec.get("data") or {}).items()}
        return ConfigMap(files | {k: base64.b64decode(t) for k, t in (found.spec.get("binaryData") or {}).items()}, found.annotations)

    def running(self, kind: str) -> list[Key]:
        return [key for key, item in self._objects.items() if key.kind == kind and item.status.get("phase") in ACTIVE_PHASES]

    def object(self, key: Key) -> Snapshot | None:
        return self._objects.get(key)

    def referrers(self, key: Key) -> list[Key]:
        """Every MonitorPolicy of the namespace: whom it names stands in its status."""
        return [item for item in self._objects if item.kind == "MonitorPolicy" and item.namespace == key.namespace]

    def exists(self, key: Key) -> bool:
        return True

    def enqueue(self, key: Key) -> None:
        return None


def as_snapshot(manifest: Manifest, live: Snapshot | None = None) -> Snapshot:
    """What the API server would hold after `kubectl apply` of the manifest over `live`."""
    metadata = manifest.body.get("metadata") or {}
    body = {**manifest.body, "metadata": {"uid": "", "resourceVersion": "0", **metadata}}
    made = snapshot_of(body)
    if live is None:
        return made
    generation = live.generation + (live.spec != made.spec)
    return Snapshot(
        live.key, live.uid, live.resource_version, generation, live.deleting, live.finalizers,
        {**live.annotations, **made.annotations}, made.labels, made.spec, live.status,
    )  # fmt: skip
