"""`python -m tests.bench.endpoints [--count 1000] [--rest 330]`: what many endpoints cost at rest, and how fast an approval acts.

No model server is started for any of them: what is measured is the operator. Drift is looked for at the default interval.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from sagemaker_gitops.cli.sandbox import NAMESPACE, OPERATOR_SETTINGS, Sandbox
from tests.bench.measure import Rows, Server, ledger, operator_writes, percentiles, usage_of, wall
from tests.system.stack import Stack

APPROVALS = 20
DIGESTED = 10.0  # seconds
APPROVED, PENDING = "Approved", "PendingManualApproval"
WATCHED = "watched"
IMAGE = "492215442770.dkr.ecr.eu-central-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
PATIENCE = 900.0


class EndpointBench:
    """One sandbox with `count` endpoints of one pinned version, and one that follows the approvals of its group."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.sagemaker = stack.client("sagemaker")
        self.rows = Rows()

    @property
    def audit_log(self) -> Path:
        return self.stack.sandbox.kubeconfig.parent / "audit.log"

    async def run(self, count: int, rest: float) -> None:
        self.server = Server(self.stack.sandbox.kubeconfig, "modelendpoints")
        self.stack.aws.admin("PUT", "settings", {"endpoints.startServers": 0})
        for group in ("pinned", WATCHED):
            self.sagemaker.create_model_package_group(ModelPackageGroupName=group)
            self._register(group, APPROVED)
        await self._serve(count)
        await self._rest(count, rest)
        await self._approve()
        await self.server.session.close()

    def _register(self, group: str, approval: str) -> str:
        key = f"models/{time.monotonic_ns()}/model.tar.gz"
        self.stack.client("s3").put_object(Bucket="team-a-ml", Key=key, Body=key.encode())
        specification = {
            "Containers": [{"Image": IMAGE, "ModelDataUrl": f"s3://team-a-ml/{key}"}],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        }
        made = self.sagemaker.create_model_package(
            ModelPackageGroupName=group, ModelApprovalStatus=approval, InferenceSpecification=specification
        )
        arn: str = made["ModelPackageArn"]
        return arn

    async def _serve(self, count: int) -> None:
        """All at once; the limit is not the tenant's."""
        sequence, (_, line) = self.stack.ledger.position(), operator_writes(self.audit_log, 0)
        assert self.stack.sandbox.operator is not None
        pid = self.stack.sandbox.operator.process.pid
        before, started = usage_of(pid), time.monotonic()
        gate = asyncio.Semaphore(8)

        async def apply(name: str, package: dict[str, Any]) -> None:
            spec = {"variants": [{"name": "all", "model": {"package": package}}]}
            manifest = {"apiVersion": "sagemaker-gitops.dev/v1alpha1", "kind": "ModelEndpoint", "spec": spec}
            async with gate:
                await self.server.create(manifest | {"metadata": {"name": name, "namespace": NAMESPACE}})

        pinned = [apply(f"rest-{number}", {"group": "pinned", "version": 1}) for number in range(count)]
        await asyncio.gather(apply(WATCHED, {"group": WATCHED, "approved": "Latest"}), *pinned)
        await self._until_in_service(count + 1)
        served = time.monotonic()
        await self._digested()
        usage, calls = usage_of(pid), ledger(self.stack.sandbox.aws_url, since=sequence)
        writes = operator_writes(self.audit_log, line)[0]
        by_operation = Counter(call["operation"] for call in calls)
        self.rows |= {
            f"{count} endpoints: applied -> all InService [s]": round(served - started, 1),
            f"{count} endpoints: applied -> no call for {DIGESTED:g} s [s]": round(time.monotonic() - started, 1),
            f"{count} endpoints: operator writes each": round(writes / count, 2),
            f"{count} endpoints: AWS calls each": {name: round(number / count, 2) for name, number in by_operation.most_common()},
            f"{count} endpoints: operator CPU-s": round(usage.cpu - before.cpu, 1),
            f"{count} endpoints: operator RSS [MB]": round(usage.rss),
        }

    async def _until_in_service(self, count: int) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            phases = Counter(item.get("status", {}).get("phase") for item in await self.server.every(NAMESPACE))
            if phases["InService"] == count:
                return
            assert time.monotonic() < deadline, phases
            await asyncio.sleep(1.0)

    async def _digested(self) -> None:
        """AWS's events lag behind what they tell of, and each is a look: rest begins after the last."""
        position, since = self.stack.ledger.position(), time.monotonic()
        while time.monotonic() - since < DIGESTED:
            await asyncio.sleep(1.0)
            if ledger(self.stack.sandbox.aws_url, since=position):
                position, since = self.stack.ledger.position(), time.monotonic()

    async def _rest(self, count: int, seconds: float) -> None:
        sequence, (_, line) = self.stack.ledger.position(), operator_writes(self.audit_log, 0)
        await asyncio.sleep(seconds)
        calls = Counter(call["operation"] for call in ledger(self.stack.sandbox.aws_url, since=sequence))
        self.rows[f"{count} endpoints at rest for {seconds:g} s"] = {
            "writes": operator_writes(self.audit_log, line)[0],
            "AWS calls a minute (SQS aside)": round(sum(calls.values()) * 60 / seconds, 1),
            "by operation": dict(calls),
        }

    async def _approve(self) -> None:
        """The registry's yes -> UpdateEndpoint accepted, by the local AWS's ledger, one after the other."""
        delays = []
        for _ in range(APPROVALS):
            arn, sequence = self._register(WATCHED, PENDING), self.stack.ledger.position()
            await asyncio.to_thread(self.sagemaker.update_model_package, ModelPackageArn=arn, ModelApprovalStatus=APPROVED)
            approved = time.time()
            update = await self._first("UpdateEndpoint", sequence)
            delays.append(wall(update) - approved)
            await self._settled(arn)
        self.rows["approved in the registry -> UpdateEndpoint [ms]"] = {
            name: round(value * 1000) for name, value in percentiles(delays).items()
        }

    async def _first(self, operation: str, sequence: int) -> dict[str, Any]:
        deadline = time.monotonic() + 60
        while not (found := ledger(self.stack.sandbox.aws_url, since=sequence, operation=operation, accepted="true")):
            assert time.monotonic() < deadline, f"no {operation} within a minute"
            await asyncio.sleep(0.02)
        return found[0]

    async def _settled(self, arn: str) -> None:
        version = arn.rpartition("/")[2]
        deadline = time.monotonic() + 60
        while True:
            found = next(item for item in await self.server.every(NAMESPACE) if item["metadata"]["name"] == WATCHED)
            if found["status"]["phase"] == "InService" and found["status"].get("live") == version:
                return
            assert time.monotonic() < deadline, found["status"]
            await asyncio.sleep(0.2)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.endpoints")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--rest", type=float, default=330.0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    settings = {name: value for name, value in OPERATOR_SETTINGS.items() if name != "SAGEMAKER_GITOPS_DRIFT_INTERVAL"}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, Sandbox(Path(folder), settings) as sandbox:
        bench = EndpointBench(Stack(sandbox))
        asyncio.run(bench.run(options.count, options.rest))
    if options.json:
        options.json.write_text(json.dumps(bench.rows, indent=2))


if __name__ == "__main__":
    main()
