"""Keeps every command that writes away from clusters that the sandbox did not make.

A kubeconfig's current context may be anything, production included. A context is the sandbox's only when
all of this holds: its name has our prefix, its server is on loopback, and its certificate authority is the
one recorded in the folder of the instance that it names. Anything else is refused unless the person named
the context with `--context`. Needs no running cluster.
"""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from local_cluster.certificates import decode_authority, fingerprint
from local_cluster.instance import CONTEXT_PREFIX, EXTENSION, InstanceError, read_instance


class ContextError(RuntimeError):
    """No kubeconfig context can be read."""


class ForeignContextError(ContextError):
    """The context is not the sandbox's, and was not named explicitly."""


@dataclass(frozen=True, slots=True)
class KubeContext:
    """What a kubeconfig says about one context; `ca_sha256` is "" when it names no readable authority."""

    name: str
    server: str
    ca_sha256: str
    folder: Path | None


def read_context(name: str | None = None, kubeconfig: Path | None = None) -> KubeContext:
    """The context called `name` of `kubeconfig`.

    By default the current context, and $KUBECONFIG or ~/.kube/config, as kubectl does.

    Raises:
        ContextError: there is no such context.
    """
    files = [kubeconfig] if kubeconfig else _default_files()
    documents = [(path, _load(path)) for path in files if path.is_file()]
    chosen = name or next((document["current-context"] for _, document in documents if document.get("current-context")), "")
    listed = " and ".join(map(str, files))
    if not chosen:
        raise ContextError(f"{listed}: no current context; start the sandbox or name one with --context")
    found = _find(documents, "contexts", "context", chosen)
    if found is None:
        raise ContextError(f"{listed}: no context {chosen!r}")
    cluster_name = str(found[1].get("cluster", ""))
    cluster = _find(documents, "clusters", "cluster", cluster_name)
    if cluster is None:
        raise ContextError(f"{listed}: context {chosen!r} names the cluster {cluster_name!r}, which is not there")
    return _context(chosen, *cluster)


def require_sandbox_context(context: KubeContext, allow: str | None) -> None:
    """Return when the sandbox made `context`, or `allow`, the value of `--context`, names it.

    Raises:
        ForeignContextError: neither; says why and what to do.
    """
    if allow is not None and allow == context.name:
        return
    reason = _foreign(context)
    if reason is not None:
        raise ForeignContextError(
            f"refusing to write to context {context.name!r} ({context.server}): {reason}. "
            "Start the sandbox and use its kubeconfig, or, if this cluster is meant, "
            f"repeat with --context {context.name}"
        )


def _foreign(context: KubeContext) -> str | None:
    if not context.name.startswith(CONTEXT_PREFIX):
        return f"the sandbox did not make it, its name does not begin with {CONTEXT_PREFIX}"
    if not _is_loopback(context.server):
        return "its server is not on this machine"
    if context.folder is None:
        return "it does not say which instance it belongs to"
    try:
        instance = read_instance(context.folder)
    except InstanceError as error:
        return str(error)
    if context.name != instance.context:
        return f"the instance in {context.folder} has the context {instance.context!r}"
    if not context.ca_sha256 or context.ca_sha256 != instance.ca_sha256:
        return f"its certificate authority is not that of the instance in {context.folder}"
    return None


def _is_loopback(server: str) -> bool:
    host = urlsplit(server).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _default_files() -> list[Path]:
    listed = os.environ.get("KUBECONFIG", "")
    files = [Path(item) for item in listed.split(os.pathsep) if item]
    return files or [Path.home() / ".kube" / "config"]


def _load(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise ContextError(f"{path} is not YAML: {error}") from error
    return document if isinstance(document, dict) else {}


def _find(documents: list[tuple[Path, dict[str, Any]]], plural: str, singular: str, name: str) -> tuple[Path, dict[str, Any]] | None:
    # The first file that names an entry wins, as in kubectl.
    for path, document in documents:
        for entry in document.get(plural) or ():
            if entry.get("name") == name:
                return path, entry.get(singular) or {}
    return None


def _context(name: str, path: Path, cluster: dict[str, Any]) -> KubeContext:
    extensions = {entry.get("name"): entry.get("extension") for entry in cluster.get("extensions") or ()}
    ours = extensions.get(EXTENSION) or {}
    folder = ours.get("folder")
    return KubeContext(
        name=name,
        server=str(cluster.get("server", "")),
        ca_sha256=_authority_fingerprint(path, cluster),
        folder=Path(folder) if folder else None,
    )


def _authority_fingerprint(path: Path, cluster: dict[str, Any]) -> str:
    try:
        if data := cluster.get("certificate-authority-data"):
            return fingerprint(decode_authority(data))
        if file := cluster.get("certificate-authority"):
            return fingerprint((path.parent / file).read_text())
    except (OSError, ValueError):
        return ""
    return ""
