"""`demo-gitops`: a real Argo CD, two git repositories, and from then on nothing but commits."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

from sagemaker_gitops.cli.gitops_sandbox import GitOpsSandbox
from sagemaker_gitops.cli.gitops_story import REST_SECONDS, STEPS, Seen, Story
from sagemaker_gitops.cli.output import add_output, show
from sagemaker_gitops.cli.progress import say
from sagemaker_gitops.cli.sandbox import NAMESPACE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--folder", type=Path, help="keep logs, clones and state here (default: a temporary folder)")
    parser.add_argument(
        "--rest", type=float, default=REST_SECONDS, metavar="SECONDS", help="how long nothing may be written (default: %(default)g)"
    )
    add_output(parser)


def run(options: argparse.Namespace) -> int:
    say("A sandbox, and Argo CD syncs the platform from git: CRDs, rights, tenant")
    told: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="sagemaker-gitops-") as temporary, GitOpsSandbox(options.folder or Path(temporary)) as sandbox:
        story = Story(sandbox, options.rest)
        for number, (title, step) in enumerate(STEPS, 1):
            say(f"{number}. {title}")
            started = time.monotonic()
            seen = step(story)
            say(f"    {time.monotonic() - started:.1f} s")
            _tell(seen)
            told.append({"step": title, "health": seen.healths, "created": dict(seen.created), **seen.facts})
        table = sandbox.kubectl("get", "tr,mep", "-n", NAMESPACE).rstrip()
    show(options.output, {"steps": told}, table)
    say("\nAll of it held. argocd/README.md says how to install the same on a cluster of your own.")
    return 0


def _tell(seen: Seen) -> None:
    if seen.healths:
        say(f"    Application team-a: {' -> '.join(seen.healths)}")
    for (kind, name), (health, message) in seen.state.resources.items():
        say(f"    {kind}/{name} {health}: {message[:200]}")
    created = ", ".join(f"{count} {operation}" for operation, count in sorted(seen.created.items()))
    say(f"    created at AWS: {created or 'nothing'}")
    for name in ("asked", "comparisons", "writes"):
        if name in seen.facts:
            say(f"    {name}: {seen.facts[name]}")
