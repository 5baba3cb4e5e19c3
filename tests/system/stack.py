"""What the system tests share: one sandbox per session, small runs, and the oracles (ledger, audit log, end state).

The oracles are never the operator's own log.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from local_aws.client import AdminClient
from local_cluster.audit import AuditEvent, read_audit_log
from sagemaker_gitops.cli.ledger import Ledger
from sagemaker_gitops.cli.local_account import ACCOUNT, client
from sagemaker_gitops.cli.sandbox import NAMESPACE, Sandbox
from tests.system.api_server import ApiServer

ROLE = f"arn:aws:iam::{ACCOUNT}:role/sagemaker-gitops-team-a"
OPERATOR_USER = "operator"
AS_OPERATOR = {"AWS_ACCESS_KEY_ID": "LOCALOPERATOR", "SAGEMAKER_GITOPS_INSTALL_ID": "sandbox"}
ANNOTATION = "sagemaker-gitops.dev"
SKLEARN = {"name": "sklearn", "version": "1.2-1"}
# Asked by interval for all objects of a role at once (aws/drift.py, approvals.py, idle.py): such a call carries the name of any of them.
SWEEPS = ("ListModelPackages", "ListEndpoints", "DescribeScalableTargets", "DescribeScalingPolicies", "DescribeAlarms", "GetMetricData")
# What the operator asks of endpoints that serve, by interval and for ever: other tests of the session leave some.
WATCHES = (*SWEEPS, "ListTags")
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
    namespace: str = NAMESPACE
    role: str = ROLE
    ledger: Ledger = field(init=False)

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.sandbox.aws_url, self.role)

    @property
    def aws(self) -> AdminClient:
        """The local AWS's admin API: faults, denials, ledger."""
        return AdminClient(self.sandbox.aws_url)

    def client(self, service: str) -> Any:
        """A boto3 client as the account's administrator."""
        return client(self.sandbox.aws_url, service)

    def data(self) -> str:
        """An input prefix of its own with one object."""
        prefix = f"raw/{uuid.uuid4().hex[:8]}/"
        self.client("s3").put_object(Bucket="team-a-ml", Key=f"{prefix}data.csv", Body=b"0,1,2\n")
        return f"s3://team-a-ml/{prefix}"

    def run(self, name: str, *, files: Mapping[str, str] | None = None, **spec: Any) -> dict[str, Any]:
        """Apply a ConfigMap `<name>-code` and a TrainingRun; the smallest valid one unless `spec` says more. Returns the manifest."""
        made = self.manifest(name, **spec)
        self.apply(self.code(f"{name}-code", files or {"train.py": TRAIN}), made)
        return made

    def manifest(self, name: str, **spec: Any) -> dict[str, Any]:
        """A TrainingRun of the ConfigMap `<name>-code`; `uri` names its data, else it gets data of its own."""
        return {
            "apiVersion": "sagemaker-gitops.dev/v1alpha1",
            "kind": "TrainingRun",
            "metadata": self._metadata(name),
            "spec": smallest(f"{name}-code", spec.pop("uri", None) or self.data()) | spec,
        }

    def code(self, name: str, files: Mapping[str, str]) -> dict[str, Any]:
        """A ConfigMap whose edits the operator watches."""
        metadata = self._metadata(name) | {"labels": {"sagemaker-gitops.dev/source": "true"}}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": dict(files)}

    def annotate(self, name: str, **annotations: str | None) -> None:
        """Set annotations of ours on a TrainingRun, `_` standing for `-`; None removes one."""
        words = [f"{ANNOTATION}/{key.replace('_', '-')}" + ("-" if value is None else f"={value}") for key, value in annotations.items()]
        self.sandbox.kubectl("annotate", "--overwrite", "tr", name, "-n", self.namespace, *words)

    def describe_job(self, name: str, step: str = "train") -> dict[str, Any]:
        """What AWS says about the job of a step, by the name in status."""
        aws_name = next(entry["awsName"] for entry in self.status(name)["steps"] if entry["name"] == step)
        if step == "train":
            found: dict[str, Any] = self.client("sagemaker").describe_training_job(TrainingJobName=aws_name)
        else:
            found = self.client("sagemaker").describe_processing_job(ProcessingJobName=aws_name)
        return found

    def accepted(self, name: str, operation: str) -> int:
        """Accepted calls of an operation for one object."""
        entries = self.aws.ledger(operation=operation, accepted="true", limit=1_000_000)
        return sum(entry["sessionTags"].get("name") == name for entry in entries)

    def apply(self, *manifests: Mapping[str, Any]) -> None:
        self.sandbox.kubectl("apply", "-f", "-", stdin="\n---\n".join(json.dumps(item) for item in manifests))

    def read(self, kind: str, name: str) -> dict[str, Any]:
        """One object. Not with kubectl: what waits asks ten times a second, and each of its processes takes a tenth of one."""
        return ApiServer(self.sandbox.kubeconfig.parent).get(kind, name, self.namespace)

    def wait(self, kind: str, name: str, holds: Callable[[dict[str, Any]], bool], seconds: float = 60.0) -> dict[str, Any]:
        """The object once its status is about the present spec and holds what is asked; AssertionError with the status if it never does."""
        deadline = time.monotonic() + seconds
        while True:
            found = self.read(kind, name)
            status = found.get("status", {})
            if status.get("observedGeneration") == found["metadata"]["generation"] and holds(status):
                return found
            assert time.monotonic() < deadline, json.dumps(status, indent=1)
            time.sleep(0.1)

    def get(self, name: str) -> dict[str, Any]:
        return self.read("TrainingRun", name)

    def status(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.get(name).get("status", {})
        return found

    def delete(self, name: str, *, wait: bool = True) -> None:
        self.sandbox.kubectl("delete", "tr", name, "-n", self.namespace, f"--wait={'true' if wait else 'false'}", "--timeout=90s")

    def until(self, name: str, holds: Callable[[dict[str, Any]], bool], seconds: float = 60.0) -> dict[str, Any]:
        return self.wait("TrainingRun", name, holds, seconds)

    def ended(self, name: str, seconds: float = 90.0) -> dict[str, Any]:
        """The status of a run that has come to its end."""
        status: dict[str, Any] = self.until(name, lambda status: status.get("phase") in TERMINAL, seconds)["status"]
        return status

    def reran(self, name: str, nonce: str) -> None:
        """Until the rerun that the annotation asks for has succeeded."""
        self.until(name, lambda status: status.get("phase") == "Succeeded" and status.get("lastHandledRerun") == nonce)

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """What a person of the sandbox types after `sagemaker-gitops`; with the operator's names and credentials, as `plan` needs them."""
        environment = {**os.environ, **self.sandbox.environment(), **AS_OPERATOR}
        argv = [sys.executable, "-m", "sagemaker_gitops", *arguments]
        return subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, timeout=60)

    def created_by(self, work: Callable[[], object]) -> Counter[str]:
        """Accepted creating calls of the tenant's role while `work` ran."""
        before = self.ledger.position()
        work()
        return self.ledger.created(before)

    def calls_for(self, name: str) -> list[str]:
        """Every AWS call made for one object, by the session tag that says so."""
        return [entry["operation"] for entry in self.aws.ledger(limit=1_000_000) if entry["sessionTags"].get("name") == name]

    def asked_for(self, name: str) -> list[str]:
        """The same without the sweeps. An object that is looked at again is described, too: that counts."""
        return [call for call in self.calls_for(name) if call not in SWEEPS]

    def wait_for_call(self, name: str, operation: str, seconds: float = 30.0) -> None:
        """Until AWS has been asked for `operation` on behalf of the object: its status says so a moment before."""
        deadline = time.monotonic() + seconds
        while operation not in self.calls_for(name):
            assert time.monotonic() < deadline, f"{operation} was not called for {name}"
            time.sleep(0.1)

    def wipe_status(self, name: str) -> None:
        """What a restore from a backup without status does."""
        self.sandbox.kubectl("patch", "tr", name, "-n", self.namespace, "--subresource=status", "--type=merge", "-p", '{"status":null}')

    def quiet(self, seconds: float = 60.0) -> None:
        """Until nothing but the watches of endpoints has called for two seconds: what earlier tests left running has ended."""
        deadline, last = time.monotonic() + seconds, -1
        while last != (last := sum(count for call, count in self.ledger.calls().items() if call.partition(":")[2] not in WATCHES)):
            assert time.monotonic() < deadline, "the operator goes on calling AWS"
            time.sleep(2.0)

    def requests(self) -> list[AuditEvent]:
        """Every request of the operator, from the API server's audit log."""
        return [event for event in read_audit_log(self.sandbox.kubeconfig.parent / "audit.log") if event.user == OPERATOR_USER]

    def all_writes(self) -> list[AuditEvent]:
        """Every write of the operator."""
        return [event for event in self.requests() if event.verb in ("create", "update", "patch", "delete")]

    def operator_writes(self, name: str) -> list[AuditEvent]:
        """The operator's writes to one TrainingRun."""
        return [event for event in self.all_writes() if event.name == name]

    def _metadata(self, name: str) -> dict[str, Any]:
        return {"name": name, "namespace": self.namespace}


def smallest(code: str, uri: str) -> dict[str, Any]:
    """The smallest valid spec: source, one input, train."""
    return {
        "source": {"configMapRef": {"name": code}},
        "inputs": [{"name": "raw", "s3Uri": uri, "contentType": "text/csv"}],
        "train": {"framework": SKLEARN, "entryPoint": "train.py", "channels": ["raw"]},
    }


def condition(status: Mapping[str, Any], type_: str) -> dict[str, Any]:
    """One condition, or an empty one."""
    return next((dict(item) for item in status.get("conditions", ()) if item["type"] == type_), {})
