"""`unpark`: ask for an endpoint that is parked. The operator reads the request from an annotation, as it does from Argo CD's action."""

from __future__ import annotations

import argparse
import asyncio
from datetime import UTC, datetime
from typing import Any

from sagemaker_gitops.cli.annotate import annotate
from sagemaker_gitops.cli.cluster import connect
from sagemaker_gitops.cli.errors import FINDINGS, USAGE, CommandError
from sagemaker_gitops.cli.output import add_output, show
from sagemaker_gitops.core.conditions import timestamp
from sagemaker_gitops.core.resource import UNPARK, Key

KIND = "ModelEndpoint"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="the ModelEndpoint")
    parser.add_argument("-n", "--namespace", default="", help="default: the context's")
    parser.add_argument("--context", default="", help="context of the kubeconfig (default: the current one)")
    add_output(parser)


def run(options: argparse.Namespace) -> int:
    asked = asyncio.run(_ask(options))
    if asked["requested"]:
        text = f"{asked['object']}: asked for; `kubectl get mep {options.name} -w` shows it come back"
    else:
        text = f"{asked['object']} is not parked ({asked['phase'] or 'no phase yet'}): nothing to do"
    show(options.output, asked, text)
    return 0 if asked["requested"] else FINDINGS


async def _ask(options: argparse.Namespace) -> dict[str, Any]:
    cluster = connect(options.context)
    try:
        key = Key(KIND, options.namespace or cluster.namespace, options.name)
        found = await cluster.get(key)
        if found is None:
            raise CommandError(f"there is no ModelEndpoint {key.name} in namespace {key.namespace} (-n names another)", USAGE)
        parking = found.status.get("parking") or {}
        if "since" in parking:
            await annotate(cluster, key, UNPARK, timestamp(datetime.now(UTC)))
        return {"object": str(key), "phase": found.status.get("phase", ""), "requested": "since" in parking}
    finally:
        await cluster.session.close()
