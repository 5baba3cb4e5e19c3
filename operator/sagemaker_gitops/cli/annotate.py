"""The one write that commands make in a cluster: an annotation of those that a person may set, as Argo CD's actions do."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from sagemaker_gitops.cli.cluster import NAMESPACED, TIMEOUT, Cluster, connect
from sagemaker_gitops.cli.errors import USAGE, CommandError
from sagemaker_gitops.cli.output import add_output
from sagemaker_gitops.core.resource import Key, Snapshot
from sagemaker_gitops.kube.resources import RESOURCES


def add_object_arguments(parser: argparse.ArgumentParser, words: str) -> None:
    """The object that a command asks something of; `words` say which."""
    parser.add_argument("name", help=words)
    parser.add_argument("-n", "--namespace", default="", help="default: the context's")
    parser.add_argument("--context", default="", help="context of the kubeconfig (default: the current one)")
    add_output(parser)


@asynccontextmanager
async def asked_of(options: argparse.Namespace, kind: str, name: str) -> AsyncIterator[tuple[Cluster, Snapshot]]:
    """The cluster and the object, in the namespace that `add_object_arguments` took. Raises CommandError when there is none."""
    if kind not in NAMESPACED:
        raise CommandError(f"{kind} is none of {', '.join(NAMESPACED)}", USAGE)
    cluster = connect(options.context)
    try:
        key = Key(kind, options.namespace or cluster.namespace, name)
        found = await cluster.get(key)
        if found is None:
            raise CommandError(f"there is no {kind} {key.name} in namespace {key.namespace} (-n names another)", USAGE)
        yield cluster, found
    finally:
        await cluster.session.close()


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
