"""`demo`: from an empty machine to a trained, gated and registered model, proof that nothing is ever done twice, and the whole loop."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sagemaker_gitops.cli.demo_endpoint import serve
from sagemaker_gitops.cli.demo_monitoring import Loop
from sagemaker_gitops.cli.demo_rollout import roll_out
from sagemaker_gitops.cli.errors import CommandError
from sagemaker_gitops.cli.ledger import Ledger
from sagemaker_gitops.cli.local_account import ACCOUNT
from sagemaker_gitops.cli.local_clock import speed
from sagemaker_gitops.cli.output import add_output, show
from sagemaker_gitops.cli.progress import doing, say
from sagemaker_gitops.cli.sandbox import NAMESPACE, ROOT, Sandbox

SAMPLE = ROOT / "manifests" / "samples" / "digits"
NAME = "digits"
LEAST_ACCURACY = 0.95
RUN_SECONDS = 180.0
TERMINAL = ("Succeeded", "Failed", "GateRejected", "Stopped", "Invalid")
ROLE = f"arn:aws:iam::{ACCOUNT}:role/sagemaker-gitops-team-a"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--folder", type=Path, help="keep logs and state here (default: a temporary folder)")
    words = (
        "how much faster than the wall time passes for the local AWS and the operator, 1 to 4 (default: 1); jobs take the time they take"
    )
    parser.add_argument("--speed", type=speed, default=1.0, help=words)
    add_output(parser)


def run(options: argparse.Namespace) -> int:
    say("1. A sandbox: Kubernetes API server, local AWS, operator")
    with (
        tempfile.TemporaryDirectory(prefix="sagemaker-gitops-") as temporary,
        Sandbox(options.folder or Path(temporary), speed=options.speed) as sandbox,
    ):
        ledger = Ledger(sandbox.aws_url, ROLE)
        say("2. A data scientist's commit: code and TrainingRun, applied")
        first = _train(sandbox)
        _show(sandbox, first, ledger, options.output)
        say("3. The same again, in every way that clusters know: nothing new may be created")
        created = _repeat(sandbox, ledger)
        loop = Loop(sandbox, ledger)
        say("4. A forecast: trained, approved, served, watched by a MonitorPolicy; then the world changes its pace")
        loop.serve()
        with loop.drifting():
            say("5. Meanwhile a new hyperparameter of the digits: one training, and no second preparation of the data")
            created |= _edit(sandbox, ledger)
            say("6. Both models behind one endpoint: approval, split, and shares that cost nothing to change")
            served = serve(sandbox, ledger)
            say("7. A canary that an alarm stops, then one that goes through; a client asks all the while")
            served |= roll_out(sandbox, lambda trees: _retrain(sandbox, trees))
        say("8. Three breaches in a row: one retrain, a better model, a person's approval, a check that passes")
        loop.retrain()
        loop.close()
        say("  What the loop created at AWS:")
        watched = {"losses": loop.losses, "created": loop.created()}
        picture = sandbox.folder / "fees.png"
        loop.picture(picture)
        if options.folder:
            say(f"    threshold, loss and retrain as a picture: {picture}")
        table = sandbox.kubectl("get", "tr,mep,mp", "-n", NAMESPACE).rstrip()
    shown = {
        "metric": first["status"]["metric"],
        "model": first["status"]["model"],
        "created": created,
        "served": served,
        "watched": watched,
    }
    show(options.output, shown, table)
    say("\nAll of it held. To go on: `make sandbox` keeps one running; manifests/samples has what was applied.")
    return 0


def _train(sandbox: Sandbox) -> dict[str, Any]:
    with doing("scikit-learn's digits to s3://team-a-ml/raw/digits/"):
        command = [sys.executable, str(SAMPLE / "upload.py"), "s3://team-a-ml/raw/digits/"]
        subprocess.run(command, env={**os.environ, **sandbox.environment()}, check=True, stdout=subprocess.DEVNULL)
    with doing("kubectl apply -k manifests/samples/digits"):
        sandbox.kubectl("apply", "-k", str(SAMPLE))
    return _follow(sandbox)


def _follow(sandbox: Sandbox, *, tell: bool = True) -> dict[str, Any]:
    """Report each step as it changes, if asked to, until the run has ended; CommandError unless it succeeded."""
    told: dict[str, str] = {}
    deadline = time.monotonic() + RUN_SECONDS
    while time.monotonic() < deadline:
        found = sandbox.get("trainingrun", NAME)
        status = found.get("status", {})
        for step in status.get("steps", ()):
            if tell and told.get(step["name"], "Pending") != step["state"]:
                told[step["name"]] = step["state"]
                say(f"    {step['name']:<9} {step['state']:<11} {step.get('awsName', step.get('message', ''))}")
        if status.get("phase") in TERMINAL and status.get("observedGeneration") == found["metadata"]["generation"]:
            if status["phase"] != "Succeeded":
                raise CommandError(f"the run ended as {status['phase']}: {status.get('failure') or status.get('conditions')}")
            return found
        time.sleep(0.2)
    raise CommandError(
        f"the run did not end within {RUN_SECONDS:.0f} s: {sandbox.kubectl('get', 'tr', NAME, '-n', NAMESPACE, '-o', 'yaml')}"
    )


def _show(sandbox: Sandbox, found: dict[str, Any], ledger: Ledger, output: str) -> None:
    accuracy = float(found["status"]["metric"].partition("=")[2])
    if accuracy < LEAST_ACCURACY:
        raise CommandError(f"accuracy on the test data is {accuracy}, less than {LEAST_ACCURACY}")
    if output == "text":
        print(sandbox.kubectl("get", "tr", "-n", NAMESPACE), end="", flush=True)
    say("  What AWS was asked for on this run's behalf (the local AWS's ledger):")
    for operation, count in sorted(ledger.calls().items()):
        say(f"    {count:>3}  {operation}")


def _repeat(sandbox: Sandbox, ledger: Ledger) -> dict[str, Counter[str]]:
    """What each way of doing the same again created: nothing."""

    def replace() -> None:
        sandbox.kubectl("replace", "-f", "-", stdin=sandbox.kubectl("kustomize", str(SAMPLE)))

    def delete_and_apply() -> None:
        sandbox.kubectl("delete", "tr", NAME, "-n", NAMESPACE, "--timeout=60s")
        sandbox.kubectl("apply", "-k", str(SAMPLE))

    def rebuild() -> None:
        sandbox.rebuild_cluster()
        sandbox.kubectl("apply", "-k", str(SAMPLE))

    ways: dict[str, Callable[[], object]] = {
        "kubectl apply": lambda: sandbox.kubectl("apply", "-k", str(SAMPLE)),
        "kubectl replace": replace,
        "operator restarted": sandbox.restart_operator,
        "TrainingRun deleted and applied": delete_and_apply,
        "cluster rebuilt from an empty etcd": rebuild,
        "a label edited": lambda: sandbox.kubectl("label", "tr", NAME, "-n", NAMESPACE, "team=vision"),
    }
    return {what: _expect(sandbox, ledger, what, work, Counter()) for what, work in ways.items()}


def _set(sandbox: Sandbox, **hyperparameters: int) -> None:
    patch = {"spec": {"train": {"hyperparameters": hyperparameters}}}
    sandbox.kubectl("patch", "tr", NAME, "-n", NAMESPACE, "--type=merge", "-p", json.dumps(patch))


def _retrain(sandbox: Sandbox, trees: int) -> str:
    """Another version of the model, as good as what serves: group/version."""
    _set(sandbox, n_estimators=trees, random_state=7)
    model: str = _follow(sandbox, tell=False)["status"]["model"]
    return model


def _edit(sandbox: Sandbox, ledger: Ledger) -> dict[str, Counter[str]]:
    wanted = Counter({"sagemaker:CreateTrainingJob": 1, "sagemaker:CreateProcessingJob": 1, "sagemaker:CreateModelPackage": 1})
    return {"n_estimators: 120": _expect(sandbox, ledger, "n_estimators: 120", lambda: _set(sandbox, n_estimators=120), wanted)}


def _expect(sandbox: Sandbox, ledger: Ledger, what: str, work: Callable[[], object], wanted: Counter[str]) -> Counter[str]:
    """Do it, wait until the run is at rest again, and compare the accepted creating calls with what may be."""
    before = ledger.position()
    work()
    _follow(sandbox, tell=False)
    created = ledger.created(before, NAME)
    shown = ", ".join(f"{count} {operation}" for operation, count in sorted(created.items())) or "0 created"
    say(f"    {what:<38} {shown}")
    if created != wanted:
        raise CommandError(f"{what}: {dict(created)} were created, {dict(wanted)} may be")
    return created
