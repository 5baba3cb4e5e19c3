"""The same with a MonitorPolicy: whatever happens, no check is paid for twice, the last one asked for is made, and nothing is left behind.

The policy watches an endpoint of its own; what is checked is the operator, so the job is the stand-in of tests/system/policies.py.
"""

from __future__ import annotations

import json
import time
import uuid
from collections import Counter
from typing import Any

from sagemaker_gitops.cli.sandbox import NAMESPACE
from sagemaker_gitops.core.kinds.monitor_policy.requests import TAG_MODEL, TAG_WINDOW
from tests.chaos.schedule import Schedule, Trouble
from tests.chaos.world import CONVERGE, Chaos
from tests.system.endpoints import pinned
from tests.system.policies import CAPTURE, CHECK, Policies, answers
from tests.system.stack import Stack

ENDPOINT = "chaos-watched"
VERSIONS = 2
ALARM = {"name": "high", "check": "loss", "operator": ">", "threshold": {"initial": 8}, "createCloudWatchAlarm": True}
PASSING, SUCCEEDED = "Passing", "Succeeded"


class WatchingChaos(Chaos):
    """Versions 1 and 2 answer with their number. `asked` are the nonces of the schedule under way, the last one in force."""

    resource = "mp"

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack)
        self.policies = Policies(stack)
        self.version = 1
        self.asked: list[str] = []
        for number in range(1, VERSIONS + 1):
            self.policies.register(ENDPOINT, answers(number))
        self._serve()

    def carry_out(self, schedule: Schedule) -> list[str]:
        name, before = f"chaos-{schedule.seed}", self.stack.ledger.position()
        self._capture()
        manifest = self._manifest(name)
        self.stack.apply(self.stack.code(f"{name}-checks", {"loss.py": "print()"}), manifest)
        self.asked = []
        self._ask(name)
        started = time.monotonic()
        for moment, trouble in schedule.troubles:
            time.sleep(max(0.0, started + moment - time.monotonic()))
            manifest = self._trouble(name, trouble, manifest)
            if trouble is Trouble.CHECK:
                self._ask(name)
            elif trouble is Trouble.REAPPLY:
                self._ask(name, again=True)
        self._revive()
        found = self._converge_on(name, manifest, settled=True)
        self._capture()
        self._ask(name)
        found += [*self._converge_on(name, manifest, settled=False), *self._duplicates(before), *self._twice(name)]
        self.stack.sandbox.kubectl("delete", self.resource, name, "-n", NAMESPACE, "--wait=false")
        self._gone(name)
        return found + [f"left after deletion: {item}" for item in self._left(name)]

    def edit(self, trouble: Trouble, spec: dict[str, Any]) -> None:
        """A threshold does not make another check; another version is a matter of the endpoint. What asks for a check is an annotation."""
        if trouble is Trouble.THRESHOLD:
            spec["alarms"][0]["threshold"]["initial"] += 1
        elif trouble is Trouble.VERSION:
            self.version = self.version % VERSIONS + 1
            self._serve(wait=False)

    def _serve(self, *, wait: bool = True) -> None:
        self.policies.apply(ENDPOINT, pinned(ENDPOINT, self.version), dataCapture=CAPTURE)
        if wait:
            self.policies.in_service(ENDPOINT)

    def _capture(self) -> None:
        """Traffic of the model that serves, later than what an earlier one may have answered."""
        deadline = time.monotonic() + CONVERGE
        while not self._serves():
            assert time.monotonic() < deadline, f"{ENDPOINT} does not serve {self.version}: {self.policies.get(ENDPOINT)}"
            self._revive()
            time.sleep(0.2)
        time.sleep(2.0)
        self.policies.identified(ENDPOINT, [uuid.uuid4().hex for _ in range(2)])

    def _serves(self) -> bool:
        found = self.policies.get(ENDPOINT)
        status = found.get("status", {})
        told = (status.get("observedGeneration"), status.get("phase"), status.get("live"))
        return told == (found["metadata"]["generation"], "InService", str(self.version))

    def _ask(self, name: str, *, again: bool = False) -> None:
        if not again:
            self.asked.append(uuid.uuid4().hex[:8])
        words = f"sagemaker-gitops.dev/check-now={self.asked[-1]}"
        self.stack.sandbox.kubectl("annotate", "--overwrite", self.resource, name, "-n", NAMESPACE, words)

    def _manifest(self, name: str) -> dict[str, Any]:
        spec = {
            "target": {"endpointRef": {"name": ENDPOINT}},
            "window": "10m",
            "source": {"configMapRef": {"name": f"{name}-checks"}},
            "checks": [CHECK],
            "alarms": [json.loads(json.dumps(ALARM))],
            "dashboard": True,
        }
        metadata = {"name": name, "namespace": NAMESPACE}
        return {"apiVersion": "sagemaker-gitops.dev/v1alpha1", "kind": "MonitorPolicy", "metadata": metadata, "spec": spec}

    def _converge_on(self, name: str, manifest: dict[str, Any], *, settled: bool) -> list[str]:
        """The nonce in force is heeded and nothing runs. Unless only `settled`: its check succeeded, on the model that serves, and
        CloudWatch has the alarm as it is wanted now.
        """
        deadline, found = time.monotonic() + CONVERGE, dict[str, Any]()
        while time.monotonic() < deadline:
            self._revive()
            found = self._object(name)
            status = found.get("status", {})
            last = status.get("lastCheck") or {}
            heeded = status.get("lastHandledCheckNow") == self.asked[-1] and "running" not in status
            passed = (status.get("phase"), last.get("state")) == (PASSING, SUCCEEDED) and self._is_current(last)
            current = status.get("observedGeneration") == found["metadata"]["generation"]
            if heeded and current and (settled or (passed and self._thresholds(name) == self._wanted(manifest))):
                return []
            time.sleep(0.2)
        return [f"{name} did not converge: {json.dumps(found.get('status'))[:2000]}"]

    def _is_current(self, last: dict[str, Any]) -> bool:
        return str(last.get("model")).rpartition("/")[2] == str(self.version)

    def _wanted(self, manifest: dict[str, Any]) -> list[float]:
        return [float(alarm["threshold"]["initial"]) for alarm in manifest["spec"]["alarms"]]

    def _thresholds(self, name: str) -> list[float]:
        return [float(alarm["Threshold"]) for alarm in self._alarms(name)]

    def _alarms(self, name: str) -> list[dict[str, Any]]:
        listed = self.stack.client("cloudwatch").describe_alarms()["MetricAlarms"]
        return [alarm for alarm in listed if f"team-a-{name}-" in alarm["AlarmName"]]

    def _jobs(self, name: str) -> list[dict[str, Any]]:
        listed = self.stack.client("sagemaker").list_processing_jobs(NameContains=f"team-a-{name}-", MaxResults=100)
        found: list[dict[str, Any]] = listed["ProcessingJobSummaries"]
        return found

    def _twice(self, name: str) -> list[str]:
        """Told by AWS's tags: no window of a model was checked twice, and no model more often than somebody asked."""
        sagemaker, made = self.stack.client("sagemaker"), Counter[tuple[str, str]]()
        for job in self._jobs(name):
            tags = {tag["Key"]: tag["Value"] for tag in sagemaker.list_tags(ResourceArn=job["ProcessingJobArn"])["Tags"]}
            made[tags[TAG_MODEL], tags[TAG_WINDOW]] += 1
        models = Counter[str]()
        for (model, _), count in made.items():
            models[model] += count
        found = [f"window {window} of {model} was checked {count} times" for (model, window), count in made.items() if count > 1]
        asked = len(self.asked)
        return found + [f"{count} checks of {model}, asked for {asked}" for model, count in models.items() if count > asked]

    def _left(self, name: str) -> list[str]:
        dashboards = self.stack.client("cloudwatch").list_dashboards()["DashboardEntries"]
        return [
            *(job["ProcessingJobName"] for job in self._jobs(name) if job["ProcessingJobStatus"] in ("InProgress", "Stopping")),
            *(alarm["AlarmName"] for alarm in self._alarms(name)),
            *(board["DashboardName"] for board in dashboards if f"team-a-{name}" in board["DashboardName"]),
        ]
