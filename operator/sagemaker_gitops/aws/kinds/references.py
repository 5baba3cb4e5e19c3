"""What a kind may read of other Kubernetes objects; the runtime's store implements it, the simulation fakes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from sagemaker_gitops.core.resource import Key, Snapshot
from sagemaker_gitops.core.tenancy import Bound


@dataclass(frozen=True, slots=True)
class ConfigMap:
    """The content of a ConfigMap as bytes by key, data and binaryData alike."""

    files: Mapping[str, bytes]
    annotations: Mapping[str, str]


class References(Protocol):
    """Reads only, from the watch cache where there is one. Absence there is never evidence."""

    def tenants(self) -> Iterable[Bound]:
        """Every Tenant that parses and is not being deleted."""

    def namespaces(self) -> Iterable[str]:
        """Names of the namespaces whose labels are known."""

    def namespace_labels(self, namespace: str) -> Mapping[str, str]: ...

    async def config_map(self, namespace: str, name: str) -> ConfigMap | None:
        """None when the API server says that there is none."""

    def object(self, key: Key) -> Snapshot | None:
        """Another object of this API, as last seen."""

    def referrers(self, key: Key) -> Iterable[Key]:
        """Other objects of this API that name it."""

    def running(self, kind: str) -> Iterable[Key]:
        """Objects of a kind whose status says Running."""

    def exists(self, key: Key) -> bool:
        """Whether the watch cache holds the object."""

    def enqueue(self, key: Key) -> None:
        """Wake another object, because what it waits for has changed."""
