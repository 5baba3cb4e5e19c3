"""`logs`: what a step's job wrote, from CloudWatch Logs; -f stays until the run has ended.

A log can go on for ever, so -o json prints one object a line and -o yaml one list entry a line.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Mapping
from typing import Any

from sagemaker_gitops.aws.kinds.bindings import binding_of
from sagemaker_gitops.aws.kinds.training_run import scope_of
from sagemaker_gitops.aws.logs import follow
from sagemaker_gitops.cli.cluster import Cluster, FilesOverCluster, connect
from sagemaker_gitops.cli.errors import USAGE, CommandError
from sagemaker_gitops.cli.operator_view import clients
from sagemaker_gitops.cli.output import add_output
from sagemaker_gitops.cli.progress import say
from sagemaker_gitops.core.errors import AwsFailure
from sagemaker_gitops.core.kinds.training_run.situation import TERMINAL_PHASES
from sagemaker_gitops.core.resource import Key, Snapshot
from sagemaker_gitops.core.tenancy import Binding, Bound

PAUSE = 2.0  # seconds between two looks with -f
RUN_ENDS = (*TERMINAL_PHASES, "Invalid")
STEP_ENDS = ("Succeeded", "Failed", "Stopped")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="the TrainingRun")
    parser.add_argument("-n", "--namespace", default="", help="default: the context's")
    parser.add_argument("--step", help="prepare, train or evaluate (default: the one that runs or ran last)")
    parser.add_argument("-f", "--follow", action="store_true", help="stay until the run has ended")
    parser.add_argument("--context", default="", help="context of the kubeconfig (default: the current one)")
    parser.add_argument("--install-id", default="logs", help=argparse.SUPPRESS)
    add_output(parser)


def run(options: argparse.Namespace) -> int:
    try:
        asyncio.run(_show(options))
    except AwsFailure as error:
        raise CommandError(f"AWS: {error}") from error
    return 0


async def _show(options: argparse.Namespace) -> None:
    aws, _ = clients(options.install_id)
    cluster = connect(options.context)
    key = Key("TrainingRun", options.namespace or cluster.namespace, options.name)
    seen: dict[str, int] = {}
    try:
        references = FilesOverCluster(cluster)
        await references.read()
        snapshot = await _object(cluster, key)
        binding = _bound(binding_of(references, key.namespace), key.namespace)
        while True:
            due = _due(snapshot, options.step, seen)
            for step in due:
                await _print_new(aws, scope_of(binding.spec, key), step, seen, options.output)
            if _ended(snapshot, options.step, due) or not options.follow:
                break
            await asyncio.sleep(PAUSE)
            snapshot = await _object(cluster, key)
        if not due:
            raise CommandError(_nothing(snapshot, options.step))
    finally:
        await cluster.session.close()
        aws.close()


async def _object(cluster: Cluster, key: Key) -> Snapshot:
    snapshot = await cluster.get(key)
    if snapshot is None:
        raise CommandError(f"there is no TrainingRun {key.name} in namespace {key.namespace} (-n names another)", USAGE)
    return snapshot


def _bound(binding: Binding, namespace: str) -> Bound:
    if isinstance(binding, Bound):
        return binding
    if binding.candidates:
        raise CommandError(f"namespace {namespace} is named by more than one Tenant ({', '.join(binding.candidates)})")
    raise CommandError(f"no Tenant names namespace {namespace}")


async def _print_new(aws: Any, scope: Any, step: dict[str, Any], seen: dict[str, int], output: str) -> None:
    """What the step's log holds beyond what was printed already."""
    name, count = step["awsName"], 0
    if name not in seen and output == "text":
        say(f"==> {step['name']}: {name}")
    async for line in follow(aws, scope, step["type"], name, step.get("runId", "")):
        count += 1
        if count > seen.get(name, 0):
            print(_formed(step["name"], line, output), flush=True)
    seen[name] = max(count, seen.get(name, 0))


def _formed(step: str, line: str, output: str) -> str:
    if output == "text":
        return line
    made = json.dumps({"step": step, "line": line}, ensure_ascii=False)
    return made if output == "json" else f"- {made}"


def _with_job(snapshot: Snapshot) -> list[dict[str, Any]]:
    return [dict(step) for step in snapshot.status.get("steps") or () if step.get("awsName")]


def _due(snapshot: Snapshot, wanted: str | None, seen: Mapping[str, int]) -> list[dict[str, Any]]:
    """The step asked for; else the last that has a job and, of what is being followed, also those before: their ends may be unread."""
    steps = _with_job(snapshot)
    if wanted is not None:
        return [step for step in steps if step["name"] == wanted]
    first = next((place for place, step in enumerate(steps) if step["awsName"] in seen), len(steps) - 1)
    return steps[max(first, 0) :]


def _ended(snapshot: Snapshot, wanted: str | None, due: list[dict[str, Any]]) -> bool:
    """Whether nothing more will be written: seen before the lines were read that `due` stands for."""
    over = wanted is not None and any(step["state"] in STEP_ENDS for step in due)
    return over or snapshot.status.get("phase") in RUN_ENDS


def _nothing(snapshot: Snapshot, wanted: str | None) -> str:
    named = ", ".join(step["name"] for step in _with_job(snapshot)) or "none yet"
    return f"step {wanted} has no job; steps with one: {named}" if wanted else "no step has a job yet: -f waits for one"
