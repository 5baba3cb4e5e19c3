"""`plan`: what the operator would call now if the manifests were applied, or for an object as it is in the cluster.

Reads cluster and AWS, writes to neither.
"""

from __future__ import annotations

import argparse
import asyncio
import difflib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from sagemaker_gitops.cli.cluster import NAMESPACED, Cluster, FilesOverCluster, as_snapshot, connect, named
from sagemaker_gitops.cli.errors import FINDINGS, USAGE, CommandError
from sagemaker_gitops.cli.files import SUFFIXES, Manifest, in_namespace, load, of_kind
from sagemaker_gitops.cli.offline import frame_findings
from sagemaker_gitops.cli.operator_view import clients, kinds
from sagemaker_gitops.cli.output import add_output, show
from sagemaker_gitops.core.actions import AwsRequest
from sagemaker_gitops.core.errors import AwsFailure, InvalidResource
from sagemaker_gitops.core.plan import Plan
from sagemaker_gitops.core.resource import Key, Snapshot
from sagemaker_gitops.runtime.ports import Kind


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "given",
        nargs="+",
        metavar="PATH|NAME",
        help="file, folder, kustomization, - (stdin); or NAME (of a TrainingRun) or KIND/NAME in the cluster",
    )
    parser.add_argument("-n", "--namespace", default="", help="of names, and of manifests that name none (default: the context's)")
    parser.add_argument("--context", default="", help="context of the kubeconfig (default: the current one)")
    parser.add_argument("--install-id", default="", help="the operator's SAGEMAKER_GITOPS_INSTALL_ID, which is part of every name")
    add_output(parser)


def run(options: argparse.Namespace) -> int:
    manifests = load(item for item in options.given if _is_path(item))
    names = [named(item) for item in options.given if not _is_path(item)]
    if not names and not any(of_kind(manifests, kind) for kind in NAMESPACED):
        raise CommandError(f"there is no {' and no '.join(NAMESPACED)} in what was given")
    try:
        planned = asyncio.run(_plans(manifests, names, options))
    except AwsFailure as error:
        raise CommandError(f"AWS: {error}") from error
    show(options.output, planned, "\n\n".join(map(_text, planned)))
    return FINDINGS if any(item.get("findings") for item in planned) else 0


def _is_path(text: str) -> bool:
    """A file of that name in this folder goes first."""
    return text == "-" or text.endswith(SUFFIXES) or Path(text).exists() or ("/" in text and named(text)[0] not in NAMESPACED)


async def _plans(given: list[Manifest], names: list[tuple[str, str]], options: argparse.Namespace) -> list[dict[str, Any]]:
    aws, settings = clients(options.install_id)
    cluster = connect(options.context)
    namespace = options.namespace or cluster.namespace
    manifests = in_namespace(given, namespace)
    try:
        references = FilesOverCluster(cluster, manifests)
        await references.read()
        eyes = kinds(aws, settings, references)
        planned = [await _applied(eyes[kind], cluster, manifest) for kind in NAMESPACED for manifest in of_kind(manifests, kind)]
        return planned + [await _as_it_is(eyes[kind], cluster, Key(kind, namespace, name)) for kind, name in names]
    finally:
        await cluster.session.close()
        aws.close()


async def _applied(eyes: Kind, cluster: Cluster, manifest: Manifest) -> dict[str, Any]:
    if findings := frame_findings(manifest):
        return {"object": str(manifest.key), "findings": [str(finding) for finding in findings]}
    live = await cluster.get(manifest.key)
    return await _planned(eyes, live, as_snapshot(manifest, live))


async def _as_it_is(eyes: Kind, cluster: Cluster, key: Key) -> dict[str, Any]:
    live = await cluster.get(key)
    if live is None:
        where = f"no {key.kind} {key.name} in namespace {key.namespace}"
        raise CommandError(f"there is no file {key.name} here, and {where} (-n names another)", USAGE)
    return await _planned(eyes, live, live)


async def _planned(eyes: Kind, live: Snapshot | None, wanted: Snapshot) -> dict[str, Any]:
    now = datetime.now(UTC)
    try:
        resource = eyes.parse(wanted)
    except InvalidResource as error:
        return {"object": str(wanted.key), "findings": [str(finding) for finding in error.findings]}
    facts = await eyes.observe(wanted, resource, now)
    return {"object": str(wanted.key), "diff": _diff(live, wanted)} | _described(eyes.plan(wanted, resource, facts, now))


def _described(made: Plan) -> dict[str, Any]:
    status = made.status
    why: dict[str, Any] = next((item for item in status.get("conditions", ()) if item["type"] == "Ready"), {})
    return {
        "phase": status.get("phase", ""),
        "reason": why.get("reason", ""),
        "message": why.get("message", ""),
        "steps": [_step(step, {item.subject for item in made.actions if isinstance(item, AwsRequest)}) for step in status.get("steps", ())],
        "calls": [f"{item.service}:{item.operation} {item.subject}" for item in made.actions if isinstance(item, AwsRequest)],
    }


def _step(step: Mapping[str, Any], called: set[str]) -> dict[str, str]:
    """`what` becomes of it: reused when AWS has it already, "would run" when it starts now, "runs later" when it waits for others."""
    name = step.get("awsName", "")
    what = {"Pending": "runs later", "InProgress": "runs already", "Succeeded": "reused", "Skipped": "not needed"}.get(
        step["state"], "ended"
    )
    return {"name": step["name"], "what": "would run" if name and name in called else what, "state": step["state"], "awsName": name}


def _diff(live: Snapshot | None, wanted: Snapshot) -> str:
    before = yaml.safe_dump(dict(live.spec), sort_keys=True).splitlines() if live else []
    after = yaml.safe_dump(dict(wanted.spec), sort_keys=True).splitlines()
    return "\n".join(difflib.unified_diff(before, after, "live", "wanted", lineterm="", n=1)) if live else ""


def _text(item: dict[str, Any]) -> str:
    if item.get("findings"):
        return "\n".join([item["object"], *(f"  {finding}" for finding in item["findings"])])
    lines = [f"{item['object']}: {item['phase']} ({item['reason']}) {item['message']}"]
    width = max((9, *(len(step["name"]) for step in item["steps"])))
    lines += [f"  {step['name']:<{width}} {step['what']:<12} {step['state']:<11} {step['awsName']}".rstrip() for step in item["steps"]]
    lines += [f"  would call {call}" for call in item["calls"]] or ["  would call nothing"]
    return "\n".join(lines + ([item["diff"]] if item["diff"] else []))
