"""`unpark`: ask for an endpoint that is parked. The operator reads the request from an annotation, as it does from Argo CD's action."""

from __future__ import annotations

import argparse
import asyncio
from datetime import UTC, datetime
from functools import partial
from typing import Any

from sagemaker_gitops.cli.annotate import add_object_arguments, annotate, asked_of
from sagemaker_gitops.cli.errors import FINDINGS
from sagemaker_gitops.cli.output import show
from sagemaker_gitops.core.conditions import timestamp
from sagemaker_gitops.core.resource import UNPARK

KIND = "ModelEndpoint"
add_arguments = partial(add_object_arguments, words=f"the {KIND}")


def run(options: argparse.Namespace) -> int:
    asked = asyncio.run(_ask(options))
    if asked["requested"]:
        text = f"{asked['object']}: asked for; `kubectl get mep {options.name} -w` shows it come back"
    else:
        text = f"{asked['object']} is not parked ({asked['phase'] or 'no phase yet'}): nothing to do"
    show(options.output, asked, text)
    return 0 if asked["requested"] else FINDINGS


async def _ask(options: argparse.Namespace) -> dict[str, Any]:
    async with asked_of(options, KIND, options.name) as (cluster, found):
        parked = "since" in (found.status.get("parking") or {})
        if parked:
            await annotate(cluster, found.key, UNPARK, timestamp(datetime.now(UTC)))
        return {"object": str(found.key), "phase": found.status.get("phase", ""), "requested": parked}
