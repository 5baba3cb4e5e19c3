"""MonitorPolicies for the system tests: an endpoint with captured traffic, and a job that finds the number a test wants it to find.

The stand-in for jobs/monitoring keeps to the same contract (docs/decisions/0011) and reads its number from the captured answers, so that
what is proved here is the operator, the capture and the processing job, and no statistics.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sagemaker_gitops.cli.sandbox import OPERATOR_SETTINGS, Sandbox
from tests.system.endpoints import SERVES, Endpoints, pinned
from tests.system.stack import Stack

STAND_IN = """
import base64, json, pathlib, sys
root = pathlib.Path("/opt/ml/processing")
config = json.loads((root / "input/config/config.json").read_text())
values = []
if config["target"]["kind"] == "Batch":
    values = [float(line) for path in (root / "input/capture").rglob("*.out") for line in path.read_text().split()]
for path in sorted((root / "input/capture").rglob("*.jsonl")):
    for line in path.read_text().splitlines():
        record = json.loads(line)
        at = record["eventMetadata"]["inferenceTime"]
        if config["window"]["start"] <= at < config["window"]["end"]:
            output = record["captureData"]["endpointOutput"]
            values.append(float(base64.b64decode(output["data"]) if output["encoding"] == "BASE64" else output["data"]))
if values and values[-1] < 0:
    sys.exit("ValueError: a negative loss")
measured = bool(values)
name = config["checks"][0]["metric"]
metric = {"check": config["checks"][0]["name"], "name": name, "variant": config["target"]["variant"],
          "value": round(sum(values) / len(values), 6) if measured else None, "sampleSize": len(values),
          "state": "Measured" if measured else "InsufficientData"}
report = {"version": 1, "window": config["window"], "violations": [], "violationsTotal": 0, "metrics": [metric],
          "data": {"state": "Available" if measured else "NoData", "captured": len(values), "message": ""}}
(root / "output/report.json").write_text(json.dumps(report))
"""
CHECK = {"name": "loss", "type": "Custom", "entryPoint": "loss.py", "metric": "wql"}
CAPTURE = {"initialSamplingPercentage": 100, "captureModes": ["Input", "Output"]}


def stand_in(folder: Path) -> Path:
    """The job as a folder for SAGEMAKER_GITOPS_MONITORING_CODE."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "check.py").write_text(STAND_IN)
    return folder


@contextmanager
def checking(folder: Path) -> Iterator[Stack]:
    """A sandbox in that folder whose operator starts the stand-in for jobs/monitoring."""
    settings = OPERATOR_SETTINGS | {"SAGEMAKER_GITOPS_MONITORING_CODE": str(stand_in(folder / "job"))}
    with Sandbox(folder / "sandbox", settings) as sandbox:
        yield Stack(sandbox)


class Policies(Endpoints):
    """MonitorPolicies over endpoints whose answers are captured at once."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack)
        stack.aws.admin("PUT", "settings", {"endpoints.captureSeconds": 0.1})

    def captured(self, name: str, *values: float) -> dict[str, Any]:
        """An endpoint of that name that serves the first value, with a version for each."""
        for value in values:
            self.register(name, answers(value))
        self.apply(name, pinned(name, 1), dataCapture=CAPTURE)
        return self.in_service(name)

    def policy(self, name: str, *, endpoint: str | None = None, files: Mapping[str, str] | None = None, **spec: Any) -> None:
        """A policy that is checked by hand unless `spec` has a schedule; a value of None leaves a field out."""
        given: dict[str, Any] = {
            "target": {"endpointRef": {"name": endpoint or name}},
            "window": "10m",
            "source": {"configMapRef": {"name": f"{name}-checks"}},
            "checks": [CHECK],
        }
        made = {field: value for field, value in (given | spec).items() if value is not None}
        metadata = {"name": name, "namespace": self.stack.namespace}
        self.stack.apply(
            self.stack.code(f"{name}-checks", files or {"loss.py": "print()"}),
            {"apiVersion": "sagemaker-gitops.dev/v1alpha1", "kind": "MonitorPolicy", "metadata": metadata, "spec": made},
        )

    def policy_status(self, name: str) -> dict[str, Any]:
        return dict(self.stack.read("MonitorPolicy", name).get("status", {}))

    def until_policy(self, name: str, holds: Callable[[dict[str, Any]], bool], seconds: float = 60.0) -> dict[str, Any]:
        return dict(self.stack.wait("MonitorPolicy", name, holds, seconds).get("status", {}))

    def ask_times(self, name: str, times: int = 3) -> None:
        """Traffic, until all of it is captured; what is answered before a new model counts is waited out."""
        found = self.stack.sandbox.kubectl("get", "mp", name, "-n", self.stack.namespace, "-o", "json", "--ignore-not-found")
        since = (json.loads(found or "{}").get("status") or {}).get("modelSince") or "1970-01-01T00:00:00Z"
        time.sleep(max(0.0, (datetime.fromisoformat(since) - datetime.now(UTC)).total_seconds()))
        self.identified(name, [uuid.uuid4().hex for _ in range(times)])

    def identified(self, name: str, events: Sequence[str]) -> None:
        """One request for each inference id, until all of them are captured."""
        self._asked(self.status(name)["endpointName"], f"artifacts/team-a/{name}/capture/", events)

    def ask_endpoint(self, endpoint: str, capture: str, times: int) -> None:
        """As ask_times, of an endpoint by AWS's name that captures below that key."""
        self._asked(endpoint, capture, [uuid.uuid4().hex for _ in range(times)])

    def _asked(self, endpoint: str, capture: str, events: Sequence[str]) -> None:
        runtime, s3 = self.stack.client("sagemaker-runtime"), self.stack.client("s3")
        for event in events:
            runtime.invoke_endpoint(EndpointName=endpoint, ContentType="text/csv", Body=b"1", InferenceId=event)
        captured, deadline = b"", time.monotonic() + 60
        while not all(event.encode() in captured for event in events):
            assert time.monotonic() < deadline, f"{endpoint}: not captured"
            time.sleep(0.2)
            found = s3.list_objects_v2(Bucket="team-a-ml", Prefix=capture).get("Contents", ())
            captured = b"".join(s3.get_object(Bucket="team-a-ml", Key=item["Key"])["Body"].read() for item in found)
        time.sleep(1.0)  # inferenceTime is in whole seconds, and a window ends before its last one

    def check(self, name: str, nonce: str | None = None) -> dict[str, Any]:
        """Ask for a check now; what it found."""
        nonce = nonce or uuid.uuid4().hex[:8]
        self.stack.sandbox.kubectl(
            "annotate", "--overwrite", "mp", name, "-n", self.stack.namespace, f"sagemaker-gitops.dev/check-now={nonce}"
        )

        def ended(status: Mapping[str, Any]) -> bool:
            return status.get("lastHandledCheckNow") == nonce and "running" not in status

        return dict(self.until_policy(name, ended)["lastCheck"])

    def checks_of(self, name: str) -> int:
        return self.stack.accepted(name, "CreateProcessingJob")

    def wipe_policy(self, name: str) -> None:
        patch = ("patch", "mp", name, "-n", self.stack.namespace, "--subresource=status", "--type=merge", "-p", '{"status":null}')
        self.stack.sandbox.kubectl(*patch)

    def delete_policy(self, name: str) -> None:
        self.stack.sandbox.kubectl("delete", "mp", name, "-n", self.stack.namespace, "--timeout=60s")


def answers(value: float) -> str:
    return SERVES.replace("VALUE", str(value))
