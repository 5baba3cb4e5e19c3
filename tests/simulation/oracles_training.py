"""What has to be true of a TrainingRun: nothing runs that its status does not tell, and its finalizer goes only on proof."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sagemaker_gitops.core.kinds.training_run.settings import Settings
from sagemaker_gitops.core.kinds.training_run.status import recorded_active
from sagemaker_gitops.core.naming import TAG_NAME
from sagemaker_gitops.core.resource import RERUN
from tests.simulation.process import INSTALL

if TYPE_CHECKING:
    from tests.simulation.world import World

SETTINGS = Settings(INSTALL)
ROUNDING = 1.0  # seconds: Kubernetes' timestamps are whole
TERMINAL = ("Succeeded", "Failed", "GateRejected", "Stopped")


class TrainingOracle:
    """scenario.KindOracle."""

    def settled(self, world: World, body: Mapping[str, Any]) -> bool:
        status, metadata = body.get("status") or {}, body["metadata"]
        return (
            "deletionTimestamp" not in metadata
            and status.get("phase") in TERMINAL
            and status.get("observedGeneration") == metadata["generation"]
            and status.get("lastHandledRerun") == metadata["annotations"].get(RERUN)
            and not status.get("leftovers")
        )

    def end_of(self, world: World) -> dict[str, Any] | None:
        """The object's end state without times, versions and history; None if it is gone."""
        body = world.kube.objects.get(world.key)
        if body is None:
            return None
        status = body.get("status") or {}
        return {
            "phase": status.get("phase"),
            "steps": [(step["name"], step["state"], step.get("awsName"), step.get("attempt")) for step in status.get("steps", ())],
            "model": (status.get("model") or "").partition("/")[0],
            "ready": next(((item["status"], item["reason"]) for item in status.get("conditions", ()) if item["type"] == "Ready"), None),
        }

    def requested(self, world: World, operation: str, parameters: Mapping[str, Any]) -> None:
        """Jobs are judged by the ledger."""

    def check_removal(self, world: World, body: Mapping[str, Any]) -> None:
        """The moment an object vanishes: nothing of it may run, and the proof of that must have been made."""
        running = [work.name for work in world.works() if work.active(world.clock.seconds)]
        if running:
            world.violations.append(f"O2: the object went while {running} ran")
        status = body.get("status") or {}
        for name, (_, _, attempted) in recorded_active(status).items():
            looks = [(at, active) for at, looked, active in world.context.looks if looked == name]
            quiet = [at for at, active in looks if not active]
            if not quiet or quiet[-1] - quiet[0] < SETTINGS.absence_interval - ROUNDING:
                world.violations.append(f"O2: finalizer released without two looks at {name}: {looks}")
            if attempted and not any(name in (work.name, work.name.split("_")[0]) for work in world.works()):
                age = (world.clock.now() - attempted).total_seconds()
                if age < SETTINGS.create_quarantine - ROUNDING and not _made(world, name):
                    world.violations.append(f"O2: finalizer released {age:g} s after an attempted create of {name}")

    def orphans(self, world: World) -> list[str]:
        """Whatever runs when all is quiet has to be in a live object's status."""
        body = world.kube.objects.get(world.key)
        known = recorded_active(body.get("status") or {}) if body else {}
        now = world.clock.seconds
        orphans = [
            work.name for work in world.works() if work.active(now) and work.name not in known and work.tags[TAG_NAME] == world.key.name
        ]
        return [f"O2: orphans {orphans}"] if orphans else []


def _made(world: World, name: str) -> bool:
    return name in world.jobs.works or bool(world.glue.jobs.get(name) and world.glue.jobs[name].runs)
