"""The one write that commands make in a cluster: an annotation of those that a person may set, as Argo CD's actions do."""

from __future__ import annotations

import aiohttp

from sagemaker_gitops.cli.cluster import TIMEOUT, Cluster
from sagemaker_gitops.cli.errors import CommandError
from sagemaker_gitops.core.resource import Key
from sagemaker_gitops.kube.resources import RESOURCES


async def annotate(cluster: Cluster, key: Key, annotation: str, value: str) -> None:
    """Raises CommandError with the API server's words."""
    url = f"{cluster.server.rstrip('/')}{RESOURCES[key.kind].path(key)}"
    patch = {"metadata": {"annotations": {annotation: value}}}
    try:
        async with cluster.session.patch(
            url, json=patch, headers={"Content-Type": "application/merge-patch+json"}, timeout=TIMEOUT
        ) as response:
            if response.status != 200:
                raise CommandError(f"the API server at {cluster.server} refuses to annotate {key}: {(await response.text())[:300]}")
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise CommandError(f"the API server at {cluster.server} does not answer: {type(error).__name__}: {error}") from error
