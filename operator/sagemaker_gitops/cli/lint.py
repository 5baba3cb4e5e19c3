"""`lint`: the operator's own checks on files, in the operator's own words. Exit code 1 when there is something to mend."""

from __future__ import annotations

import argparse

from sagemaker_gitops.aws.requests import validate
from sagemaker_gitops.cli.errors import FINDINGS, CommandError
from sagemaker_gitops.cli.files import load, of_kind
from sagemaker_gitops.cli.offline import examine, lint_tenant, unserved
from sagemaker_gitops.cli.output import add_output, show
from sagemaker_gitops.cli.progress import say
from sagemaker_gitops.core.actions import AwsRequest
from sagemaker_gitops.core.errors import Finding
from sagemaker_gitops.core.kinds.training_run.preview import preview
from sagemaker_gitops.core.kinds.training_run.run import Run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", metavar="PATH", help="file, folder, kustomization, or - for stdin")
    add_output(parser)


def run(options: argparse.Namespace) -> int:
    manifests = load(options.paths)
    rows = [_row(manifest.origin, str(manifest.key), finding) for manifest in manifests if (finding := unserved(manifest))]
    checked = len(of_kind(manifests, "Tenant")) + len(of_kind(manifests, "TrainingRun")) + len(rows)
    if not checked:
        raise CommandError("there is no TrainingRun and no Tenant in what was given")
    for manifest in of_kind(manifests, "Tenant"):
        rows += [_row(manifest.origin, str(manifest.key), finding) for finding in lint_tenant(manifest)]
    for manifest in of_kind(manifests, "TrainingRun"):
        examined = examine(manifest, manifests)
        for note in examined.notes:
            say(f"note: {manifest.key}: {note}")
        findings = (*examined.findings, *(request_findings(examined.run) if examined.run else ()))
        rows += [_row(manifest.origin, str(manifest.key), finding) for finding in findings]
    show(options.output, rows, "\n".join(f"{row['file']}: {row['object']}: {row['path']}: {row['message']}" for row in rows))
    say(f"{checked} checked, {len(rows)} to mend")
    return FINDINGS if rows else 0


def request_findings(run: Run) -> tuple[Finding, ...]:
    """What AWS's own model says about every request of the run."""
    return tuple(
        Finding(f"{step}: {action.operation}.{finding.path}", finding.message)
        for step, action in preview(run)
        if isinstance(action, AwsRequest)
        for finding in validate(action.service, action.operation, action.parameters)
    )


def _row(file: str, key: str, finding: Finding) -> dict[str, str]:
    return {"file": file, "object": key, "path": finding.path, "message": finding.message}
