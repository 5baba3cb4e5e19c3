"""`check`: ask a MonitorPolicy for a check of the window that ends now. The operator reads the request from an annotation."""

from __future__ import annotations

import argparse
import asyncio
from datetime import UTC, datetime
from functools import partial
from typing import Any

from sagemaker_gitops.api.monitor_engine import MODEL_MONITOR
from sagemaker_gitops.cli.annotate import add_object_arguments, annotate, asked_of
from sagemaker_gitops.cli.errors import CommandError
from sagemaker_gitops.cli.output import show
from sagemaker_gitops.core.conditions import timestamp
from sagemaker_gitops.core.resource import CHECK_NOW

KIND = "MonitorPolicy"
add_arguments = partial(add_object_arguments, words=f"the {KIND}")


def run(options: argparse.Namespace) -> int:
    asked = asyncio.run(_ask(options))
    show(options.output, asked, f"{asked['object']}: asked for; `kubectl get mp {options.name} -w` shows its result")
    return 0


async def _ask(options: argparse.Namespace) -> dict[str, Any]:
    async with asked_of(options, KIND, options.name) as (cluster, found):
        if found.spec.get("engine") == MODEL_MONITOR:
            raise CommandError(
                f"{found.key} has engine: {MODEL_MONITOR}, which checks by its schedule alone: wait for it, or leave engine out"
            )
        nonce = timestamp(datetime.now(UTC))
        await annotate(cluster, found.key, CHECK_NOW, nonce)
        return {"object": str(found.key), "checkNow": nonce}
