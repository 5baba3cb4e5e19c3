"""`render`: the exact AWS requests of TrainingRuns, ModelEndpoints and MonitorPolicies, in order, from the operator's own code."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import yaml

from sagemaker_gitops.cli.errors import FINDINGS, CommandError
from sagemaker_gitops.cli.files import Manifest, load, of_kind
from sagemaker_gitops.cli.offline import endpoint_requests, examine, lint_endpoint, lint_policy, policy_requests
from sagemaker_gitops.cli.output import add_output, show
from sagemaker_gitops.cli.progress import say
from sagemaker_gitops.core.actions import Action, AwsRequest
from sagemaker_gitops.core.errors import Finding
from sagemaker_gitops.core.kinds.training_run.preview import preview
from sagemaker_gitops.core.kinds.training_run.run import EVALUATE_CHAMPION


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", metavar="PATH", help="file, folder, kustomization, or - for stdin; the Tenant among them")
    add_output(parser)


def run(options: argparse.Namespace) -> int:
    manifests = load(options.paths)
    runs, endpoints, policies = (of_kind(manifests, kind) for kind in ("TrainingRun", "ModelEndpoint", "MonitorPolicy"))
    if not runs and not endpoints and not policies:
        raise CommandError("there is no TrainingRun, no ModelEndpoint and no MonitorPolicy in what was given")
    rendered = [entry for manifest in runs for entry in _rendered(manifest, manifests)]
    rendered += [entry for manifest in endpoints for entry in _served(manifest, manifests)]
    rendered += [entry for manifest in policies for entry in _watched(manifest, manifests)]
    say("note: hashes in names stand for what only S3 and the registry know; the operator's names will differ")
    if any(entry["step"] == EVALUATE_CHAMPION for entry in rendered):
        say("note: the archive of the champion is known when the gates are judged; artifactPrefix/champion/model.tar.gz stands for it")
    show(options.output, rendered, yaml.safe_dump_all(rendered, sort_keys=False, width=140).rstrip())
    return 0


def _rendered(manifest: Manifest, manifests: list[Manifest]) -> list[dict[str, Any]]:
    examined = examine(manifest, manifests)
    if examined.findings:
        for finding in examined.findings:
            say(f"{manifest.origin}: {manifest.key}: {finding}")
        raise CommandError("mend these first", FINDINGS)
    if examined.run is None:
        raise CommandError(f"{manifest.key}: {'; '.join(examined.notes)}; give the Tenant's file too")
    return [{"run": str(manifest.key), "step": step} | _described(action) for step, action in preview(examined.run)]


def _served(manifest: Manifest, manifests: list[Manifest]) -> list[dict[str, Any]]:
    findings = lint_endpoint(manifest, manifests)
    return _requests("endpoint", manifest, findings, endpoint_requests(manifest, manifests) if not findings else ())


def _watched(manifest: Manifest, manifests: list[Manifest]) -> list[dict[str, Any]]:
    findings = lint_policy(manifest, manifests)
    return _requests("policy", manifest, findings, policy_requests(manifest, manifests) if not findings else ())


def _requests(
    kind: str, manifest: Manifest, findings: Sequence[Finding], requests: Sequence[tuple[str, Action]] | None
) -> list[dict[str, Any]]:
    for finding in findings:
        say(f"{manifest.origin}: {manifest.key}: {finding}")
    if findings:
        raise CommandError("mend these first", FINDINGS)
    if requests is None:
        raise CommandError(f"{manifest.key}: which Tenant names its namespace is not known; give the Tenant's file too")
    return [{kind: str(manifest.key), "step": step} | _described(request) for step, request in requests]


def _described(action: Action) -> dict[str, Any]:
    if isinstance(action, AwsRequest):
        return {"call": f"{action.service}:{action.operation}", "parameters": dict(action.parameters)}
    return {"call": "s3:PutObject", "parameters": {"Uri": action.uri, "Files": sorted(action.files)}}
