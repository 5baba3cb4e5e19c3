"""`python -m tests.bench [--burst 1000] [--rest 120] [--json FILE]`: prints one table."""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from sagemaker_gitops.cli.sandbox import NAMESPACE, ROOT, Sandbox
from tests.bench.measure import Rows, Server, last_writes, ledger, operator_writes, percentiles, usage_of, wall
from tests.system.stack import TRAIN, Stack, smallest

IDLE_RUNS = 30
RAW_WRITES = 1000
STARTING_SECONDS = 60.0
PATIENCE = 900.0


class Bench:
    """One sandbox, one after another of the scenarios of reference/performance.md 5.2 that fit on two cores."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.server: Server
        self.uri = stack.data()
        self.rows = Rows()

    @property
    def pid(self) -> int:
        assert self.stack.sandbox.operator is not None
        return self.stack.sandbox.operator.process.pid

    @property
    def audit_log(self) -> Path:
        return self.stack.sandbox.kubeconfig.parent / "audit.log"

    async def run(self, burst: int, rest: float) -> None:
        self.server = Server(self.stack.sandbox.kubeconfig)
        self._prepare()
        await self._idle_creates()
        await self._burst(burst)
        await self._restart(burst)
        await self._rest(rest)
        self.rows["API server: status patches/s (raw, 16 writers)"] = round(await self._raw(), 0)
        await self.server.session.close()

    def _prepare(self) -> None:
        """No limit on concurrent runs: the tenant's queue is not what is measured."""
        patch = '{"spec": {"limits": {"maxConcurrentRuns": 1000}}}'
        self.stack.sandbox.kubectl("patch", "tenant", "team-a", "--type=merge", "-p", patch)
        code = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "bench", "namespace": NAMESPACE}, "data": {"train.py": TRAIN}}
        code["metadata"] |= {"labels": {"sagemaker-gitops.dev/source": "true"}}  # type: ignore[operator]
        self.stack.apply(code)

    def _manifest(self, name: str) -> dict[str, Any]:
        metadata = {"name": name, "namespace": NAMESPACE}
        return {
            "apiVersion": "sagemaker-gitops.dev/v1alpha1",
            "kind": "TrainingRun",
            "metadata": metadata,
            "spec": smallest("bench", self.uri),
        }

    async def _idle_creates(self) -> None:
        """One at a time: CR applied -> CreateTrainingJob accepted -> the end in status."""
        applied: dict[str, float] = {}
        ended: dict[str, float] = {}
        for number in range(IDLE_RUNS):
            name = f"idle-{number}"
            applied[name] = await self.server.create(self._manifest(name))
            await self._wait({name}, ended)
        created = {job["resource"]: wall(job) for job in ledger(self.stack.sandbox.aws_url, operation="CreateTrainingJob", accepted="true")}
        delays = [next(at for job, at in created.items() if f"-{name}-train-" in job) - at0 for name, at0 in applied.items()]
        self.rows["CR applied -> CreateTrainingJob, idle [ms]"] = _milliseconds(delays)
        self.rows["job ended at AWS -> status says so, idle [ms]"] = _milliseconds(self._told(set(applied)))

    def _told(self, names: set[str]) -> list[float]:
        """Seconds from TrainingEndTime to the operator's last status write, by the audit log."""
        written = last_writes(self.audit_log)
        jobs = self.stack.client("sagemaker")
        found = []
        for name in names:
            job = jobs.describe_training_job(TrainingJobName=self.stack.status(name)["steps"][0]["awsName"])
            found.append(written[name] - job["TrainingEndTime"].timestamp())
        return found

    async def _burst(self, count: int) -> None:
        """Jobs wait for capacity as they do at AWS, so that the creates do not share two cores with the work they start."""
        self.stack.aws.admin("PUT", "settings", {"training.startingSeconds": STARTING_SECONDS})
        sequence, (_, line) = self.stack.ledger.position(), operator_writes(self.audit_log, 0)
        before, started = usage_of(self.pid), time.time()
        names = {f"burst-{number}" for number in range(count)}
        gate, applied = asyncio.Semaphore(8), dict[str, float]()

        async def apply(name: str) -> None:
            async with gate:
                applied[name] = await self.server.create(self._manifest(name))

        await asyncio.gather(*(apply(name) for name in sorted(names)))
        loaded = time.time() - started
        await self._wait(names, {})
        calls = ledger(self.stack.sandbox.aws_url, since=sequence)
        created = {job["sessionTags"]["name"]: wall(job) for job in calls if job["operation"] == "CreateTrainingJob" and job["accepted"]}
        writes, _ = operator_writes(self.audit_log, line)
        after = usage_of(self.pid)
        by_operation = Counter(f"{call['service']}:{call['operation']}" for call in calls)
        self.rows |= {
            f"burst of {count}: loader done, last create, all ended [s]": [
                round(x, 1) for x in (loaded, max(created.values()) - started, time.time() - started)
            ],
            f"burst of {count}: CR applied -> CreateTrainingJob [ms]": _milliseconds([created[name] - applied[name] for name in names]),
            f"burst of {count}: accepted creates": sum(
                job["operation"] == "CreateTrainingJob" and job["accepted"] and job["creating"] for job in calls
            ),
            f"burst of {count}: operator writes per run": round(writes / count, 2),
            f"burst of {count}: AWS calls per run": {name: round(number / count, 2) for name, number in by_operation.most_common()},
            f"burst of {count}: operator CPU-s per 1,000 runs": round((after.cpu - before.cpu) * 1000 / count, 1),
            f"operator RSS after {count + IDLE_RUNS} runs [MB]": round(after.rss),
        }

    async def _restart(self, count: int) -> None:
        sequence, (_, line) = self.stack.ledger.position(), operator_writes(self.audit_log, 0)
        started = time.monotonic()
        await asyncio.to_thread(self.stack.sandbox.restart_operator)
        ready = time.monotonic() - started
        await asyncio.sleep(10)
        usage = usage_of(self.pid)
        self.rows[f"restart with {count + IDLE_RUNS} finished runs"] = {
            "seconds to ready, stop included": round(ready, 1),
            "writes": operator_writes(self.audit_log, line)[0],
            "AWS calls": len(ledger(self.stack.sandbox.aws_url, since=sequence)),
            "CPU-s, imports included": round(usage.cpu, 1),
            "RSS [MB]": round(usage.rss),
        }

    async def _rest(self, seconds: float) -> None:
        sequence, (_, line) = self.stack.ledger.position(), operator_writes(self.audit_log, 0)
        before = usage_of(self.pid)
        await asyncio.sleep(seconds)
        self.rows[f"at rest for {seconds:g} s"] = {
            "writes": operator_writes(self.audit_log, line)[0],
            "AWS calls (SQS aside)": len(ledger(self.stack.sandbox.aws_url, since=sequence)),
            "CPU, percent of a core": round((usage_of(self.pid).cpu - before.cpu) / seconds * 100, 2),
        }

    async def _raw(self) -> float:
        """Last, with the operator stopped, because it writes nonsense into statuses."""
        operator = self.stack.sandbox.operator
        assert operator is not None
        operator.stop()
        names = [f"idle-{number}" for number in range(IDLE_RUNS)]
        return await self.server.raw_rate(NAMESPACE, names, RAW_WRITES)

    async def _wait(self, names: set[str], ended: dict[str, float]) -> None:
        """Until every run has come to its end."""
        deadline = time.monotonic() + PATIENCE
        while names - ended.keys():
            for item in await self.server.every(NAMESPACE):
                name, phase = item["metadata"]["name"], item.get("status", {}).get("phase")
                assert phase != "Failed", item["status"]["failure"]
                if phase == "Succeeded" and name in names:
                    ended.setdefault(name, time.time())
            assert time.monotonic() < deadline, f"{len(names - ended.keys())} runs did not end"
            await asyncio.sleep(0.05 if len(names) == 1 else 1.0)


def _milliseconds(seconds: list[float]) -> dict[str, int]:
    return {name: round(value * 1000) for name, value in percentiles(seconds).items()}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("--burst", type=int, default=1000)
    parser.add_argument("--rest", type=float, default=120.0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    assert (ROOT / "crds").is_dir()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, Sandbox(Path(folder)) as sandbox:
        bench = Bench(Stack(sandbox))
        asyncio.run(bench.run(options.burst, options.rest))
    if options.json:
        options.json.write_text(json.dumps(bench.rows, indent=2))


if __name__ == "__main__":
    main()
