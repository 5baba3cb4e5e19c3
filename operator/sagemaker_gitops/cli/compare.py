"""`compare`: runs side by side, from what the cluster knows of them: the runs of one TrainingRun, or the newest of each of several."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sagemaker_gitops.cli.cluster import connect
from sagemaker_gitops.cli.errors import USAGE, CommandError
from sagemaker_gitops.cli.output import add_output, show
from sagemaker_gitops.core.resource import Key, Snapshot

LAST = 5
WIDTH = 28
PLAIN = ("phase", "startedAt", "finishedAt", "metric", "champion", "championModel", "gate", "model", "revision", "trigger")
MAPS = ("parameters", "metrics", "inputs")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="+", metavar="NAME", help="one TrainingRun: its runs; several: the newest run of each")
    parser.add_argument("--last", type=int, default=LAST, help=f"how many runs of one TrainingRun (default: {LAST})")
    parser.add_argument("-n", "--namespace", default="", help="default: the context's")
    parser.add_argument("--context", default="", help="context of the kubeconfig (default: the current one)")
    add_output(parser)


def run(options: argparse.Namespace) -> int:
    if options.last < 1:
        raise CommandError("--last must be 1 or more", USAGE)
    snapshots = asyncio.run(_read(options))
    limit = options.last if len(snapshots) == 1 else 1
    runs = [found for snapshot in snapshots for found in runs_of(snapshot)[:limit]]
    if not runs:
        raise CommandError(f"{', '.join(options.names)}: there is no run yet")
    show(options.output, runs, table(runs))
    return 0


async def _read(options: argparse.Namespace) -> list[Snapshot]:
    cluster = connect(options.context)
    namespace = options.namespace or cluster.namespace
    try:
        found = [(name, await cluster.get(Key("TrainingRun", namespace, name))) for name in dict.fromkeys(options.names)]
    finally:
        await cluster.session.close()
    missing = [name for name, snapshot in found if snapshot is None]
    if missing:
        raise CommandError(f"there is no TrainingRun {', '.join(missing)} in namespace {namespace} (-n names another)", USAGE)
    return [snapshot for _, snapshot in found if snapshot is not None]


def runs_of(snapshot: Snapshot) -> list[dict[str, Any]]:
    """Newest first: the run under way, if there is one, then history. Every run has a `run`, its name and key."""
    status = snapshot.status
    history = [item for item in status.get("history") or () if isinstance(item, Mapping)]
    runs = [
        *([_under_way(snapshot)] if status.get("specHash") not in (None, *(item.get("specHash") for item in history)) else []),
        *history,
    ]
    return [{"run": f"{snapshot.key.name}/{item.get('specHash', '')}"} | _kept(item) for item in runs]


def _under_way(snapshot: Snapshot) -> dict[str, Any]:
    """The same fields of a run that has not ended: what history will say of it."""
    status, spec = snapshot.status, snapshot.spec
    provenance = status.get("provenance") or {}
    settings = {**(spec.get("parameters") or {}), **((spec.get("train") or {}).get("hyperparameters") or {})}
    metrics = {name: value for step in status.get("steps") or () for name, value in (step.get("metrics") or {}).items()}
    inputs = {item.get("name"): item.get("digest") for item in provenance.get("inputs") or ()}
    return {**status, "trigger": provenance.get("trigger"), "parameters": settings, "metrics": metrics, "inputs": inputs}


def _kept(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: item[name] for name in ("specHash", *PLAIN, *MAPS) if item.get(name)}


def table(runs: Sequence[Mapping[str, Any]]) -> str:
    """A line for each fact, a column for each run; a * before what is not the same in all of them."""
    rows = [["", "run", *(str(item["run"]) for item in runs)]]
    for name in PLAIN:
        rows += _row(name, [item.get(name) for item in runs])
    for group in MAPS:
        for name in dict.fromkeys(key for item in runs for key in item.get(group) or ()):
            rows += _row(f"{group}.{name}", [(item.get(group) or {}).get(name) for item in runs])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def _row(name: str, values: Iterable[Any]) -> list[list[str]]:
    texts = ["-" if value is None else str(value) for value in values]
    cut = [text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…" for text in texts]
    return [["*" if len(set(texts)) > 1 else " ", name, *cut]] if set(texts) != {"-"} else []
