"""`lint`: the operator's own checks on files, in the operator's own words. Exit code 1 when there is something to mend."""

from __future__ import annotations

import argparse

from sagemaker_gitops.api.kinds import KINDS
from sagemaker_gitops.aws.kinds.training_run import request_findings
from sagemaker_gitops.cli.errors import FINDINGS, CommandError
from sagemaker_gitops.cli.files import load, of_kind
from sagemaker_gitops.cli.offline import examine, lint_endpoint, lint_policy, lint_tenant, unserved
from sagemaker_gitops.cli.output import add_output, show
from sagemaker_gitops.cli.progress import say
from sagemaker_gitops.core.errors import Finding


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", metavar="PATH", help="file, folder, kustomization, or - for stdin")
    add_output(parser)


def run(options: argparse.Namespace) -> int:
    manifests = load(options.paths)
    rows = [_row(manifest.origin, str(manifest.key), finding) for manifest in manifests if (finding := unserved(manifest))]
    checked = sum(len(of_kind(manifests, kind)) for kind in KINDS) + len(rows)
    if not checked:
        raise CommandError(f"there is no {', no '.join(list(KINDS)[:-1])} and no {list(KINDS)[-1]} in what was given")
    for manifest in of_kind(manifests, "Tenant"):
        rows += [_row(manifest.origin, str(manifest.key), finding) for finding in lint_tenant(manifest)]
    for manifest in of_kind(manifests, "TrainingRun"):
        examined = examine(manifest, manifests)
        for note in examined.notes:
            say(f"note: {manifest.key}: {note}")
        findings = (*examined.findings, *(request_findings(examined.run) if examined.run else ()))
        rows += [_row(manifest.origin, str(manifest.key), finding) for finding in findings]
    for manifest in of_kind(manifests, "ModelEndpoint"):
        rows += [_row(manifest.origin, str(manifest.key), finding) for finding in lint_endpoint(manifest, manifests)]
    for manifest in of_kind(manifests, "MonitorPolicy"):
        rows += [_row(manifest.origin, str(manifest.key), finding) for finding in lint_policy(manifest, manifests)]
    show(options.output, rows, "\n".join(f"{row['file']}: {row['object']}: {row['path']}: {row['message']}" for row in rows))
    say(f"{checked} checked, {len(rows)} to mend")
    return FINDINGS if rows else 0


def _row(file: str, key: str, finding: Finding) -> dict[str, str]:
    return {"file": file, "object": key, "path": finding.path, "message": finding.message}
