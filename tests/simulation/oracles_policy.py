"""What has to be true of a MonitorPolicy: no window is paid for twice, no breach trains more often than its limits say, nothing is left.

Judged by AWS's ledger and tags and by the spec that users applied, with nothing taken from what the operator wrote into a status.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sagemaker_gitops.core.kinds.monitor_policy.requests import TAG_MODEL, TAG_WINDOW
from sagemaker_gitops.core.kinds.training_run.retrain import TAG_EPISODE, TAG_POLICY
from sagemaker_gitops.core.naming import TAG_INSTALL, TAG_KIND, TAG_NAME, TAG_STEP
from sagemaker_gitops.core.resource import CHECK_NOW, Key
from tests.simulation.aws_jobs import Work
from tests.simulation.process import INSTALL

if TYPE_CHECKING:
    from tests.simulation.world import World

RUN = Key("TrainingRun", "team-a", "digits")
RESTING = ("Passing", "Breached", "NoData", "CheckFailed", "Suspended", "Scheduled", "Invalid")
RUN_RESTING = ("Succeeded", "Failed", "GateRejected", "Stopped")
DAY, HOUR = 86_400.0, 3600.0
SECONDS = {"m": 60.0, "h": HOUR, "s": 1.0}
ROUNDING = 1.0  # seconds: Kubernetes' timestamps are whole
QUIET = 60.0  # seconds in which what was asked for has been heeded


class PolicyOracle:
    """scenario.KindOracle."""

    def settled(self, world: World, body: Mapping[str, Any]) -> bool:
        status, metadata = body.get("status") or {}, body["metadata"]
        heeded = body["spec"].get("suspend") or status.get("lastHandledCheckNow") == metadata["annotations"].get(CHECK_NOW)
        return (
            "deletionTimestamp" not in metadata
            and status.get("phase") in RESTING
            and status.get("observedGeneration") == metadata["generation"]
            and bool(heeded)
            and "running" not in status
            and _run_settled(world, status)
            and world.clock.seconds > world.last_trouble + QUIET
        )

    def end_of(self, world: World) -> dict[str, Any]:
        body = world.kube.objects.get(world.key)
        if body is None:
            return {}
        end: dict[str, Any] = {
            "alarms": sorted((name, alarm["Threshold"]) for name, alarm in _alarms(world).items()),
            "dashboards": sorted(world.cloudwatch.dashboards),
        }
        status = body.get("status") or {}
        last, episode = status.get("lastCheck") or {}, status.get("episode") or {}
        return end | {
            "phase": status.get("phase"),
            "ready": next(((item["status"], item["reason"]) for item in status.get("conditions", ()) if item["type"] == "Ready"), None),
            "last": (last.get("state"), last.get("model"), (last.get("data") or {}).get("state"), last.get("metrics")),
            "judged": [(item["name"], item["state"], item["threshold"], item.get("settledFor")) for item in status.get("alarms", ())],
            "episode": (episode.get("state"), len(episode.get("requests") or ())),
            "retrains": len(retrains(world)),
        }

    def requested(self, world: World, operation: str, parameters: Mapping[str, Any]) -> None:
        """What is paid for is judged at the end by what AWS accepted; here only that nobody else's things are taken away."""
        if operation in ("DeleteAlarms", "DeleteDashboards"):
            foreign = [name for name in next(iter(parameters.values())) if "digits" in name]
            if foreign:
                world.violations.append(f"O8: {operation} of {foreign}, which is somebody else's")

    def check_removal(self, world: World, body: Mapping[str, Any]) -> None:
        """The moment the policy vanishes: nothing of it runs or stands, and nothing is on its way that could."""
        if body["spec"].get("deletionPolicy") == "Retain":
            return
        world.removed_at = world.clock.seconds
        running = [work.name for work in _checks(world) if work.active(world.clock.seconds)]
        left = [*running, *_alarms(world), *world.cloudwatch.dashboards]
        if left:
            world.violations.append(f"O2: the policy went while {left} was there")

    def orphans(self, world: World) -> list[str]:
        """Also what belongs to the whole run: windows, retrains, and that no spec was ever written."""
        body = world.kube.objects.get(world.key)
        running = [work.name for work in _checks(world) if work.active(world.clock.seconds)]
        found = [f"O2: {running} runs when all is quiet"] if running else []
        if body is None:
            left = [name for name in (*_alarms(world), *world.cloudwatch.dashboards) if not _repeated(world, name)]
            left += [work.name for work in _checks(world) if work.created > world.removed_at]
            found += [f"O2: {left} is left, or came after the policy went"] if left else []
        elif body["spec"] != world.manifest["spec"]:
            found.append(f"O8: the spec is {body['spec']}, users applied {world.manifest['spec']}")
        return [*found, *_twice(world), *over_limits(world)]


