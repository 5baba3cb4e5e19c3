"""Where a kind lives in the Kubernetes API: our kinds as api/kinds.py lists them, and the two core kinds we read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sagemaker_gitops.api.kinds import GROUP, KINDS, VERSION
from sagemaker_gitops.core.resource import Key

SOURCE_LABEL = f"{GROUP}/source"


@dataclass(frozen=True, slots=True)
class ResourceType:
    """`group` is "" for the core API. `label_selector` narrows the watch on the server's side."""

    kind: str
    group: str
    version: str
    plural: str
    namespaced: bool
    label_selector: str = ""

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def collection(self, namespace: str = "") -> str:
        """The URL path of the collection: of one namespace, or of the whole cluster."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        return f"{root}/namespaces/{namespace}/{self.plural}" if namespace else f"{root}/{self.plural}"

    def collections(self, namespaces: Sequence[str]) -> list[str]:
        """One collection for the cluster, or one for each namespace served: what an operator of these may list."""
        return [self.collection(namespace) for namespace in namespaces] if self.namespaced and namespaces else [self.collection()]

    def path(self, key: Key, subresource: str = "") -> str:
        """The URL path of one object. Names are DNS labels or subdomains, so they need no quoting."""
        path = f"{self.collection(key.namespace if self.namespaced else '')}/{key.name}"
        return f"{path}/{subresource}" if subresource else path


CONFIG_MAP = ResourceType("ConfigMap", "", "v1", "configmaps", True, f"{SOURCE_LABEL}=true")
NAMESPACE = ResourceType("Namespace", "", "v1", "namespaces", False)
CUSTOM = tuple(ResourceType(item.kind, GROUP, VERSION, item.plural, item.scope == "Namespaced") for item in KINDS.values())
RESOURCES: Mapping[str, ResourceType] = {item.kind: item for item in (*CUSTOM, CONFIG_MAP, NAMESPACE)}
