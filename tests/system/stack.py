"""What the system tests share: one sandbox per session, small runs, and the oracles (ledger, audit log, end state).

The oracles are never the operator's own log.
"""

from __future__ import annotations

import json
import time
import urllib.request
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local_cluster.audit import AuditEvent, read_audit_log
from sagemaker_gitops.cli.ledger import Ledger
from sagemaker_gitops.cli.local_account import ACCOUNT, client
from sagemaker_gitops.cli.sandbox import NAMESPACE, Sandbox

ROLE = f"arn:aws:iam::{ACCOUNT}:role/sagemaker-gitops-team-a"
OPERATOR_USER = "operator"
TERMINAL = ("Succeeded", "Failed", "GateRejected", "Stopped", "Invalid")

TRAIN = """
import os, pathlib
pathlib.Path(os.environ["SM_MODEL_DIR"], "model.txt").write_text("model")
print("validation_accuracy=0.9;")
"""
EVALUATE = """
import json, pathlib
folder = pathlib.Path("/opt/ml/processing/output/evaluation")
for name in ("statistics.json", "constraints.json", "baseline.json"):
    (folder / name).write_text("{}")
(folder / "evaluation.json").write_text(json.dumps({"accuracy": 0.9}))
"""
PREPARE = """
import argparse, boto3
parser = argparse.ArgumentParser()
parser.add_argument("--raw"), parser.add_argument("--output-train")
options, _ = parser.parse_known_args()
bucket, _, key = options.output_train.removeprefix("s3://").partition("/")
boto3.client("s3").put_object(Bucket=bucket, Key=key + "data.csv", Body=b"1,2\\n")
"""


@dataclass(slots=True)
class Stack:
    """A running sandbox with the names that a test needs made unique, so that tests share it."""

    sandbox: Sandbox
    ledger: Ledger = field(init=False)

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.sandbox.aws_url, ROLE)

    def data(self) -> str:
        """An input prefix of its own with one object."""
        prefix = f"raw/{uuid.uuid4().hex[:8]}/"
        client(self.sandbox.aws_url, "s3").put_object(Bucket="team-a-ml", Key=f"{prefix}data.csv", Body=b"0,1,2\n")
        return f"s3://team-a-ml/{prefix}"

    def run(self, name: str, *, files: Mapping[str, str] | None = None, **spec: Any) -> dict[str, Any]:
        """Apply a ConfigMap `<name>-code` and a TrainingRun; the smallest valid one unless `spec` says more. Returns the manifest."""
        code: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": self._metadata(f"{name}-code"),
            "data": files or {"train.py": TRAIN},
        }
        code["metadata"]["labels"] = {"sagemaker-gitops.dev/source": "true"}
        made = {
            "apiVersion": "sagemaker-gitops.dev/v1alpha1",
            "kind": "TrainingRun",
            "metadata": self._metadata(name),
            "spec": smallest(f"{name}-code", spec.pop("uri", None) or self.data()) | spec,
        }
        self.apply(code, made)
        return made

    def apply(self, *manifests: Mapping[str, Any]) -> None:
        self.sandbox.kubectl("apply", "-f", "-", stdin="\n---\n".join(json.dumps(item) for item in manifests))

    def get(self, name: str) -> dict[str, Any]:
        return self.sandbox.get("trainingrun", name)

    def status(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.get(name).get("status", {})
        return found

    def delete(self, name: str, *, wait: bool = True) -> None:
        self.sandbox.kubectl("delete", "tr", name, "-n", NAMESPACE, f"--wait={'true' if wait else 'false'}", "--timeout=90s")

    def until(self, name: str, holds: Callable[[dict[str, Any]], bool], seconds: float = 60.0) -> dict[str, Any]:
        """The object once its status holds what is asked; AssertionError with the status when it never does."""
        deadline = time.monotonic() + seconds
        while True:
            found = self.get(name)
            status = found.get("status", {})
            if status.get("observedGeneration") == found["metadata"]["generation"] and holds(status):
                return found
            assert time.monotonic() < deadline, json.dumps(status, indent=1)
            time.sleep(0.1)

    def ended(self, name: str, seconds: float = 90.0) -> dict[str, Any]:
        """The status of a run that has come to its end."""
        status: dict[str, Any] = self.until(name, lambda status: status.get("phase") in TERMINAL, seconds)["status"]
        return status

    def created_by(self, work: Callable[[], object]) -> Counter[str]:
        """Accepted creating calls of the tenant's role while `work` ran."""
        before = self.ledger.position()
        work()
        return self.ledger.created(before)

    def calls_for(self, name: str) -> list[str]:
        """Every AWS call made for one object, by the session tag that says so."""
        with urllib.request.urlopen(f"{self.sandbox.aws_url}/_local/ledger?limit=1000000", timeout=30) as response:
            entries = json.load(response)["entries"]
        return [entry["operation"] for entry in entries if entry["sessionTags"].get("name") == name]

    def wait_for_call(self, name: str, operation: str, seconds: float = 30.0) -> None:
        """Until AWS has been asked for `operation` on behalf of the object: its status says so a moment before."""
        deadline = time.monotonic() + seconds
        while operation not in self.calls_for(name):
            assert time.monotonic() < deadline, f"{operation} was not called for {name}"
            time.sleep(0.1)

    def operator_writes(self, name: str) -> list[AuditEvent]:
        """The operator's own writes to one TrainingRun, from the API server's audit log."""
        return [
            event
            for event in read_audit_log(self.sandbox.kubeconfig.parent / "audit.log")
            if event.user == OPERATOR_USER and event.verb in ("create", "update", "patch", "delete") and event.name == name
        ]

    def _metadata(self, name: str) -> dict[str, Any]:
        return {"name": name, "namespace": NAMESPACE}


def smallest(code: str, uri: str) -> dict[str, Any]:
    """The smallest valid spec: source, one input, train."""
    return {
        "source": {"configMapRef": {"name": code}},
        "inputs": [{"name": "raw", "s3Uri": uri, "contentType": "text/csv"}],
        "train": {"framework": {"name": "sklearn", "version": "1.2-1"}, "entryPoint": "train.py", "channels": ["raw"]},
    }


def condition(status: Mapping[str, Any], type_: str) -> dict[str, Any]:
    """One condition, or an empty one."""
    return next((dict(item) for item in status.get("conditions", ()) if item["type"] == type_), {})


def folder_for(root: Path) -> Path:
    return root / "sandbox"
