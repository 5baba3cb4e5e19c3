"""The same with a ModelEndpoint that serves: whatever happens, requests are answered, and by a version that was asked for."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from typing import Any

from botocore.exceptions import ClientError

from sagemaker_gitops.cli.local_account import client
from sagemaker_gitops.cli.sandbox import NAMESPACE
from tests.chaos.schedule import Schedule, Trouble
from tests.chaos.world import CONVERGE, Chaos
from tests.system.endpoints import SERVES, Endpoints
from tests.system.stack import Stack

GROUP = "chaos"
VERSIONS = 3
LIMIT = 1


class ServingChaos(Chaos):
    """Versions 1, 2 and 3 of one group answer with their number; two variants share the requests."""

    resource = "mep"

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack)
        self.endpoints = Endpoints(stack)
        for number in range(1, VERSIONS + 1):
            self.endpoints.register(GROUP, SERVES.replace("VALUE", str(number)))

    def carry_out(self, schedule: Schedule) -> list[str]:
        name, before = f"chaos-{schedule.seed}", self.stack.ledger.position()
        manifest = self._manifest(name)
        self.stack.apply(manifest)
        reapplied = sum(trouble is Trouble.REAPPLY for _, trouble in schedule.troubles)
        # From the first InService on somebody asks; only those who delete the endpoint may make a request fail.
        found = self._converge_on(name, manifest)
        with ExitStack() as asking:
            answers = asking.enter_context(self.endpoints.asking(name))
            started = time.monotonic()
            for moment, trouble in schedule.troubles:
                time.sleep(max(0.0, started + moment - time.monotonic()))
                manifest = self._trouble(name, trouble, manifest)
            self._revive()
            found += self._converge_on(name, manifest)
        if answers["failed"] and not reapplied:
            found.append(f"{answers['failed']} requests failed: {dict(answers)}")
        found += [*self._duplicates(before, 1 + reapplied + self._returns(schedule)), *self._kept(name)]
        self.stack.sandbox.kubectl("delete", "mep", name, "-n", NAMESPACE, "--wait=false")
        self._gone(name)
        return found + [f"left after deletion: {item}" for item in self._left(name)]

    def edit(self, trouble: Trouble, spec: dict[str, Any]) -> None:
        first, second = spec["variants"]
        if trouble is Trouble.SHIFT:
            first["weight"], second["weight"] = second["weight"], first["weight"]
        else:
            package = first["model"]["package"]
            package["version"] = package["version"] % VERSIONS + 1

    def _manifest(self, name: str) -> dict[str, Any]:
        models = [{"package": {"group": GROUP, "version": number}} for number in (1, 2)]
        variants = [
            {"name": "blue", "model": models[0], "weight": 0.75},
            {"name": "green", "model": models[1], "weight": 0.25},
        ]
        spec = {"variants": variants, "deletionPolicy": "Delete", "rollback": {"historyLimit": LIMIT}}
        metadata = {"name": name, "namespace": NAMESPACE}
        return {"apiVersion": "sagemaker-gitops.dev/v1alpha1", "kind": "ModelEndpoint", "metadata": metadata, "spec": spec}

    def _converge_on(self, name: str, manifest: dict[str, Any]) -> list[str]:
        """InService by its own word and by AWS's, with the shares that are wanted."""
        wanted = {variant["name"]: variant["weight"] for variant in manifest["spec"]["variants"]}
        deadline = time.monotonic() + CONVERGE
        found: dict[str, Any] = {}
        while time.monotonic() < deadline:
            self._revive()
            found = self._object(name)
            status = found.get("status", {})
            if status.get("phase") == "InService" and status.get("observedGeneration") == found["metadata"]["generation"]:
                live = self._described(status["endpointName"])
                shares = {variant["VariantName"]: variant["DesiredWeight"] for variant in live.get("ProductionVariants", ())}
                if (live.get("EndpointStatus"), live.get("EndpointConfigName"), shares) == ("InService", status["wantedConfig"], wanted):
                    return []
            time.sleep(0.2)
        return [f"{name} did not converge: {json.dumps(found.get('status'))[:1500]}"]

    def _described(self, name: str) -> dict[str, Any]:
        """What AWS says; nothing when it breaks, which a script may have ordered for the operator."""
        try:
            found: dict[str, Any] = client(self.stack.sandbox.aws_url, "sagemaker").describe_endpoint(EndpointName=name)
            return found
        except ClientError:
            return {}

    def _returns(self, schedule: Schedule) -> int:
        """A version that was collected and is wanted again is made again."""
        return sum(trouble is Trouble.VERSION for _, trouble in schedule.troubles) // VERSIONS

    def _kept(self, name: str) -> list[str]:
        configs = self._names(name, "config")
        return [f"kept: {configs}"] if len(configs) > 1 + LIMIT else []

    def _left(self, name: str) -> list[str]:
        listed = client(self.stack.sandbox.aws_url, "sagemaker").list_endpoints(NameContains=f"team-a-{name}-")["Endpoints"]
        return [item["EndpointName"] for item in listed] + self._names(name, "config") + self._names(name, "model")

    def _names(self, name: str, what: str) -> list[str]:
        sagemaker, prefix = client(self.stack.sandbox.aws_url, "sagemaker"), f"team-a-{name}-{what}"
        if what == "model":
            return [item["ModelName"] for item in sagemaker.list_models(NameContains=prefix)["Models"]]
        return [item["EndpointConfigName"] for item in sagemaker.list_endpoint_configs(NameContains=prefix)["EndpointConfigs"]]
