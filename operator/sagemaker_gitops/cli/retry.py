"""`retry`: another attempt of what has stalled, as Argo CD's action makes it.

A TrainingRun whose job failed or was stopped is trained again, which costs money; anything else is only looked at again, a deletion that
is held (core/mass_deletion.py) is agreed to.
"""

from __future__ import annotations

import argparse
import asyncio
from datetime import UTC, datetime
from functools import partial
from typing import Any

from sagemaker_gitops.cli.annotate import add_object_arguments, annotate, asked_of
from sagemaker_gitops.cli.cluster import named
from sagemaker_gitops.cli.errors import FINDINGS
from sagemaker_gitops.cli.output import show
from sagemaker_gitops.core.conditions import timestamp
from sagemaker_gitops.core.resource import RECONCILE_REQUESTED_AT, RERUN, Snapshot

ENDED_BADLY = ("Failed", "Stopped")
add_arguments = partial(add_object_arguments, words="NAME (of a TrainingRun) or KIND/NAME")


def run(options: argparse.Namespace) -> int:
    asked = asyncio.run(_ask(options))
    if asked["annotation"]:
        text = f"{asked['object']}: asked for; its status shows what becomes of it"
    else:
        text = f"{asked['object']} is not stalled ({asked['phase'] or 'no phase yet'}): nothing to do"
    show(options.output, asked, text)
    return 0 if asked["annotation"] else FINDINGS


async def _ask(options: argparse.Namespace) -> dict[str, Any]:
    async with asked_of(options, *named(options.name)) as (cluster, found):
        annotation = _annotation(found)
        if annotation:
            await annotate(cluster, found.key, annotation, timestamp(datetime.now(UTC)))
        return {"object": str(found.key), "phase": found.status.get("phase", ""), "annotation": annotation}


def _annotation(found: Snapshot) -> str:
    stalled = any((item["type"], item["status"]) == ("Stalled", "True") for item in found.status.get("conditions", ()))
    if not stalled:
        return ""
    trains = found.key.kind == "TrainingRun" and found.status.get("phase") in ENDED_BADLY
    return RERUN if trains else RECONCILE_REQUESTED_AT
