"""Carries one schedule of a TrainingRun out on a running sandbox and judges it by the ledger, AWS's own lists and the end state."""

from __future__ import annotations

import json
import signal
import time
import urllib.request
from collections import Counter
from typing import Any

from sagemaker_gitops.cli.errors import CommandError
from sagemaker_gitops.cli.local_account import client
from sagemaker_gitops.cli.sandbox import NAMESPACE
from tests.chaos.schedule import Schedule, Trouble
from tests.system.stack import PREPARE, TERMINAL, TRAIN, Stack

FROZEN = 1.5  # seconds
CONVERGE = 90.0
LOST = {
    Trouble.LOSE_TRAINING: "CreateTrainingJob",
    Trouble.LOSE_RUN: "StartJobRun",
    Trouble.LOSE_ENDPOINT: "CreateEndpoint",
    Trouble.LOSE_UPDATE: "UpdateEndpoint",
    Trouble.LOSE_CHECK: "CreateProcessingJob",
}
BROKEN = {
    Trouble.BREAK_DESCRIBE: "DescribeTrainingJob",
    Trouble.BREAK_ENDPOINT: "DescribeEndpoint",
    Trouble.BREAK_CHECK: "DescribeProcessingJob",
}
SLOW_TRAIN = "import time\ntime.sleep(0.8)\n" + TRAIN


