"""`check`: ask a MonitorPolicy for a check of the window that ends now. The operator reads the request from an annotation."""

from __future__ import annotations

import argparse
import asyncio
from datetime import UTC, datetime
from typing import Any

from sagemaker_gitops.cli.annotate import annotate
from sagemaker_gitops.cli.cluster import connect
from sagemaker_gitops.cli.errors import USAGE, CommandError
from sagemaker_gitops.cli.output import add_output, show
from sagemaker_gitops.core.conditions import timestamp
from sagemaker_gitops.core.resource import CHECK_NOW, Key

KIND = "MonitorPolicy"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="the MonitorPolicy")
    parser.add_argument("-n", "--namespace", default="", help="default: the context's")
    parser.add_argument("--context", default="", help="context of the kubeconfig (default: the current one)")
    add_output(parser)


def run(options: argparse.Namespace) -> int:
    asked = asyncio.run(_ask(options))
    show(options.output, asked, f"{asked['object']}: asked for; `kubectl get mp {options.name} -w` shows its result")
    return 0


async def _ask(options: argparse.Namespace) -> dict[str, Any]:
    cluster = connect(options.context)
    try:
        key = Key(KIND, options.namespace or cluster.namespace, options.name)
        if await cluster.get(key) is None:
            raise CommandError(f"there is no MonitorPolicy {key.name} in namespace {key.namespace} (-n names another)", USAGE)
        nonce = timestamp(datetime.now(UTC))
        await annotate(cluster, key, CHECK_NOW, nonce)
        return {"object": str(key), "checkNow": nonce}
    finally:
        await cluster.session.close()
