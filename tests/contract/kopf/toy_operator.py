"""A whole operator with a kind that does nothing but take its time. Arguments: kubeconfig, seconds per action."""

from __future__ import annotations

import asyncio
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from sagemaker_gitops.config import Settings
from sagemaker_gitops.core import conditions
from sagemaker_gitops.core.actions import Action, AwsRequest, Outcome
from sagemaker_gitops.core.errors import InvalidResource
from sagemaker_gitops.core.plan import Done, Plan
from sagemaker_gitops.core.resource import Key, Snapshot
from sagemaker_gitops.runtime import logs
from sagemaker_gitops.runtime.assembly import Context, Wiring
from sagemaker_gitops.shell import run


class Toy:
    """Creates once per generation, then is done."""

    name = "TrainingRun"

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def parse(self, snapshot: Snapshot) -> Any:
        return snapshot.spec

    def invalid(self, snapshot: Snapshot, error: InvalidResource, now: datetime) -> Plan:
        raise error

    async def observe(self, snapshot: Snapshot, resource: Any, now: datetime) -> None:
        return None

    def plan(self, snapshot: Snapshot, resource: Any, facts: None, now: datetime) -> Plan:
        if snapshot.deleting:
            return Plan(status=snapshot.status, requeue=Done(), finalizer=False)
        if snapshot.status.get("observedGeneration") == snapshot.generation:
            return Plan(status=snapshot.status, requeue=Done())
        listed = conditions.merge((), conditions.ready("Succeeded", "done"), snapshot.generation, now)
        status = {"observedGeneration": snapshot.generation, "phase": "Succeeded", "conditions": listed}
        request = AwsRequest("sagemaker", "CreateTrainingJob", snapshot.key.name, {})
        return Plan(status=status, requeue=Done(), actions=(request,))

    def forget(self, key: Key) -> None:
        """There is nothing to keep."""

    async def execute(self, snapshot: Snapshot, resource: Any, action: Action) -> Outcome:
        print(f"begin {snapshot.key.name}", flush=True)
        await asyncio.sleep(self._seconds)
        print(f"end {snapshot.key.name}", flush=True)
        return Outcome.DONE


def main() -> None:
    kubeconfig, seconds = Path(sys.argv[1]), float(sys.argv[2])
    logs.configure("INFO")

    def factory(context: Context) -> Wiring:
        return Wiring(kinds={"TrainingRun": Toy(seconds)})

    asyncio.run(run(Settings(install_id="toy", kubeconfig=kubeconfig, health_address=("127.0.0.1", 0)), factory))


if __name__ == "__main__":
    main()