class Chaos:
    """One sandbox; `carry_out` is called for one schedule after another. serving.py does the same with a ModelEndpoint,
    watching.py with a MonitorPolicy.
    """

    resource = "tr"

    def __init__(self, stack: Stack) -> None:
        self.stack = stack

    def carry_out(self, schedule: Schedule) -> list[str]:
        """Violations, empty when all held."""
        name = f"chaos-{schedule.seed}"
        before = self.stack.ledger.position()
        manifest = self._apply(name, schedule)
        started = time.monotonic()
        for moment, trouble in schedule.troubles:
            time.sleep(max(0.0, started + moment - time.monotonic()))
            manifest = self._trouble(name, trouble, manifest)
        self._revive()
        # Deletion stops the job; applied again, the same content finds it stopped and does not run without a rerun nonce (A11).
        reapplied = any(trouble is Trouble.REAPPLY for _, trouble in schedule.troubles)
        return [
            *self._converge(name, ("Succeeded", "Stopped") if reapplied else ("Succeeded",)),
            *self._duplicates(before),
            *self._orphans(name),
        ]

    def _apply(self, name: str, schedule: Schedule) -> dict[str, Any]:
        framework = {"name": "sklearn", "version": "1.2-1"}
        train = {"framework": framework, "entryPoint": "train.py", "channels": ["train" if schedule.glue else "raw"]}
        prepare = {"prepare": {"glue": {"script": "prepare.py", "outputs": ["train"]}}} if schedule.glue else {}
        files = {"train.py": SLOW_TRAIN} | ({"prepare.py": PREPARE} if schedule.glue else {})
        return self.stack.run(name, files=files, train=train, **prepare)

    def _trouble(self, name: str, trouble: Trouble, manifest: dict[str, Any]) -> dict[str, Any]:
        match trouble:
            case Trouble.KILL | Trouble.TERMINATE:
                self._signal(signal.SIGKILL if trouble is Trouble.KILL else signal.SIGTERM)
            case Trouble.FREEZE:
                self._signal(signal.SIGSTOP)
                time.sleep(FROZEN)
                self._signal(signal.SIGCONT)
            case Trouble.LOSE_TRAINING | Trouble.LOSE_RUN | Trouble.LOSE_ENDPOINT | Trouble.LOSE_UPDATE | Trouble.LOSE_CHECK:
                self._script(operation=LOST[trouble], kind="accept-then-drop", times=1)
            case Trouble.BREAK_DESCRIBE | Trouble.BREAK_ENDPOINT | Trouble.BREAK_CHECK:
                self._script(operation=BROKEN[trouble], kind="error", code="InternalServerError", message="broken", times=3)
            case Trouble.WIPE:
                wipe = ("patch", self.resource, name, "-n", NAMESPACE, "--subresource=status", "--type=merge", "-p", '{"status": null}')
                self.stack.sandbox.kubectl(*wipe)
            case Trouble.EDIT | Trouble.SHIFT | Trouble.VERSION | Trouble.CHECK | Trouble.THRESHOLD:
                self.edit(trouble, manifest["spec"])
                self.stack.apply(manifest)
            case Trouble.REAPPLY:
                self.stack.sandbox.kubectl("delete", self.resource, name, "-n", NAMESPACE, "--wait=false")
                self._gone(name)
                self.stack.apply(manifest)
        return manifest

    def edit(self, trouble: Trouble, spec: dict[str, Any]) -> None:
        """A user changes the spec."""
        depth = spec["train"].get("hyperparameters", {}).get("depth", 0) + 1
        spec["train"]["hyperparameters"] = {"depth": depth}

    def _gone(self, name: str) -> None:
        """Until the object is gone; an operator that was told to stop may still be on its way out and is started anew."""
        deadline = time.monotonic() + CONVERGE
        while self._object(name)["metadata"]["generation"] != -1:
            self._revive()
            if time.monotonic() > deadline:
                raise CommandError(f"{name} is still being deleted: {json.dumps(self._object(name).get('status'))[:1000]}")
            time.sleep(0.2)

    def _signal(self, number: signal.Signals) -> None:
        operator = self.stack.sandbox.operator
        if operator is not None and operator.process.poll() is None:
            operator.process.send_signal(number)

    def _revive(self) -> None:
        """Kubernetes restarts a dead operator; so do we."""
        operator = self.stack.sandbox.operator
        if operator is None or operator.process.poll() is not None:
            self.stack.sandbox.restart_operator()

    def _converge(self, name: str, wanted: tuple[str, ...]) -> list[str]:
        deadline = time.monotonic() + CONVERGE
        while time.monotonic() < deadline:
            self._revive()
            found = self._object(name)
            status = found.get("status", {})
            if status.get("phase") in TERMINAL and status.get("observedGeneration") == found["metadata"]["generation"]:
                return [] if status["phase"] in wanted else [f"{name} ended as {status['phase']}: {status.get('failure')}"]
            time.sleep(0.2)
        return [f"{name} did not converge: {json.dumps(self._object(name).get('status'))[:1000]}"]

    def _object(self, name: str) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads(self.stack.sandbox.kubectl("get", self.resource, name, "-n", NAMESPACE, "-o", "json"))
            return found
        except CommandError:
            return {"metadata": {"generation": -1}}

    def _duplicates(self, before: int, most: int = 1) -> list[str]:
        """Accepted creates since `before`, by name: never more than `most` of one."""
        url = f"{self.stack.ledger.url}/_local/ledger?creating=true&accepted=true&since={before}&limit=100000"
        with urllib.request.urlopen(url, timeout=30) as response:
            entries = json.load(response)["entries"]
        made = Counter((entry["operation"], entry["resource"]) for entry in entries if entry["role"] == self.stack.ledger.role)
        return [f"{operation} {resource} accepted {count} times" for (operation, resource), count in made.items() if count > most]

    def _orphans(self, name: str) -> list[str]:
        """Training jobs of this object that still run although it is at its end."""
        sagemaker = client(self.stack.sandbox.aws_url, "sagemaker")
        listed = sagemaker.list_training_jobs(NameContains=f"team-a-{name}-train", StatusEquals="InProgress")["TrainingJobSummaries"]
        return [f"orphan {job['TrainingJobName']}" for job in listed]

    def _script(self, **fault: Any) -> None:
        request = urllib.request.Request(
            f"{self.stack.sandbox.aws_url}/_local/faults/script", data=json.dumps(fault).encode(), method="POST"
        )
        urllib.request.urlopen(request, timeout=30).close()