def retrains(world: World) -> list[Work]:
    """Training jobs that the policy asked for, in their order."""
    wanted = f"{world.key.namespace}/{world.key.name}"
    return [work for work in world.jobs.works.values() if work.type == "TrainingJob" and work.tags.get(TAG_POLICY) == wanted]


def over_limits(world: World) -> list[str]:
    """The retrains that AWS accepted against the loosest limits that any version of the spec had."""
    found, made = [], retrains(world)
    specs = [version["spec"]["onBreach"]["retrain"] for version in world.scenario.versions if "onBreach" in version["spec"]]
    if not specs:
        return [f"O8: {len(made)} retrains that no spec asks for"] if made else []
    most, worst = (max(spec.get(name, 3) for spec in specs) for name in ("maxPerDay", "maxWithoutImprovement"))
    pause = min(_seconds(spec.get("cooldown", "1h")) for spec in specs)
    times = [work.created for work in made]
    for index, at in enumerate(times):
        within = sum(at - DAY < earlier <= at for earlier in times[: index + 1])
        if within > most:
            found.append(f"O8: {within} retrains within a day, maxPerDay is {most}")
        if index and at - times[index - 1] < pause - ROUNDING:
            found.append(f"O8: {at - times[index - 1]:g} s between two retrains, the cooldown is {pause:g} s")
    episodes = Counter(work.tags[TAG_EPISODE].rpartition(".")[0] for work in made)
    found += [f"O8: {count} retrains of breach {name}" for name, count in episodes.items() if count > worst]
    numbers = Counter(work.tags[TAG_EPISODE] for work in made)
    return found + [f"O1: {count} trainings of {name}" for name, count in numbers.items() if count > 1]


def _twice(world: World) -> list[str]:
    """One job for a window of a model; another content of the spec is another check."""
    if len({str(version["spec"]["checks"]) for version in world.scenario.versions}) > 1:
        return []
    seen = Counter((work.tags[TAG_STEP], work.tags[TAG_WINDOW], work.tags[TAG_MODEL]) for work in _checks(world))
    return [f"O1: {count} jobs for window {window}" for window, count in seen.items() if count > 1]


def _run_settled(world: World, status: Mapping[str, Any]) -> bool:
    """Whether the TrainingRun, if one has passes, has ended and has heeded what the policy asks for."""
    run = world.kube.objects.get(RUN)
    if run is None or RUN.kind not in world.scenario.kinds:
        return True
    told = run.get("status") or {}
    return told.get("phase") in RUN_RESTING and ("retrain" not in status or "retrain" in told)


def _checks(world: World) -> list[Work]:
    return [work for work in world.jobs.works.values() if work.type == "ProcessingJob" and work.tags.get(TAG_KIND) == "MonitorPolicy"]


def _alarms(world: World) -> dict[str, Mapping[str, Any]]:
    """The policy's alarms, by tag."""

    def ours(alarm: Mapping[str, Any]) -> bool:
        tags = {tag["Key"]: tag["Value"] for tag in alarm.get("Tags", ())}
        return tags.get(TAG_INSTALL) == INSTALL and tags.get(TAG_NAME) == world.key.name

    return {name: alarm for name, alarm in world.cloudwatch.alarms.items() if ours(alarm)}


def _repeated(world: World, name: str) -> bool:
    """Whether a put whose answer was lost was asked for again and answered, and arrived late after all: nobody waits for that one."""
    puts = sum(entry.identity == name and entry.operation.startswith("Put") for entry in world.context.ledger.entries)
    return bool(world.aws.late) and puts > 1


def _seconds(text: str) -> float:
    return float(text[:-1]) * SECONDS[text[-1]]
